#!/bin/bash
# Restores whose snapshots are forgotten and collected: what was copied in is carried out all the same,
# also after a retry; a whole snapshot that is being restored meanwhile is either all there or said not
# to be.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
target=$work/target
orders=$mnt/shop/orders
mount_start -o noworker

# Documents, and the table as a whole, of the first day.
changed=$(cd "$orders/shard-00" && for file in "$day1"/=*.json; do
	cmp -s "$file" "$day3/${file##*/}" || { echo "${file##*/}" && break; }
done)
cp "$orders/shard-00/$day1/$changed" "$orders/"
cat "$orders/shard-00/$day1/$changed" >"$work/want"
cat "$mnt/shop/products/shard-00/$day1"/*.json >"$work/products.json"
cp "$work/products.json" "$mnt/shop/products/"
expect 0 tb queue list --state pending
equal 3 "$(wc -l <"$work/out")" 'pending restores and the header'
# A file that is open for reading while its copy is on the way.
exec 7<"$orders/shard-00/$day1/$changed"

expect 0 tb forget shop "$day1" "$day2" --gc
says out 'freed'
expect 0 tb gc --threshold 0
gone() {
	[ "$(probe errno read "$orders/shard-00/$day1/$changed")" = ENOENT ]
}
soon 20 gone || fail 'the snapshot is shown still'
cat <&7 >"$orders/later.json"
exec 7<&-

expect 0 tb worker --once --target "$target"
expect 0 tb queue list --state 'done'
equal 4 "$(wc -l <"$work/out")" 'restores that are done and the header'
jq -c ".[] | select(.order_no == $(jq .order_no "$work/want"))" "$target/shop/orders.json" >"$work/got"
equal "$(jq -cS . "$work/want")" "$(jq -cS . "$work/got")" 'the document that was restored'
equal "$(jq -cS . "$work/products.json" | sort | sha256sum)" \
	"$(jq -cS '.[]' "$target/shop/products.json" | sort | sha256sum)" 'the table that was restored'
expect 1 tb restore --at "$day1" -e shop.orders "$work/late"
expect 0 tb check --read-data
mount_stop

# A snapshot goes while it is restored: what comes is whole, or it fails and says so.
cp -a "$repo" "$work/whole"
# What is not there any more when it begins is not what it restores: it takes the day before then.
expect 0 tb restore --at "$day2" -e telemetry "$work/good"
expect 0 tb restore --at "$day1" -e telemetry "$work/before"
for round in 1 2 3; do
	rm -rf "$repo" "$work/now"
	cp -a "$work/whole" "$repo"
	"$THINKBACK" -r "$repo" restore --at "$day2" -e telemetry "$work/now" >"$work/restore-out" 2>&1 &
	pid=$!
	expect 0 tb forget telemetry "$day2" --gc
	if wait "$pid"; then
		for file in events devices; do
			file=telemetry/$file.json
			cmp -s "$work/good/$file" "$work/now/$file" || same "$work/before/$file" "$work/now/$file"
		done
	else
		[ -s "$work/restore-out" ] || fail "round $round: nothing is said"
		if grep -E 'damaged|check' "$work/restore-out"; then fail "round $round: taken for damage"; fi
	fi
	expect 0 tb check --read-data
done
