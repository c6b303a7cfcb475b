#!/bin/bash
# A snapshot that is killed at any moment, or interrupted, leaves nothing visible behind; the next one
# takes it all. One writer works at a time, and readers never wait for it.
# Promises: 2, 3.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$first"
state before
cp -a "$repo" "$work/fresh"
took=$(date +%s%N)
expect 0 tb snapshot "$second" "$third"
took=$((($(date +%s%N) - took) / 1000000))
tb --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/complete"

# killed DELAY-MS SIGNAL: take two archives, and be hit by a signal so much later.
killed() {
	rm -r "$repo"
	cp -a "$work/fresh" "$repo"
	env --default-signal=INT "$THINKBACK" -r "$repo" snapshot "$second" "$third" >"$work/out" 2>"$work/err" &
	local pid=$! status=0
	sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
	kill -"$2" "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || status=$?
	# Whole archives or nothing of them.
	tb --json list | jq -r .date | sort | uniq -c | awk '{ print $1, $2 }' >"$work/dates"
	grep -qx "6 $day1" "$work/dates" || fail 'the snapshots before'
	! grep -vxE "6 ($day1|$day2|$day3)" "$work/dates" || fail "an archive in part"
	grep -q "$day3" "$work/dates" || [ "$status" -ne 0 ] || fail "status 0 without all archives"
	expect 0 tb check --read-data
	expect 0 tb snapshot "$second" "$third"
	tb --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/got"
	same "$work/complete" "$work/got"
	expect 0 tb check --read-data
	! find "$repo" -name '*tmp*' | grep . || fail 'temporary files are left'
	return "$status"
}
hit=0
for part in 2 10 20 35 50 65 80 95; do
	killed $((took * part / 100)) KILL || hit=$((hit + 1))
done
[ "$hit" -ge 4 ] || fail "only $hit of 8 were killed before they were done"
for part in 30 60; do
	status=0
	killed $((took * part / 100)) INT || status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || fail "status $status after an interrupt"
done

# A check beside a writer finds nothing wrong, whatever it meets.
rm -r "$repo"
cp -a "$work/fresh" "$repo"
tb snapshot "$second" "$third" >"$work/snapshot.log" 2>&1 &
writer=$!
while kill -0 "$writer" 2>/dev/null; do
	expect 0 tb check --read-data
done
wait "$writer"

# While one writes, another is told so at once, and looking is free.
rm -r "$repo"
cp -a "$work/fresh" "$repo"
exec 9>>"$repo/lock"
flock -x 9 2>/dev/null || fail 'lock'
python3 - "$repo/lock" "$work/locked" <<-'END' &
	import fcntl, sys, time
	with open(sys.argv[1], "r+b") as f:
	    fcntl.lockf(f, fcntl.LOCK_EX)
	    open(sys.argv[2], "w").close()
	    time.sleep(60)
END
locker=$!
later kill "$locker"
for _ in $(seq 200); do
	[ ! -e "$work/locked" ] || break
	sleep 0.1
done
expect 1 tb snapshot "$second"
complaint 'another|lock'
expect 0 tb list
expect 0 tb ls shop
kill "$locker"
exec 9>&-
expect 0 tb snapshot "$second"
