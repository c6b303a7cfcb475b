#!/bin/bash
# After a rebuild the tree is the same, with inode numbers, sizes, dates and links; a mount that runs
# goes over to the new catalogue by itself and shows what comes.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$first" "$second"

# listing FILE: all of the tree.
listing() {
	find "$mnt" -printf '%P %y %i %s %T@ %n %l\n' | sort >"$work/$1"
}

mount_start
listing before
exec 5<"$mnt/shop/products/shard-00/latest/SKU-0002.json"
rm "$repo"/catalog.db
# While there is none, the mount goes on with the one that it has.
listing gone
same "$work/before" "$work/gone"
expect 0 tb rebuild
listing after
same "$work/before" "$work/after"
expect 0 tb rebuild
listing after
same "$work/before" "$work/after"
equal SKU-0002 "$(jq -r .id <&5)" 'a document that was open all the time'
exec 5<&-

# As long as the process that serves cannot open the new one, because the keeper that has to open it first
# is busy, the old one answers, however many ask.
keeper=$(pgrep -P "$daemon" -f -- "-r $repo mount") || fail 'no keeper'
kill -STOP "$keeper"
rm "$repo"/catalog.db*
expect 0 tb rebuild
[ ! -e "$repo/catalog.db-shm" ] || fail 'somebody has opened the new one'
for n in 1 2 3 4 5 6; do
	listing "slow-$n" &
	listings[n]=$!
done
for n in 1 2 3 4 5 6; do
	wait "${listings[n]}" || fail 'a listing failed'
	same "$work/before" "$work/slow-$n"
done
kill -CONT "$keeper"

# Snapshots that are taken into the new catalogue appear, and what is copied in is queued.
expect 0 tb snapshot "$third"
soon 5 test -e "$mnt/shop/orders/shard-00/$day3" || fail 'a snapshot taken after a rebuild does not appear'
cp "$mnt/shop/products/shard-00/$day1/SKU-0007.json" "$mnt/shop/products/"
soon 30 test -e "$mnt/shop/products/.restore/done/SKU-0007.json" || fail 'no restore after a rebuild'

# So is what is copied into a table that is new since then.
mkdir -p "$work/more/shop"
tar --force-local -xzOf "$third" --wildcards '*/shop/coupons.info' >"$work/more/shop/vouchers.info"
tar --force-local -xzOf "$third" --wildcards '*/shop/coupons.json' >"$work/more/shop/vouchers.json"
expect 0 tb rebuild
expect 0 tb snapshot --at 2026-11-21T03:00:00Z "$work/more"
vouchers=$mnt/shop/vouchers
soon 5 test -e "$vouchers/shard-00/latest/.table.json" || fail 'a table that is new since a rebuild does not appear'
document=$(find "$vouchers/shard-00/latest/" -type f -name '[!.]*' | sed -n 1p)
cp "$document" "$vouchers/"
soon 30 test -e "$vouchers/.restore/done/$(basename "$document")" ||
	fail "not restored: $(cat "$vouchers"/.restore/failed/*.error 2>&1)"
# The kernel may believe the date of a directory for a second.
dates_are_new() {
	[ "$(stat -c %Y "$mnt" "$mnt/shop" | sort -u)" = 1795230000 ]
}
soon 5 dates_are_new || fail 'an old date'
listing before
mount_stop

rm "$repo"/catalog.db*
expect 0 tb rebuild
mount_start
listing after
same "$work/before" "$work/after"
mount_stop

# What a rebuild could not find is gone from a mount that runs, too.
mount_start
shard=$mnt/shop/orders/shard-01/$day2
[ -n "$(ls "$shard")" ] || fail 'nothing to lose'
lost=$(sqlite3 "$repo/catalog.db" "SELECT printf('%016x', p.id) FROM packs p JOIN tables t ON
	t.id = p.table_id WHERE t.name = 'orders' AND p.shard = 1 ORDER BY p.id LIMIT 1 OFFSET 1")
rm "$repo/packs/000000/$lost.pack"
expect 3 tb rebuild
shows_nothing() {
	[ -z "$(ls "$shard")" ]
}
soon 10 shows_nothing || fail 'a mount that runs shows what the new catalogue does not have'
grep -q '"lost":9' "$shard/.table.json" || fail 'not marked'
mount_stop
