#!/bin/bash
# rsync -aH of the whole mount keeps each version once, again finds nothing to do, and the copy is a
# source from which the same documents at all dates come back.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
mount_start
expect 0 rsync -aH "$mnt/" "$work/copy/"
silent err

versions=$(oracle counts "$first" "$second" "$third" | awk '{ n += $4 + $5 } END { print n }')
equal "$versions" "$(find "$work/copy" -type f -not -name .table.json -printf '%i\n' | sort -u | wc -l)" \
	'inodes of the copy'
equal "$versions" "$(find "$mnt" -type f -not -name .table.json -printf '%i\n' | sort -u | wc -l)" \
	'inodes of the mount'
find "$mnt" -printf '%P %y %s %T@ %l\n' | grep -v ' d ' | sort >"$work/want"
find "$work/copy" -printf '%P %y %s %T@ %l\n' | grep -v ' d ' | sort >"$work/got"
same "$work/want" "$work/got"

# A second run has nothing to transfer; the full comparison by checksum neither.
expect 0 rsync -aHi "$mnt/" "$work/copy/"
silent out
expect 0 rsync -aHic --delete "$mnt/" "$work/copy/"
silent out
mount_stop

# A copy that was broken off is none: of the tables that are not whole nothing is taken.
mv "$repo" "$work/original"
expect 0 "$THINKBACK" init "$repo"
mkdir "$work/aside"
mv "$work/copy/shop/products/shard-00/$day1/SKU-0007.json" "$work/aside/"
mv "$work/copy/shop/orders/shard-01/$day1" "$work/aside/"
expect 3 tb snapshot -e shop.products -e shop.orders -e shop.coupons "$work/copy"
grep -q "shop.products: [0-9]* documents, and the snapshot has [0-9]*: copy all of it" "$work/err" ||
	fail "$(cat "$work/err")"
grep -q "shop.orders: [0-9]* documents, and the snapshot has [0-9]*: copy all of it" "$work/err" ||
	fail "$(cat "$work/err")"
mv "$work/aside/SKU-0007.json" "$work/copy/shop/products/shard-00/$day1/"
mv "$work/aside/$day1" "$work/copy/shop/orders/shard-01/"
rm -r "$repo"
expect 0 "$THINKBACK" init "$repo"

# The copy is a source: the same tree again, but for what says where it came from.
expect 0 tb snapshot "$work/copy"
equal "$day1 $day2 $day3" "$(tb list --json | jq -r .date | sort -u | tr ':' '-' | xargs)" 'dates'
mount_start
oracle mounted "$mnt" "$first" "$second" "$third" >"$work/out"
mkdir "$work/again"
rsync -aH "$mnt/" "$work/again/"
mount_stop
for tree in "$work/copy" "$work/again"; do
	chmod -R u+w "$tree"
	while read -r config; do
		jq -cS 'del(.snapshot, .source)' "$config" >"$work/config"
		cp --remove-destination "$work/config" "$config"
	done < <(find "$tree" -name .table.json)
done
diff -r --no-dereference "$work/copy" "$work/again"
expect 0 tb check --read-data
expect 0 tb snapshot "$work/copy"
says out 'already'
