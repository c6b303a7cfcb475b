#!/bin/bash
# A directory of 100,000 documents: the whole set, no duplicates, every reader the same, and the
# daemon's memory stays flat.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
n=100000
oracle generate "$work/rethinkdb_dump_2026-01-02T03:04:05.tar.gz" rethinkdb_dump_2026-01-02T03:04:05 $n
repository "$work/rethinkdb_dump_2026-01-02T03:04:05.tar.gz"
mount_start
directory=$mnt/big/numbers/shard-00/latest/
seq -f 'k%07g.json' 0 $((n - 1)) >"$work/want"

find "$directory" -mindepth 1 -not -name '.*' -printf '%f\n' >"$work/listed"
# The order of a listing is the order of the keys.
same "$work/want" "$work/listed"
memory() {
	awk '/^RssAnon/ { print $2 }' "/proc/$daemon/status"
}
before=$(memory)
find "$directory" -name 'k*.json' -size +0 -printf '%f\n' | sort >"$work/found"
same "$work/want" "$work/found"
probe getdents "$directory" 4096 | grep -v '^\.' >"$work/listed"
same "$work/want" "$work/listed"
equal $((n + 3)) "$(probe seek "$directory")" 'entries when seeking'
after=$(memory)
[[ $THINKBACK == */build/default/* ]] && [ $((after - before)) -gt 32768 ] &&
	fail "listing took $((after - before)) KiB of memory"

# Something at the start, in the middle and at the end is really there.
for i in 0000000 0050000 0099999; do
	equal "k$i" "$(jq -r .id "$directory/k$i.json")" "document $i"
done
equal ENOENT "$(probe errno stat "$directory/k0100000.json")" 'a document behind the end'
mount_stop
