#!/bin/bash
# A catalogue that is lost, damaged or of a later version is made again from the packs: the same rows,
# the same numbers. What is lost is said and marked; whenever it is killed, a whole catalogue is there.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"

# rows FILE: all that the catalogue says, but for what packs do not hold.
rows() {
	local table columns
	for table in databases tables runs snapshots shards packs dictionaries versions sqlite_sequence; do
		columns=$(sqlite3 "$repo/catalog.db" "SELECT group_concat('quote(' || name || ')')
			FROM pragma_table_info('$table') WHERE name NOT IN ('started', 'verified')")
		echo "== $table"
		sqlite3 "$repo/catalog.db" "SELECT $columns FROM $table" | sort
	done >"$work/$1"
}

# kept: how many old catalogues are beside the new one.
kept() {
	find "$repo" -name 'catalog.db.before-rebuild-*' | wc -l
}

repository
# Some synthetic runs on top: shards that come and go, keys that go and come back.
export=$work/export
mkdir -p "$export/d"
for day in 1 2 3 4 5; do
	python3 - "$day" "$export/d/t" <<'PY'
import json, sys
day, path = int(sys.argv[1]), sys.argv[2]
rows = [{"id": n if n % 3 else str(n), "v": day // (n % 4 + 1), "x": "y" * (n % 50)}
        for n in range(1500) if (n * day) % 7 and not (day == 3 and n % 2)]
parts = [[9], [3, 1], [1, 1, 1], [1, 1, 1], [1]][day - 1]
open(path + ".info", "w").write(json.dumps({"primary_key": "id", "doc_count_estimates": parts}))
json.dump(rows if day != 4 else [], open(path + ".json", "w"))
PY
	expect 0 tb snapshot --at "2026-12-0${day}T00:00:00Z" "$export"
done
rows before
state before-state
[ "$(grep -c . "$work/before")" -gt 9000 ] || fail 'too little to compare'

expect 0 tb rebuild
silent err
says out 'snapshots of 8 tables'
says out 'catalog.db.before-rebuild-20'
equal 1 "$(kept)" 'old catalogues'
rows after
same "$work/before" "$work/after"
state after-state
same "$work/before-state" "$work/after-state"
[ ! -e "$repo/.rebuild" ] || fail 'the place where it was made is still there'

# It goes on from there: the next snapshots get the numbers that they would have had.
cp -a "$repo" "$work/whole"
for which in repo whole; do
	echo '[{"id":1,"v":77}]' >"$export/d/t.json"
	expect 0 "$THINKBACK" -r "$work/$which" snapshot --at 2026-12-06T00:00:00Z "$export"
done
rows one
mv "$repo" "$work/first"
mv "$work/whole" "$repo"
rows two
same "$work/one" "$work/two"

# Missing, damaged, later, without a queue: from the packs alone.
cp "$work/one" "$work/before"
cp "$repo/catalog.db" "$work/catalog.db"
for how in missing zeroed cut later alone; do
	rm -f "$repo"/catalog.db.before*
	case $how in
	missing) rm "$repo/catalog.db" ;;
	zeroed) head -c 20000 /dev/zero | dd of="$repo/catalog.db" conv=notrunc status=none ;;
	cut) truncate -s 5000 "$repo/catalog.db" ;;
	later) sqlite3 "$repo/catalog.db" 'PRAGMA user_version = 99' ;;
	alone) mv "$repo" "$work/away" && mkdir "$repo" && cp -a "$work/away/packs" "$repo" && rm -r "$work/away" ;;
	esac
	expect 1 tb list
	complaint 'catalog'
	expect 0 tb --json rebuild
	silent err
	equal 0 "$(jq .problems "$work/out")" "problems: $how"
	rows after
	same "$work/before" "$work/after"
	expect 0 tb check --read-data
	expect 0 tb queue
done

# Killed at any moment: what is there is whole, and says the same.
for ms in 1 2 3 5 8 13 21 34 55 80 110 150; do
	"$THINKBACK" -r "$repo" rebuild >"$work/out" 2>&1 &
	pid=$!
	sleep "0.$(printf '%03d' "$ms")"
	kill -KILL "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
	rows after
	same "$work/before" "$work/after"
done
expect 0 tb rebuild
rows after
same "$work/before" "$work/after"

# One writer at a time.
mkfifo "$work/stop"
python3 -c 'import fcntl, struct, sys
f = open(sys.argv[1], "r+")
fcntl.fcntl(f, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
print("locked", flush=True)
open(sys.argv[2]).read()' "$repo/lock" "$work/stop" >"$work/locker" &
soon 30 test -s "$work/locker" || fail 'not locked'
expect 1 tb rebuild
complaint 'being written to by another'
echo >"$work/stop"
wait

# A run that was stopped: some packs of its snapshots are there. They are not shown, and the next
# writer removes them.
newest=$(find "$repo/packs" -name '*.pack' | sort | tail -n 1)
victim=$(sqlite3 "$repo/catalog.db" "SELECT printf('%016x', max(pack_id)) FROM shards
	WHERE snapshot_id = (SELECT max(id) FROM snapshots WHERE shards = 2)")
cp -a "$repo" "$work/whole"
find "$repo/packs" -name '*.pack' | while read -r pack; do
	[[ $(basename "$pack" .pack) < $victim ]] || rm "$pack"
done
[ ! -e "$newest" ] || fail 'the newest pack should be gone'
# Where a catalogue says that it was complete, or it has a tag, it has lost packs.
for proof in catalog tag; do
	cp -a "$repo" "$work/proof"
	if [ "$proof" = tag ]; then
		expect 0 "$THINKBACK" -r "$work/proof" tag add pin d.t 2026-12-02T00-00-00Z
		rm "$work/proof"/catalog.db*
	fi
	expect 3 "$THINKBACK" -r "$work/proof" rebuild
	says err 'd\.t of 2026-12-02T00-00-00Z has lost what shard 1 recorded'
	[ "$("$THINKBACK" -r "$work/proof" --json list d.t | jq -s 'last.lost')" -gt 0 ] || fail 'not marked'
	rm -rf "$work/proof"
done
# A run that is stopped has numbers that no ledger has.
rm "$repo"/catalog.db* "$repo"/packs/000000/*.ledger
expect 3 tb rebuild
says err 'is unfinished and not shown: 1 of its 2 packs are there'
equal 1 "$(wc -l <"$work/err")" 'lines about one unfinished snapshot'
expect 0 tb check --read-data
before=$(find "$repo/packs" -name '*.pack' | wc -l)
tb --json list | jq -r .date | grep -c . >"$work/dates"
expect 0 tb snapshot --at 2027-01-01T00:00:00Z "$export"
equal "$before" "$(find "$repo/packs" -name '*.pack' | wc -l)" 'packs: one removed, one new'
expect 0 tb check --read-data

# A pack in the middle that is lost: nothing of its range is shown as if it were known.
rm -rf "$repo"
mv "$work/whole" "$repo"
lost=$(sqlite3 "$repo/catalog.db" "SELECT printf('%016x', p.id) FROM packs p JOIN snapshots s ON
	s.id = p.snapshot_id JOIN tables t ON t.id = p.table_id
	WHERE t.name = 'orders' AND p.shard = 1 ORDER BY p.id LIMIT 1 OFFSET 1")
rm "$repo/packs/000000/$lost.pack"
expect 3 tb rebuild
says err "shop.orders of $day2 has lost what shard 1 recorded"
equal 1 "$(wc -l <"$work/err")" 'lines about one lost pack'
equal "0 9 8" "$(tb --json list shop.orders | jq -r .lost | xargs)" 'lost documents'
expect 0 tb list shop.orders
says out "$day3 .* LOST 8 OR MORE"
equal 0 "$(tb --json list | jq 'select(.table != "orders") | .lost' | sort -u)" 'lost by other tables'
expect 0 tb ls "shop/orders/shard-01/$day2"
silent out
expect 0 tb cat "shop/orders/shard-01/$day3/.table.json"
equal 8 "$(jq .snapshot.lost "$work/out")" 'lost in .table.json'
equal null "$(tb cat "shop/orders/shard-01/$day1/.table.json" | jq .snapshot.lost)" 'lost on the first day'
# The next snapshot stores anew what is not there.
expect 0 tb snapshot --at 2027-02-01T00:00:00Z "$third"
equal "2045 0" "$(tb --json list shop.orders | jq -r '"\(.documents) \(.lost)"' | tail -n 1)" 'the next snapshot'
expect 0 tb check --read-data

# A pack that cannot be read and might be of any table marks all that came after it.
cp -a "$repo" "$work/whole"
pack=$(sqlite3 "$repo/catalog.db" "SELECT printf('%016x', pack_id) FROM shards ORDER BY pack_id LIMIT 1 OFFSET 2")
printf 'x' | dd of="$repo/packs/000000/$pack.pack" conv=notrunc status=none
expect 3 tb rebuild
says err "pack $pack is damaged"
equal 0 "$(tb --json list | jq -s 'map(select(.date > "2026-11-20" and .lost == 0)) | length')" 'snapshots that are not marked'

# A part of an index that is damaged: what it told of is lost, with everything in its range of keys.
rm -rf "$repo"
mv "$work/whole" "$repo"
pack=$(sqlite3 "$repo/catalog.db" "SELECT printf('%016x', min(p.id)) FROM packs p JOIN tables t ON
	t.id = p.table_id WHERE t.name = 'events' AND p.shard = 0")
python3 - "$repo/packs/000000/$pack.pack" <<'PY'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    data = f.read()
    frames, blocks, header, body = struct.unpack("<4Q", data[-376 + 40:-376 + 72])
    offset, packed = struct.unpack_from("<QI", data, header + body + 16 * frames + 24)
    f.seek(offset + packed // 2)
    f.write(bytes([data[offset + packed // 2] ^ 1]))
PY
all=$(tb --json list telemetry.events | jq -r .documents | head -n 1)
expect 3 tb rebuild
says err "pack $pack is damaged: index block 1"
left=$(tb --json list telemetry.events | jq -r .documents | head -n 1)
[ "$left" -lt "$all" ] && [ "$left" -gt $((all / 2)) ] || fail "$left of $all documents are left"
equal 0 "$(tb --json list telemetry.events | jq -s 'map(select(.lost == 0 and .date < "2027")) | length')" \
	'snapshots that are not marked'
