#!/bin/bash
# thinkback export: an archive as rethinkdb restore checks it, holding what the snapshots hold.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository
archive=$work/out.tar.gz

# layout FILE: its entries are TOP/DB/TABLE.json and TOP/DB/TABLE.info, of one TOP, files alone.
layout() {
	python3 - "$1" <<'P'
import json, sys, tarfile
tops, tables, infos = set(), {}, {}
for m in tarfile.open(sys.argv[1], "r|gz"):
    parts = m.name.split("/")
    assert m.isfile() and len(parts) == 3, m.name
    tops.add(parts[0])
    name, ext = parts[2].rsplit(".", 1)
    assert ext in ("json", "info") and ".." not in m.name, m.name
    data = tarfile.open(sys.argv[1]).extractfile(m.name).read()
    (infos if ext == "info" else tables)[(parts[1], name)] = json.loads(data)
    assert ext == "info" or data.endswith(b"]\n") and data.startswith(b"[\n"), m.name
assert len(tops) == 1 and tables.keys() == infos.keys()
for key in sorted(tables):
    assert infos[key]["primary_key"], key
    print(tops.copy().pop(), ".".join(key), len(tables[key]))
P
}

expect 0 tb export "$archive"
silent err
says out "shop.orders +$day3 +2045 documents"
layout "$archive" >"$work/got"
cat >"$work/want" <<'W'
rethinkdb_dump_2026-11-20T03:00:01 shop.coupons 1
rethinkdb_dump_2026-11-20T03:00:01 shop.empty 0
rethinkdb_dump_2026-11-20T03:00:01 shop.keys 52
rethinkdb_dump_2026-11-20T03:00:01 shop.orders 2045
rethinkdb_dump_2026-11-20T03:00:01 shop.products 399
rethinkdb_dump_2026-11-20T03:00:01 telemetry.devices 478
rethinkdb_dump_2026-11-20T03:00:01 telemetry.events 3107
W
same "$work/want" "$work/got"
equal 600 "$(stat -c %a "$archive")" 'mode of the archive'
# unfinished: no temporary file is left.
unfinished() {
	! find "$work" -maxdepth 1 -name '*.part*' | grep . || fail 'a temporary file is left'
}
unfinished

# Taken again it is the same, documents and configuration.
expect 0 "$THINKBACK" init "$work/again"
expect 0 "$THINKBACK" -r "$work/again" snapshot "$archive"
for r in "$repo" "$work/again"; do
	for table in orders products keys coupons; do
		"$THINKBACK" -r "$r" cat "shop/$table/shard-00/latest/.table.json" | jq -cS 'del(.snapshot, .shards)'
		"$THINKBACK" -r "$r" --json list "shop.$table" | tail -n 1 | jq -c '[.documents, .bytes]'
	done >"$work/${r##*/}.tables"
done
same "$work/repo.tables" "$work/again.tables"
cp "$archive" "$work/kept.tar.gz"
cp "$archive" "$work/rethinkdb_dump_2026-11-21T03:00:00.tar.gz"
expect 0 tb --json snapshot --at 2026-11-21T03:00:00Z "$work/kept.tar.gz"
equal '0 0 0' "$(jq -s -r 'map(select(.event == "table")) | "\(map(.new) | add) \(map(.changed) | add) \(map(.deleted) | add)"' \
	"$work/out")" 'new, changed, deleted'

# Dates, tables, and what is refused.
expect 0 tb export --at "$day1" -e shop.orders -e telemetry "$work/old.tar.gz"
layout "$work/old.tar.gz" | cut -d' ' -f1,2 >"$work/got"
printf 'rethinkdb_dump_2026-11-18T03:00:00 %s\n' shop.orders telemetry.devices telemetry.events >"$work/want"
same "$work/want" "$work/got"
sum=$(sha256sum <"$archive")
expect 1 tb export "$archive"
complaint 'exists; --overwrite-file replaces it'
equal "$sum" "$(sha256sum <"$archive")" 'the archive'
expect 0 tb export --overwrite-file -e shop.coupons "$archive"
equal 1 "$(layout "$archive" | wc -l)" 'tables after replacing'
expect 1 tb export -e shop.none "$work/none.tar.gz"
complaint 'there is no snapshot of shop.none'
[ ! -e "$work/none.tar.gz" ] || fail 'something is left'
unfinished
expect 1 tb export "$work/no/such/directory.tar.gz"
expect 2 tb export
expect 2 tb export --at never "$work/none.tar.gz"

# Several to one file at a time: one of them makes it, or each of them makes all of it.
layout "$work/kept.tar.gz" >"$work/want"
for option in '' --overwrite-file; do
	pids=()
	for _ in 1 2 3 4; do
		# shellcheck disable=SC2086 # none or one
		tb export --at "$day3" $option "$work/same.tar.gz" >/dev/null 2>>"$work/exports.err" &
		pids+=($!)
	done
	done=0
	for pid in "${pids[@]}"; do
		! wait "$pid" || done=$((done + 1))
	done
	equal "$([ -n "$option" ] && echo 4 || echo 1)" "$done" "exports that were done, $option"
	layout "$work/same.tar.gz" >"$work/got"
	same "$work/want" "$work/got"
	unfinished
done
equal 3 "$(grep -c 'same.tar.gz exists; --overwrite-file replaces it$' "$work/exports.err")" 'refused'

# One that is interrupted.
status=0
env --default-signal=INT python3 - "$THINKBACK" "$repo" "$work/interrupted.tar.gz" <<'P' || status=$?
import glob, os, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "-r", sys.argv[2], "export", sys.argv[3]], stderr=subprocess.PIPE)
while not glob.glob(sys.argv[3] + ".part*") and p.poll() is None:
    time.sleep(0.001)
os.kill(p.pid, signal.SIGINT)
assert b"interrupted" in p.communicate()[1]
sys.exit(p.returncode)
P
equal 1 "$status" 'status of an export that is interrupted'
[ ! -e "$work/interrupted.tar.gz" ] || fail 'an archive is left'
unfinished

# Standard output: the archive alone.
tb export -e shop.coupons - >"$work/stdout.tar.gz" 2>"$work/err"
layout "$work/stdout.tar.gz" >"$work/got"
says got 'shop.coupons 1'
says err 'shop.coupons'

# A damaged pack: no archive rather than a wrong one.
pack=$(find "$repo/packs" -name '*.pack' -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(20000); f.write(b"\xff" * 64)' "$pack"
expect 1 tb export "$work/damaged.tar.gz"
complaint '(shop|telemetry)\.[a-z]+: '
[ ! -e "$work/damaged.tar.gz" ] || fail 'an archive is left'
unfinished
