#!/bin/bash
# ls and cat show the tree without a mount.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository

expect 0 tb ls
equal 'shop telemetry' "$(xargs <"$work/out")" 'databases'
expect 0 tb ls shop
equal 'coupons empty keys orders products' "$(xargs <"$work/out")" 'tables'
expect 0 tb ls /shop/orders/
equal 'shard-00 shard-01' "$(xargs <"$work/out")" 'shards'
expect 0 tb ls shop/orders/shard-00
says out "^$day1"
says out "^latest"

# Every document of the newest snapshot.
oracle tree "$third" "$work/want"
for table in shop/keys shop/products telemetry/events shop/coupons; do
	for shard in $(tb ls "$table"); do
		tb ls "$table/$shard/latest"
	done | grep -vx '.table.json' | sort >"$work/got"
	(cd "$work/want/$table" && ls -A) | sort >"$work/names"
	same "$work/names" "$work/got"
done
mapfile -t names < <(cd "$work/want/shop/keys" && ls -A)
(cd "$work/want/shop/keys" && cat -- "${names[@]}") >"$work/text"
tb cat "${names[@]/#/shop\/keys\/shard-00\/latest\/}" >"$work/got"
same "$work/text" "$work/got"

equal 251.73 "$(tb cat "shop/products/shard-00/$day2/SKU-0001.json" | jq .price)" 'a price before'
equal 0 "$(tb cat "shop/products/shard-00/latest/SKU-0001.json" | jq .price)" 'the price after'
expect 1 tb cat "shop/products/shard-00/latest/SKU-0007.json"
silent out
complaint 'SKU-0007'
expect 1 tb ls shop/nothing
complaint 'nothing'
expect 1 tb cat shop/products
silent out
complaint 'directory'
expect 3 tb cat shop/coupons/shard-00/latest/WELCOME10.json shop/nothing/x
complaint 'nothing'
equal '{"id":"WELCOME10","percent":10}' "$(cat "$work/out")" 'the one that is there'
expect 2 tb cat
if tb cat "shop/keys/shard-00/$day1/values.json" >/dev/full 2>"$work/err"; then
	fail 'a full standard output is not noticed'
fi
