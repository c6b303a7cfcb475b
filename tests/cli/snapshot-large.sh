#!/bin/bash
# A document over the server's limit is refused, one just under it is taken, and neither takes memory
# that grows with the table.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$first"
state before
top=rethinkdb_dump_2026-11-21T03:00:00
archive=$work/$top.tar.gz
oracle info shop large >"$work/large.info"

# large MEGABYTES: an archive with one document of that size between two small ones.
large() {
	{
		printf '[\n{"id": 1},\n{"id": 2, "text": "'
		head -c "${1}000000" /dev/zero | tr '\0' 'x'
		printf '"},\n{"id": 3}\n]\n'
	} >"$work/large.json"
	oracle archive "$archive" "$top/shop/large.info" "$work/large.info" "$top/shop/large.json" "$work/large.json"
	rm "$work/large.json"
}
large 200
expect 1 tb snapshot "$archive"
complaint 'shop.large.*line 3'
state after
same "$work/before" "$work/after"

large 100
expect 0 tb snapshot "$archive"
expect 0 tb check --read-data
[ "$(tb cat shop/large/shard-00/latest/=2.json | wc -c)" -eq $((100000000 + 19)) ] || fail 'its size'
equal '{"id":3}' "$(tb cat shop/large/shard-00/latest/=3.json)" 'the one behind it'
