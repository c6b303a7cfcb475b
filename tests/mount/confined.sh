#!/bin/bash
# What a mount gives up: the process that serves has no network and no privileges, and of the repository
# it can write the queue alone; the worker can write no pack. Modes are narrow whatever the umask, and a
# repository that others could have put there is refused.
# Promises: 9, 10, 11.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
umask 000
repository "$first"
mount_start -o target="$work/target",umask=027,gid=1234
orders=$mnt/shop/orders

# has PID NAME VALUE: a field of its status.
has() {
	equal "$3" "$(awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status")" "$2 of process $1"
}
soon 20 workers >/dev/null || fail 'no worker'
worker=$(workers)
filter=0
grep -qw errno /proc/sys/kernel/seccomp/actions_avail 2>/dev/null && filter=2
for pid in "$daemon" "$worker"; do
	has "$pid" NoNewPrivs 1
	soon 20 grep -q "^Seccomp:[[:space:]]*$filter" "/proc/$pid/status" || fail "no filter in $pid"
	left=$(awk '$1 == "CapEff:" { print $2 }' "/proc/$pid/status")
	# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, bits 1 and 2.
	[ $((0x$left & ~6)) -eq 0 ] || fail "capabilities of $pid: $left"
done
equal '' "$(find "/proc/$daemon/fd" -lname 'socket:*')" 'sockets of the mount'

# What is shown goes by the options; a directory is no more open than its table's.
equal '750 1234' "$(stat -c '%a %g' "$orders")" 'mode and group of a table'
equal '440 1234' "$(stat -c '%a %g' "$orders/shard-00/$day1/=333.json")" 'mode and group of a document'
expect 2 tb mount -o umask=8 "$work"
says err 'no umask'

# A restore is carried out, also one that does not fit into memory, and by a worker that took the place
# of one that was killed.
cp "$orders/shard-00/$day1/=333.json" "$orders/"
soon 20 test -e "$orders/.restore/done/=333.json" || fail 'not restored'
python3 -c '
import json
for i in range(40000):
    print(json.dumps({"order_no": 100000 + i, "text": "x" * 60}))' >"$work/large.json"
cp "$work/large.json" "$orders/"
kill -KILL "$worker"
# another_worker: the keeper has started one.
another_worker() {
	local now
	now=$(workers) && [ "$now" != "$worker" ]
}
soon 30 another_worker || fail 'no other worker'
# The killed one may hold it for the time of its lease.
sqlite3 "$repo/queue.db" "PRAGMA busy_timeout = 20000; UPDATE restores SET lease_until = 1 WHERE state = 'running'" >/dev/null
soon 60 test -e "$orders/.restore/done/large.json" || fail 'the large one is not restored'
equal 40001 "$(jq length "$work/target/shop/orders.json")" 'documents in the target'
# A new snapshot is seen, though the catalogue can only be read.
expect 0 tb snapshot "$second"
soon 10 test -e "$orders/shard-00/$day2" || fail 'the new snapshot is not seen'

equal '' "$(find "$repo" "$work/target" -type f ! -perm 600 -o -type d ! -perm 700)" 'modes under umask 000'
mount_stop
soon 10 no_process "$repo" || fail "left over: $(processes "$repo")"
equal 'catalog.db lock packs queue.db scratch' "$(entries "$repo")" 'what a mount leaves behind'
equal '' "$(entries "$repo/scratch")" 'temporary files'

# A worker by hand: in the repository, with the narrowest umask.
umask 777
mkdir -p "$work/none" 2>/dev/null || true
tb queue list >/dev/null
expect 0 tb worker --once
umask 022
equal '' "$(find "$repo" -type f ! -perm 600 -o -type d ! -perm 700)" 'modes under umask 777'
equal 0 "$(stat -c %s "$repo/queue.db-wal" 2>/dev/null || echo 0)" 'bytes of the log behind a worker'

# A repository that others can change is used only when that is told.
chmod 770 "$repo"
expect 1 tb list
complaint 'can be written to by other users; use it all the same: thinkback --any-owner'
expect 1 tb rebuild
complaint 'thinkback --any-owner'
expect 0 tb --any-owner list
expect 0 env THINKBACK_ANY_OWNER=1 "$THINKBACK" -r "$repo" list
mkdir -p "$mnt"
expect 1 tb mount "$mnt"
mount_start -o any_owner,target="$work/target"
soon 20 workers >/dev/null || fail 'no worker for a repository of others'
cp "$orders/shard-00/$day1/=666.json" "$orders/"
soon 20 test -e "$orders/.restore/done/=666.json" || fail 'not restored'
mount_stop
