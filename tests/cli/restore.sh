#!/bin/bash
# thinkback restore into a directory: what rethinkdb import -d would find there, what is refused, and
# what merging, --delete, --dry-run, --into and --key do. (Servers: tests/live/bulk.)
# Promises: 7.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository
target=$work/target

# rows FILE: the documents of a .json file of the target, as sorted lines.
rows() {
	python3 -c 'import json, sys
for d in json.load(open(sys.argv[1])): print(json.dumps(d, sort_keys=True))' "$1" | sort
}
# wire TABLE: the same of the documents that the server sent.
wire() {
	python3 -c 'import json, sys
for line in open(sys.argv[1]): print(json.dumps(json.loads(line), sort_keys=True))' \
		"$data/wire/$1.jsonl" | sort
}

# A dry run makes nothing.
expect 0 tb restore -n -e shop "$target"
says out 'shop.orders +2045 to write, 0 to change, 0 to keep, 0 the same; a new table'
[ ! -e "$target" ] || fail 'a dry run made the directory'

# All tables, byte for byte what the snapshots hold, with their configuration.
expect 0 tb --json restore "$target"
silent err
equal 7 "$(jq -s 'map(select(.event == "table" and .created)) | length' "$work/out")" 'tables'
equal '2045 2045 0' "$(jq -r 'select(.table == "orders") | "\(.written) \(.verified) \(.others)"' \
	"$work/out")" 'orders'
for table in shop.orders shop.products shop.coupons telemetry.devices; do
	rows "$target/${table/.//}.json" >"$work/got"
	wire "$table" >"$work/want"
	same "$work/want" "$work/got"
	equal "$(tar -xzOf "$third" --wildcards "*/${table/.//}.info" | jq -cS .indexes)" \
		"$(jq -cS .indexes "$target/${table/.//}.info")" "indexes of $table"
done
expect 0 "$THINKBACK" init "$work/again"
expect 0 "$THINKBACK" -r "$work/again" snapshot --at 2026-11-20T03:00:01Z "$target"
for r in "$repo" "$work/again"; do
	"$THINKBACK" -r "$r" cat shop/keys/shard-00/latest/.table.json >/dev/null
	"$THINKBACK" -r "$r" --json list shop.keys | jq -c '[.documents, .bytes]' | tail -n 1 >"$work/${r##*/}.keys"
done
same "$work/repo.keys" "$work/again.keys"

# What is there is not touched unasked.
(cd "$target" && find . -type f -exec sha256sum {} + | sort) >"$work/before"
expect 1 tb restore -e shop "$target"
complaint 'shop.coupons, .*: there already; --force'
expect 2 tb restore -e shop --delete "$target"
says err '--delete .*needs --force'
expect 2 tb restore --force --delete --key x "$target"
says err 'exclude each other'
expect 1 tb restore -e shop.nothing "$target"
complaint 'there is no snapshot of shop.nothing'
expect 1 tb restore --at 2026-01-01 "$target"
complaint 'no snapshots at or before 2026-01-0'
expect 1 tb restore -e shop --into 'a b' "$target"
complaint '"a b" is no name'
expect 1 tb restore -e shop --into x.y "$target"
complaint 'takes one table'
expect 1 tb restore --into x "$target"
complaint 'takes one database'
expect 2 tb restore --key '{"a":1}' "$target"
says err 'is no key'
expect 2 tb restore --clients 0 "$target"
expect 2 tb restore
expect 1 tb restore "$third"
complaint 'is no directory'
expect 1 tb restore -e shop.coupons ftp://example.com
complaint 'rethinkdb://'
expect 1 tb restore rethinkdb://127.0.0.1:1
complaint 'Connection refused'
(cd "$target" && find . -type f -exec sha256sum {} + | sort) >"$work/after"
same "$work/before" "$work/after"

# Merging, and making it exactly the snapshot.
python3 - "$target/shop/products.json" <<'P'
import json, sys
rows = json.load(open(sys.argv[1]))
rows[0]["mine"] = True
del rows[1]
json.dump(rows + [{"id": "zz-mine"}], open(sys.argv[1], "w"))
P
expect 0 tb -v restore -n -e shop.products --force --delete "$target"
says out 'shop.products +1 to write, 1 to change, 1 to delete, 397 the same$'
says out '^delete shop.products "zz-mine"$'
equal 1 "$(grep -c '^change shop.products' "$work/out")" 'changed keys'
expect 0 tb restore -n -e shop.products "$target"
says out '1 to keep, 397 the same; it exists: --force would be needed'
expect 0 tb restore -e shop.products --force "$target"
says out '399 documents written, 399 verified, 1 others kept'
expect 0 tb restore -e shop.products --force --delete "$target"
says out '399 documents written, 1 deleted, 399 verified$'
rows "$target/shop/products.json" >"$work/got"
wire shop.products >"$work/want"
same "$work/want" "$work/got"

# An older date, another name, a document alone.
expect 0 tb restore -e shop.orders --at "$day1" --into old.purchases "$target"
says out "old.purchases +$day1 +2000 documents"
equal 2000 "$(rows "$target/old/purchases.json" | wc -l)" 'documents of the first day'
expect 0 tb restore --key '"WELCOME10"' "$work/one"
equal 'shop' "$(entries "$work/one")" 'databases with that key'
equal 'coupons.info coupons.json' "$(entries "$work/one/shop")" 'tables with that key'
expect 0 tb restore --key WELCOME10 -e shop --into two "$work/one"
equal 'WELCOME10' "$(jq -r '.[].id' "$work/one/two/coupons.json")" 'the document'
expect 1 tb restore --key nonesuch "$work/one"
complaint 'no document of these snapshots has that key'
key=$(jq -c '.id | select(type == "array")' "$data/wire/shop.keys.jsonl" | head -n 1)
expect 0 tb restore --key "$key" -n -e shop.keys "$work/none"

# A damaged document fails its table, and the others come.
pack=$(tb --json list shop.coupons >/dev/null; find "$repo/packs" -name '*.pack' -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(20000); f.write(b"\xff" * 64)' "$pack"
expect 3 tb restore "$work/damaged"
says err 'not restored: .*(damaged|digest|checksum|frame|corrupt)'
equal 6 "$(find "$work/damaged" -name '*.json' | wc -l)" 'tables that came'
