#!/bin/bash
# forget, tag and gc: what is kept and why, in text and JSON; names and pins; refusals that change
# nothing; the space that becomes free; archives that lie about for longer than their snapshots.
# Promises: 2.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository
packs() {
	find "$repo/packs" -name '*.pack' | wc -l
}
dates() {
	tb --json list "$1" | jq -r .date | paste -sd ' '
}

# Nothing is done without being told what.
state before
expect 2 tb forget
says err 'keep-daily'
expect 2 tb forget --keep-last 0
says err 'keep'
for wrong in --keep-daily=x --keep-daily=-1 --keep-within=5 --keep-within=1x '-e shop' 'shop.orders' \
	"--keep-last=1 shop.orders $day1" "-e shop shop.orders $day1"; do
	# shellcheck disable=SC2086 # words
	expect 2 tb forget $wrong
	silent out
done
expect 1 tb forget --keep-last 1 -e shop.nothing
complaint 'no snapshots of shop\.nothing'
expect 1 tb forget shop.orders yesterday
complaint 'yesterday.*no date'
expect 1 tb forget shop.orders "$day1" 2026-11-01T00-00-00Z
complaint 'no snapshot of shop\.orders at 2026-11-01'
expect 0 tb forget --keep-last 1 --dry-run
says out 'would be forgotten'
expect 0 tb gc -n
says out '^nothing to free$'
expect 2 tb gc --threshold 101
expect 2 tb gc now
state after
same "$work/before" "$work/after"

# Tags and pins.
expect 0 tb tag
says out 'no snapshot has a tag'
expect 0 tb tag add release-1 shop.orders "$day1"
expect 0 tb tag add pin shop.products "$day1"
expect 0 tb tag add monthly shop.products "$day1"
expect 0 tb tag list
equal "$day1  shop.orders  release-1/$day1  shop.products  pin monthly" "$(paste -sd / "$work/out")" 'tags'
expect 0 tb --json tag list shop.products
equal 'true monthly' "$(jq -r '[.pinned, .tags[]] | join(" ")' "$work/out")" 'tags in JSON'
expect 0 tb tag add passing shop latest
expect 0 tb tag remove passing shop latest
expect 2 tb tag add 'no tag' shop latest
expect 2 tb tag add pin shop.orders
expect 2 tb tag take pin shop.orders latest
expect 1 tb tag add some shop.orders 2026-01-01
complaint 'no snapshot of shop\.orders at'

# A policy, as it is foreseen and as it is done.
expect 0 tb --json forget --keep-last 1 --keep-tag release-1 -e shop -n
cp "$work/out" "$work/foreseen"
expect 0 tb forget --keep-last 1 --keep-tag release-1 -e shop
says out "^shop\.orders$"
says out "^  keep    $day1  tagged$"
says out "^  forget  $day2$"
says out "^  keep    $day3  last snapshot$"
says out "^  keep    $day1  pinned$"
kept=$(jq -r 'select(.event == "snapshot" and .kept) | .table + .date' "$work/foreseen" | wc -l)
gone=$(jq -r 'select(.event == "snapshot" and (.kept | not)) | .table + .date' "$work/foreseen" | wc -l)
says out "^$kept snapshots kept, $gone forgotten$"
equal "$kept $gone true" "$(jq -r 'select(.event == "forget") | "\(.kept) \(.forgotten) \(.dry_run)"' "$work/foreseen")" 'sums'
equal "$day1 $day3" "$(dates shop.orders)" 'orders'
equal "$day1 $day3" "$(dates shop.products)" 'products'
equal "$day3" "$(dates shop.keys)" 'keys'
equal "$day1 $day2 $day3" "$(dates telemetry.events)" 'a table that was not asked for'
expect 1 tb cat "shop/keys/shard-00/$day1/.table.json"
expect 0 tb ls shop/keys/shard-00
equal "$day3 latest" "$(paste -sd ' ' "$work/out")" 'the tree'
# A table is judged by itself: the last snapshot of one that is gone from the server stays.
equal "$day2" "$(dates shop.empty)" 'the last snapshot of a table'
expect 0 tb forget --keep-last 1 --keep-tag release-1 -e shop
says out ', 0 forgotten$'

# By name; not what is pinned; the last one of a table too.
expect 1 tb forget shop.products "$day1"
complaint 'pinned.*tag remove pin'
expect 0 tb tag remove pin shop.products "$day1"
expect 0 tb forget shop.products "$day1"
says out '^1 snapshots forgotten$'
expect 0 tb forget shop.coupons latest
expect 1 tb list shop.coupons
expect 0 tb ls shop
equal 'empty keys orders products' "$(paste -sd ' ' "$work/out")" 'tables'

# The space.
tb export -e shop "$work/one.tar.gz" >/dev/null
expect 0 tb check --read-data
n=$(packs)
expect 0 tb --json gc --threshold 0 --dry-run
foreseen=$(jq .packs_removed "$work/out")
equal "$n" "$(packs)" 'packs after a dry run'
expect 0 tb --json gc --threshold 0
removed=$(jq .packs_removed "$work/out")
[ "$foreseen" -ge 2 ] && [ "$foreseen" -le "$removed" ] || fail "$foreseen foreseen, $removed removed"
equal $((n - removed)) "$(packs)" 'packs'
[ "$(jq .freed_bytes "$work/out")" -gt 5000 ] || fail "little was freed: $(cat "$work/out")"
expect 0 tb gc --threshold 0
says out '^nothing to free$'
expect 0 tb check --read-data
says out 'no problems'
tb export -e shop "$work/two.tar.gz" >/dev/null
for archive in one two; do
	mkdir "$work/$archive"
	tar -xzf "$work/$archive.tar.gz" -C "$work/$archive" --strip-components=1
done
diff -r "$work/one" "$work/two" || fail 'gc has changed what is shown'

# A job that takes all archives that lie about, and forgets, can be repeated.
expect 0 tb snapshot "$first" "$second" "$third"
says out 'in the repository already'
equal "$day1 $day3" "$(dates shop.orders)" 'orders'
# What was forgotten by name and is the newest can be taken again.
expect 0 tb forget shop "$day3" --gc
says out 'freed'
equal "$day1" "$(dates shop.orders)" 'orders'
expect 0 tb snapshot -e shop "$third"
equal "$day1 $day3" "$(dates shop.orders)" 'orders'
expect 0 tb check --read-data

# One writer at a time.
python3 -c 'import fcntl, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(fd, fcntl.LOCK_EX)
open(sys.argv[2], "w").close()
time.sleep(1000)' "$repo/lock" "$work/locked" &
later kill $!
soon 10 test -e "$work/locked"
expect 1 tb forget --keep-last 1
complaint 'written to by another'
expect 1 tb gc
complaint 'written to by another'
expect 1 tb tag add pin shop latest
complaint 'written to by another'
expect 0 tb forget --keep-last 1 -n
