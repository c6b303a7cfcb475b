#!/bin/bash
# What a rebuild with lost packs leaves is never more than what is lost, and never wrong: whatever
# comes after it, be it a repair, a forget, a gc or another rebuild.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"

# Four days of a table of three shards: k050 changes on the second, k060 goes, k041 and
# k110 change daily.
export=$work/export
for day in 1 2 3 4; do
	mkdir -p "$export/$day/d"
	python3 - "$day" "$export/$day/d/t" <<'PY'
import json, sys
day, path = int(sys.argv[1]), sys.argv[2]
rows = {n: "one" for n in range(120)}
rows[41] = rows[110] = "day %d" % day
if day > 1:
    rows[50] = "two" if day < 4 else "four"
    del rows[60]
open(path + ".info", "w").write(json.dumps({"primary_key": "id", "doc_count_estimates": [40, 40, 40]}))
json.dump([{"id": "k%03d" % n, "v": v} for n, v in rows.items()], open(path + ".json", "w"))
PY
done
dates=(2026-12-01T00-00-00Z 2026-12-02T00-00-00Z 2026-12-03T00-00-00Z 2026-12-04T00-00-00Z)

# take DAY: its snapshot.
take() {
	expect 0 tb snapshot --at "2026-12-0${1}T00:00:00Z" "$export/$1"
}

# pack DAY SHARD: the path of a pack; three a snapshot, in order.
pack() {
	printf '%s/packs/000000/%016x.pack' "$repo" $((3 * ($1 - 1) + $2 + 1))
}

# document DAY NUMBER: its value, "absent" if there is none.
document() {
	local file
	file=d/t/shard-0$(($2 / 40))/${dates[$1 - 1]}/k$(printf '%03d' "$2").json
	if tb cat "$file" >"$work/document" 2>"$work/err"; then
		jq -r .v "$work/document"
	else
		grep -q 'there is no' "$work/err" && echo absent
	fi
}

# counts FIELD: of all snapshots that are listed.
counts() {
	tb --json list d.t | jq -r ".$1" | xargs
}

expect 0 tb init
for day in 1 2 3; do
	take "$day"
done
equal '120 119 119' "$(counts documents)" 'documents'
cp -a "$repo" "$work/whole"
restart() {
	rm -rf "$repo"
	cp -a "$work/whole" "$repo"
}

# A pack whose lines could not be read when the catalogue was made again is not taken for one without
# lines: it stays as it is, for whoever has a better idea.
truncate -s -1 "$(pack 1 0)"
rm "$repo"/catalog.db*
expect 3 tb rebuild
cp -a "$repo/packs" "$work/damaged"
equal '80 79 79' "$(counts documents)" 'documents of what is left'
expect 1 tb check --repair
says err 'pack 0000000000000001 cannot be repaired: catalog.db does not have all of its lines'
diff -r -x '*.ledger' "$work/damaged" "$repo/packs" || fail 'the packs have changed'
expect 3 tb rebuild
equal '80 79 79' "$(counts documents)" 'documents after a repair'
[ "$(tb --json list d.t | jq 'select(.lost == 0)' | wc -l)" -eq 0 ] || fail 'not marked'

# The whole catalogue repairs it, and when that was stopped before the new file got its name, the next
# rebuild does not lose the file.
restart
truncate -s -1 "$(pack 1 0)"
cp -a "$(pack 1 0)" "$work/cut"
expect 0 tb check --repair
mv "$(pack 1 0)" "$repo/packs/.tmp-0000000000000001.pack"
mv "$work/cut" "$(pack 1 0)"
sqlite3 "$repo/catalog.db" "INSERT INTO leftovers VALUES ('replacement', 1)"
expect 0 tb rebuild
silent err
[ ! -e "$repo/packs/.tmp-0000000000000001.pack" ] || fail 'still under its temporary name'
diff -r -x '*.ledger' "$work/whole/packs" "$repo/packs" || fail 'the packs are not as they were'
expect 0 tb check --read-data

# A copy that lacks such a file is told of, refused by writers, and made good by a rebuild.
restart
expect 0 tb forget d.t "${dates[1]}"
cp -a "$(pack 2 1)" "$work/old"
expect 0 tb gc --threshold 0
says out '1 written again'
mv "$(pack 2 1)" "$repo/packs/.tmp-0000000000000005.pack"
mv "$work/old" "$(pack 2 1)"
sqlite3 "$repo/catalog.db" "INSERT INTO leftovers VALUES ('replacement', 5)"
expect 0 tb check --read-data
rm "$repo/packs/.tmp-0000000000000005.pack"
expect 1 tb check
says err 'pack 5 has other totals than catalog.db says'
expect 1 tb snapshot --at 2026-12-04T00:00:00Z "$export/4"
complaint 'pack 0000000000000005 is not the one that catalog.db describes; run: thinkback rebuild'
expect 0 tb rebuild
expect 0 tb check --read-data
take 4
equal '120 119 119' "$(counts documents)" 'documents'

# An old copy of the catalogue does not bring old tags back, nor a pin away.
restart
expect 0 tb tag add old d.t "${dates[0]}"
rm "$repo"/catalog.db*
expect 0 tb rebuild
sqlite3 "$repo/catalog.db" ".backup '$work/copy.db'"
expect 0 tb tag add pin d.t "${dates[0]}"
expect 0 tb tag remove old d.t "${dates[0]}"
rm "$repo"/catalog.db*
cp "$work/copy.db" "$repo/catalog.db"
chmod 600 "$repo/catalog.db"
expect 0 tb rebuild
equal 'true 0' "$(tb --json tag list d.t | jq -r '"\(.pinned) \(.tags | length)"')" 'tags'

# An index of which a part cannot be read: what it said of deletions is not made up.
restart
expect 0 tb forget d.t "${dates[0]}" --gc
python3 - "$(pack 2 1)" <<'PY'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    data = f.read()
    frames, blocks, header, body = struct.unpack("<4Q", data[-376 + 40:-376 + 72])
    offset, packed = struct.unpack_from("<QI", data, header + body + 16 * frames)
    f.seek(offset + packed // 2)
    f.write(bytes([data[offset + packed // 2] ^ 1]))
PY
rm "$repo"/catalog.db*
expect 3 tb rebuild
says err 'index block 0'
lost=$(counts lost)
expect 1 tb check --repair
says err 'cannot be repaired: catalog.db does not have all of its lines'
rm "$repo"/catalog.db*
expect 3 tb rebuild
equal "$lost" "$(counts lost)" 'lost after a repair'

# A snapshot that has lost a pack: what was before it does not come back when it is forgotten.
restart
rm "$(pack 2 1)"
expect 3 tb rebuild
says err "d.t of ${dates[1]} has lost what shard 1 recorded"
equal '120 80 81' "$(counts documents)" 'documents without a shard'
take 4
equal '120 80 81 119' "$(counts documents)" 'documents that are stored anew'
expect 0 tb check
expect 1 tb forget d.t "${dates[1]}"
complaint 'has lost a pack'
expect 0 tb forget --keep-last 1
says out "^  keep    ${dates[1]}  .*tells of a lost pack$"
expect 0 tb gc --threshold 0
expect 0 tb check --read-data
for again in 1 2; do
	equal 'absent four absent' "$(document 2 60) $(document 4 50) $(document 4 60)" "documents, $again"
	rm "$repo"/catalog.db*
	expect 3 tb rebuild
	expect 0 tb check --read-data
done

# A pack that comes back when snapshots were taken without it, and before.
restart
mv "$(pack 2 1)" "$work/pack"
expect 3 tb rebuild
cp "$work/pack" "$(pack 2 1)"
expect 0 tb rebuild
equal '120 119 119' "$(counts documents)" 'documents with the pack again'
expect 0 tb check --read-data
rm "$(pack 2 1)"
expect 3 tb rebuild
jq -c 'map(select(.id != "k070"))' "$export/4/d/t.json" >"$work/t.json"
cp "$work/t.json" "$export/4/d/t.json"
take 4
cp "$work/pack" "$(pack 2 1)"
for again in 1 2; do
	expect 0 tb rebuild
	equal '120 119 119 118' "$(counts documents)" "documents with the pack, $again"
	equal 'one absent four' "$(document 3 70) $(document 4 70) $(document 4 50)" "documents, $again"
	expect 0 tb check --read-data
done

# Several shards in a row are lost, at the end and at the start: what is beside them is not.
for shards in '1 2' '0 1' '0 1 2'; do
	restart
	# The run's first pack tells of the others.
	for shard in $shards; do
		if [ "$shards" = '0 1 2' ]; then
			truncate -s 500 "$(pack 2 "$shard")"
		else
			rm "$(pack 2 "$shard")"
		fi
	done
	expect 3 tb rebuild
	case $shards in
	'1 2') equal 'one absent absent day 3' "$(document 2 20) $(document 2 50) $(document 3 100) $(document 3 110)" "$shards" ;;
	'0 1') equal 'absent absent one day 3' "$(document 2 20) $(document 2 50) $(document 3 100) $(document 3 110)" "$shards" ;;
	*) equal 'absent absent absent day 3' "$(document 2 20) $(document 2 50) $(document 3 100) $(document 3 110)" "$shards" ;;
	esac
	[ "$shards" = '0 1 2' ] || expect 0 tb check --read-data
	take 4
	equal 118 "$(tb --json list d.t | jq -s 'last.documents')" "documents of the next snapshot, $shards"
done

# Of a snapshot that is forgotten, what gc has taken is no loss, when another of its packs is damaged.
restart
expect 0 tb forget d.t "${dates[1]}" --gc
[ ! -e "$(pack 2 0)" ] && [ -e "$(pack 2 1)" ] || fail 'other packs than these should be there'
truncate -s -1 "$(pack 2 1)"
rm "$repo"/catalog.db*
expect 3 tb rebuild
equal 'one day 3' "$(document 3 20) $(document 3 110)" 'documents of the other shards'
