#!/bin/bash
# The queue and worker commands: what they print for people and for programs, their exit codes, and
# names that no terminal and no JSON reader should see raw.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$first"
expect 0 tb queue
equal 'no restores' "$(cat "$work/out")" 'an empty queue'
expect 0 tb queue list --json
silent out
mount_start -o noworker
orders=$mnt/shop/orders
cp "$orders/shard-00/$day1/=333.json" "$orders/"
cp "$mnt/shop/products/shard-00/$day1/SKU-0001.json" "$work/product"
cp "$work/product" "$mnt/shop/products/SKU-0001.json"
for name in bad.json $'a\e[31m\nb.json' $'\xff\xc3\xa9.json'; do
	printf '{"order_no": 5,\n "a": tru}' >"$work/bad"
	expect 1 cp "$work/bad" "$orders/$name"
done
mount_stop

# For people: a header, a line for each, the reason in it, nothing that a terminal obeys.
expect 0 tb queue
equal 6 "$(wc -l <"$work/out")" 'lines'
says out '^ *ID  STATE +TABLE +NAME +DOCUMENTS +SIZE +AGE  REASON$'
says out '^ *1  pending +shop\.orders +=333\.json +1 +[0-9]+ B +[0-9]+s  -$'
says out '^ *3  failed +shop\.orders +bad\.json +0 +26 B +[0-9]+s  line 2, column [0-9]+: '
says out 'a\?\[31m\?b\.json'
! grep -q $'\e' "$work/out" "$work/mount.log" || fail 'an escape sequence'
expect 0 tb queue list --state failed
equal 4 "$(wc -l <"$work/out")" 'failed ones and the header'
expect 0 tb queue -e shop.products
says out 'SKU-0001'
equal 2 "$(wc -l <"$work/out")" 'restores of products and the header'
expect 0 tb queue list -e telemetry
equal 'no restores' "$(cat "$work/out")" 'restores of telemetry'

# For programs: one object a line with every field, valid UTF-8, times that date(1) reads.
expect 0 tb queue list --json
python3 - "$work/out" <<'END'
import json, sys, datetime
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
fields = ["id", "state", "database", "table", "name", "documents", "bytes", "attempts", "created",
    "updated", "not_before", "lease_until", "owner", "conflict", "target", "undone", "error"]
assert [list(row) for row in rows] == [fields] * 5, rows
assert [row["state"] for row in rows] == ["pending"] * 2 + ["failed"] * 3, rows
assert [row["name"] for row in rows[2:]] == ["bad.json", "a\x1b[31m\nb.json", "\ufffd\u00e9.json"]
for row in rows:
    when = datetime.datetime.strptime(row["created"], "%Y-%m-%dT%H:%M:%S.%fZ")
    assert abs((datetime.datetime.utcnow() - when).total_seconds()) < 600, when
    assert (row["error"] is None) == (row["state"] == "pending"), row
END

# One restore, and its bytes as they were copied in.
expect 0 tb queue show 3
says out '^state +failed$'
says out '^reason +line 2, column '
expect 0 tb queue show 3 --payload
same "$work/bad" "$work/out"
expect 0 tb queue show 1 3 --json
equal '1 3' "$(jq -r .id "$work/out" | xargs)" 'two restores'

# Unknown numbers and wrong states: 1 when all, 3 when some.
expect 1 tb queue show 77
complaint '77'
expect 1 tb queue retry 1
complaint 'pending'
expect 1 tb queue retry 3
complaint 'refused'
expect 3 tb queue cancel 77 3
complaint '77'
says out '3 .*cancelled'
expect 0 tb queue cancel 1 --json
equal cancelled "$(jq -r .state "$work/out")" 'state in JSON'
expect 0 tb -q queue retry 1
silent out
for arguments in 'forget' 'forget x' 'forget 1 --keep-within 1d' 'forget --keep-within x' 'forget 1 --dry-run' \
	'forget --keep-within 1d --state pending' 'list --keep-within 1d' bogus 'show' 'show x' 'show -1' 'show 0x1' 'show 1 2 --payload' 'list 1' 'list --payload' \
	'list --state none' 'list -e shop..orders' 'list -e a/b' 'cancel --all-failed' 'retry' \
	'retry 1 --all-failed' '--nonsense'; do
	# shellcheck disable=SC2086 # words
	expect 2 tb queue $arguments
	silent out
	says err '^usage: thinkback queue '
done

# A worker that cannot reach its target puts off; --once says so.
mkdir "$work/target"
exec 8<"$work/target"
flock 8
expect 1 tb worker --once --target "$work/target"
says err 'another worker'
expect 0 tb queue list --json --state pending
equal true "$(jq -s 'length == 2 and all(.[]; .attempts > 0 and .error != null and .not_before > .updated)' \
	"$work/out")" 'put off with a reason'
exec 8<&-

# A target that is not ours to merge with: failed with the reason, nothing touched; then retried.
mkdir "$work/target/shop"
echo 'no export' >"$work/target/shop/orders.json"
sqlite3 "$repo/queue.db" "UPDATE restores SET not_before = 0"
expect 3 tb worker --once --target "$work/target"
says err 'orders\.json'
equal 'no export' "$(cat "$work/target/shop/orders.json")" 'the foreign file'
{ echo '[' && cat "$work/product" && echo ']'; } >"$work/want"
same "$work/want" "$work/target/shop/products.json"
expect 0 tb queue list --state failed --json -e shop.orders
says out 'orders\.json: line 1'
rm "$work/target/shop/orders.json"
expect 0 tb queue retry --all-failed
equal 'restore 1 of shop.orders is pending' "$(cat "$work/out")" 'what is retried'
expect 0 tb queue retry --all-failed
says out 'no failed restore to retry'
expect 0 tb worker --once --json --target "$work/target"
equal '{"event":"worker","done":1,"failed":0,"put_off":0}' "$(cat "$work/out")" 'the worker in JSON'
equal 333 "$(jq '.[0].order_no' "$work/target/shop/orders.json")" 'the order'
expect 2 tb worker --parent-fd x
expect 2 tb worker there
expect 1 tb worker --once --target ftp://localhost
complaint "ftp://localhost: a server is written as rethinkdb://"

# What is over can be forgotten, by number or by age; its number never comes back, nor its file.
expect 1 tb queue forget 77
complaint '77'
expect 0 tb queue list --state "done" --json
equal 2 "$(wc -l <"$work/out")" 'restores that are done'
mount_start -o noworker
ls "$mnt/shop/products/.restore/done" >"$work/names"
equal 1 "$(wc -l <"$work/names")" 'what is done in the mount'
expect 0 tb queue forget --keep-within 1h --json
equal '{"restores":0,"bytes":0,"forgotten":true}' "$(cat "$work/out")" 'nothing is so old'
sqlite3 "$repo/queue.db" "UPDATE restores SET updated = updated - 7200000 WHERE state = 'done'"
expect 0 tb queue forget --keep-within 1h --dry-run -e shop.products
says out '^restores that would be forgotten: 1, '
expect 0 tb queue forget --keep-within 1h -e shop.products
says out '^restores forgotten: 1, '
for ((i = 0; i < 100; i++)); do
	[ -n "$(ls "$mnt/shop/products/.restore/done")" ] || break
	sleep 0.1
done
equal '' "$(ls "$mnt/shop/products/.restore/done")" 'what is done in the mount'
mount_stop
expect 0 tb queue forget 1
equal 'restore 1 is forgotten' "$(cat "$work/out")" 'what is forgotten'
expect 1 tb queue show 1
complaint '1'

# It works until it is told to stop, and ends with its parent.
"$THINKBACK" -r "$repo" worker --target "$work/target" >"$work/worker.log" 2>&1 &
pid=$!
expect 0 tb queue cancel 4
expect 1 tb queue retry 4
sleep 0.5
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
equal 0 "$status" 'a worker after SIGTERM'
expect 0 tb worker --parent-fd 0 --target "$work/target"
