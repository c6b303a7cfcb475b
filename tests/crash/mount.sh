#!/bin/bash
# A mount is killed, and has no room, at each of its calls that change a file while documents are
# copied in. What cp and mv were told to be well is in the queue, whole; the rest is there whole or not
# at all, and can be copied in again.
# Promises: 1, 3.
# shellcheck source=tests/crash/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
base one
reference=$work/reference
mkdir -p "$reference"
name='copy in' command=mount
echo '{"id": "new", "mark": 1}' >"$work/small.json"
# More than the mount holds in memory.
python3 -c 'import json; print(json.dumps([{"id": n, "text": "x" * 1000} for n in range(80)]))' >"$work/many.json"

# copy_in: copy three files into the mount; the names of those that were taken go to $slot/taken.
copy_in() {
	local users=$1/shop/users
	: >"$slot/taken"
	cp "$work/small.json" "$users/small.json" 2>/dev/null && echo small >>"$slot/taken"
	cp "$work/small.json" "$users/.moved.tmp" 2>/dev/null &&
		mv "$users/.moved.tmp" "$users/moved.json" 2>/dev/null && echo moved >>"$slot/taken"
	cp "$work/many.json" "$users/many.json" 2>/dev/null && echo many >>"$slot/taken"
	return 0
}

# mounted VARIABLE=VALUE...: copy in through a mount that is under the shim when there are variables.
mounted() {
	local mnt=$slot/mnt pid
	mkdir -p "$mnt"
	[ $# -eq 0 ] || rm -f "$slot/fired"
	[ $# -eq 0 ] || set -- LD_PRELOAD="$shim" CRASH_BELOW="$state" CRASH_FIRED="$slot/fired" "$@"
	env "$@" "$THINKBACK" -r "$state/repo" mount -f -o noworker "$mnt" >"$slot/out" 2>"$slot/err" &
	pid=$!
	# shellcheck disable=SC2317 # called by soon
	settled() {
		mountpoint -q "$mnt" || ! kill -0 "$pid" 2>/dev/null
	}
	soon 60 settled || broken 'not mounted'
	copy_in "$mnt"
	fusermount3 -u "$mnt" 2>/dev/null || fusermount3 -u -z "$mnt" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

# queued NAME: how many restores that wait have its bytes.
queued() {
	local file=small id n=0
	[ "$1" != many ] || file=many
	while read -r id; do
		! in_state "$state" queue show --payload "$id" | cmp -s - "$work/$file.json" || n=$((n + 1))
	done < <(sqlite3 "$state/repo/queue.db" "SELECT id FROM restores WHERE name = '$1.json' AND state = 'pending'")
	echo "$n"
}

# disturbed HOW N
disturbed() {
	local file n
	fresh
	mounted CRASH_HOW="$1" CRASH_AT="$2"
	in_state "$state" --json queue list >/dev/null || broken 'the queue cannot be read'
	while read -r file; do
		[ "$(queued "$file")" -eq 1 ] || broken "$file was taken, and is not in the queue once"
	done <"$slot/taken"
	n=$(($(queued small) + $(queued moved) + $(queued many)))
	[ "$n" -eq "$(sqlite3 "$state/repo/queue.db" 'SELECT count(*) FROM restores')" ] || broken 'half a restore'
	snapshots "$state" | cmp -s - "$reference/before" || broken 'other snapshots'
	whole "$state"
	mounted
	[ "$(wc -l <"$slot/taken")" -eq 3 ] || broken "not all can be copied in again: $(paste -sd ' ' "$slot/taken")"
	for file in small moved many; do
		[ "$(queued "$file")" -ge 1 ] || broken "$file is not in the queue"
	done
	! find "$state" -name '*tmp*' | grep . >&2 || broken 'temporary files are left'
}

slot=$work/slot-0 point=$name
mkdir -p "$slot"
: >"$slot/check"
snapshots "$base" >"$reference/before"
fresh
mounted CRASH_LOG="$reference/log"
[ "$(wc -l <"$slot/taken")" -eq 3 ] || broken 'not taken undisturbed'
"$BUILD/tests/crash/replay" list "$reference/log" >"$reference/calls"
mapfile -t all < <(points 12)
sweep disturbed kill "${all[@]}"
# shellcheck disable=SC2034 # shared out
mapfile -t all < <(points 20)
share all ENOSPC EIO
for how in ENOSPC EIO; do
	declare -n mine=share_$how
	sweep disturbed "$how" "${mine[@]}"
done
