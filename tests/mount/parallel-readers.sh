#!/bin/bash
# Many readers at once: each gets the right bytes, while others list, search and a snapshot is taken.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$first" "$second"
oracle tree "$first" "$work/want1"
oracle tree "$second" "$work/want2"
mount_start

# reader N: compare tables in an order of its own with what they should hold.
reader() {
	local n=$1 table shard day want
	for table in shop/orders telemetry/devices shop/products shop/keys; do
		day=$day1 want=$work/want1
		[ $((n % 2)) -eq 0 ] && day=$day2 want=$work/want2
		mkdir -p "$work/got$n/$table"
		for shard in "$mnt/$table"/shard-*; do
			cp -R --remove-destination "$shard/$day/." "$work/got$n/$table"
		done
		rm "$work/got$n/$table/.table.json"
		diff -r "$want/$table" "$work/got$n/$table" || return 1
	done
}
searcher() {
	local found
	found=$(grep -rlF '"order_no":333,' "$mnt/shop/orders/shard-00/$day1" | wc -l)
	[ "$found" -eq 1 ] || return 1
	found=$(find "$mnt/telemetry" -name '*.json' -not -name '.*' | wc -l)
	[ "$found" -ge $((2 * (575 + 3194))) ] || return 1
}
pids=()
for n in 1 2 3 4 5 6; do
	reader "$n" >"$work/reader$n.log" 2>&1 &
	pids+=($!)
done
for n in 7 8; do
	searcher >"$work/reader$n.log" 2>&1 &
	pids+=($!)
done
expect 0 tb snapshot "$third"
for pid in "${pids[@]}"; do
	wait "$pid" || fail "a reader failed"
done

# One file, one byte range, many readers.
document=$mnt/shop/keys/shard-00/$day1/values.json
cp "$document" "$work/document"
pids=()
for n in 1 2 3 4 5 6 7 8; do
	cmp "$work/document" "$document" && probe read "$document" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || fail "a reader of one file failed"
done
mount_stop
