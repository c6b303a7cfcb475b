#!/bin/bash
# From a copy into a table directory to the target: the worker puts the documents where rethinkdb import
# reads them, merged by key, and the queue shows what became of each restore.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
target=$work/target
mount_start -o target="$target"
orders=$mnt/shop/orders
products=$mnt/shop/products

# settled TABLE-DIRECTORY NAME: it is done.
settled() {
	soon 20 test -e "$1/.restore/done/$2" || fail "$2 is not done: $(cat "$1/.restore/failed/$2.error" 2>&1)"
	[ ! -e "$1/$2" ] || fail "$2 is done and still waits"
}
# holds FILE DOCUMENT...: the export file has exactly these documents, in this order.
holds() {
	local file=$1
	shift
	jq -c '.[]' "$file" >"$work/got"
	cat "$@" | jq -c . >"$work/want"
	same "$work/want" "$work/got"
	for document in "$@"; do
		grep -qF -- "$(cat "$document")" "$file" || fail "$document is not there byte for byte"
	done
}
cp "$orders/shard-00/$day1/=333.json" "$orders/"
settled "$orders" =333.json
holds "$target/shop/orders.json" "$orders/shard-00/$day1/=333.json"
equal order_no "$(jq -r .primary_key "$target/shop/orders.info")" 'primary key in the target'
equal "$(tar --force-local -xzOf "$third" --wildcards '*/shop/orders.info' | jq -c '.indexes[].function')" \
	"$(jq -c '.indexes[].function' "$target/shop/orders.info")" 'indexes in the target'

# More of the same table: merged, in key order.
cp "$orders/shard-00/$day1/=999.json" "$orders/"
cp "$orders/shard-00/$day1/=666.json" "$orders/"
settled "$orders" =999.json
settled "$orders" =666.json
holds "$target/shop/orders.json" "$orders/shard-00/$day1"/={333,666,999}.json

# The same key again: the later document counts. Other tables are other files.
cp "$products/shard-00/$day2/SKU-0001.json" "$products/"
settled "$products" SKU-0001.json
cp "$products/shard-00/$day3/SKU-0001.json" "$products/again.json"
settled "$products" again.json
holds "$target/shop/products.json" "$products/shard-00/$day3/SKU-0001.json"

# A whole table of a dump archive, copied in under any name.
tar --force-local -xzOf "$third" --wildcards '*/telemetry/devices.json' >"$work/devices.json"
cp "$work/devices.json" "$mnt/telemetry/devices/"
settled "$mnt/telemetry/devices" devices.json
oracle tree "$third" "$work/want-tree"
LC_ALL=C cat "$work/want-tree/telemetry/devices"/*.json >"$work/all"
jq -cS '.[]' "$target/telemetry/devices.json" >"$work/got"
jq -cS . "$work/all" >"$work/want"
same "$work/want" "$work/got"

# The target is what snapshot reads, too.
expect 0 "$THINKBACK" init "$work/second"
expect 0 "$THINKBACK" -r "$work/second" snapshot --at 2026-12-01T00:00:00Z "$target"
equal '3 1 478' "$("$THINKBACK" -r "$work/second" --json list | jq -r .documents | xargs)" 'documents in the target'

expect 0 tb --json queue list
equal 'done' "$(jq -r .state "$work/out" | sort -u)" 'states'
equal 6 "$(wc -l <"$work/out")" 'restores'
mount_stop
soon 10 no_process "$repo" || fail "the worker outlives its mount: $(processes "$repo")"

# Without a target they wait, over a remount, until a worker is started by hand.
rm -r "$target"
mount_start -o noworker
cp "$orders/shard-00/$day1/=333.json" "$orders/"
kill -KILL "$daemon"
wait "$daemon" || true
unmount
mount_start -o noworker
same "$orders/shard-00/$day1/=333.json" "$orders/=333.json"
cp "$orders/shard-00/$day1/=666.json" "$orders/"
id=$(tb --json queue list | jq -r 'select(.state == "pending" and .name == "=666.json") | .id')
expect 0 tb queue cancel "$id"
soon 2 test ! -e "$orders/=666.json" || fail 'a cancelled restore still waits'
expect 1 tb queue cancel 999999
complaint '999999'
expect 0 tb worker --once --target "$target"
soon 2 test -e "$orders/.restore/done/=333.json" || fail 'not done by worker --once'
holds "$target/shop/orders.json" "$orders/shard-00/$day1/=333.json"
expect 0 tb queue retry "$id"
expect 0 tb worker --once --target "$target"
holds "$target/shop/orders.json" "$orders/shard-00/$day1"/={333,666}.json

# A target that cannot be written: it stays in the queue, or fails with the reason; never silently.
cp "$orders/shard-00/$day1/=999.json" "$orders/"
: >"$work/file"
"$THINKBACK" -r "$repo" worker --once --target "$work/file" >"$work/out" 2>"$work/err" && fail 'a target that is a file'
[ -s "$work/err" ] || fail 'nothing said'
state=$(tb --json queue list | jq -r 'select(.name == "=999.json" and .state != "done") | .state')
[[ $state == pending || $state == failed ]] || fail "its state is $state"
mount_stop
expect 0 tb check --read-data
