#!/bin/bash
# check --repair writes packs and dictionaries again, byte for byte, from what else there is. Documents
# that are nowhere else are listed one by one and dropped, they alone, until they are stored again.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository
# A document that changes and changes back is stored three times, twice with the same bytes.
mkdir -p "$work/export/d"
echo '{"primary_key":"id","doc_count_estimates":[3]}' >"$work/export/d/t.info"
for v in 1 2 1; do
	day=$((${day:-0} + 1))
	echo "[{\"id\":1,\"v\":$v},{\"id\":2,\"v\":7}$([ "$day" = 2 ] || echo ",{\"id\":3,\"day\":$day}")]" >"$work/export/d/t.json"
	expect 0 tb snapshot --at "2026-12-0${day}T00:00:00Z" "$work/export"
done
cp -a "$repo" "$work/whole"

# pack TABLE NTH: the path of its NTH pack.
pack() {
	sqlite3 "$work/whole/catalog.db" "SELECT printf('$repo/packs/000000/%016x.pack', p.id)
		FROM packs p JOIN tables t ON t.id = p.table_id WHERE t.name = '$1' ORDER BY p.id LIMIT 1 OFFSET $(($2 - 1))"
}

# restart: begin again with the repository as it was when it was whole.
restart() {
	rm -rf "$repo"
	cp -a "$work/whole" "$repo"
}

# row TABLE DATE FIELD: a field of "thinkback list".
row() {
	tb --json list "$1" | jq -r "select(.date == \"$2\").$3"
}

# rows: what the catalogue says and the packs tell. The counts of what is forgotten are not in them.
rows() {
	sqlite3 "$repo/catalog.db" <<-'END'
		SELECT * FROM databases; SELECT * FROM tables; SELECT * FROM packs;
		SELECT id, table_id, run_id, date, complete, shards, documents, bytes, added, changed, deleted,
			stored_bytes, primary_key, config, lost FROM snapshots WHERE forgotten = 0;
		SELECT id, date FROM snapshots WHERE forgotten = 1;
		SELECT * FROM shards WHERE snapshot_id IN (SELECT id FROM snapshots WHERE forgotten = 0);
		SELECT table_id, hex(key), born, died, pack_id, ordinal, size, hex(digest), lost FROM versions;
	END
}

# remade: the catalogue that is made again from the packs is the one that is there, row by row.
remade() {
	rows >"$work/before"
	expect 0 tb rebuild
	rows >"$work/after"
	same "$work/before" "$work/after"
	rm -f "$repo"/catalog.db.before-rebuild-*
}

# whole: all packs are as they were, and a check finds nothing.
whole() {
	diff -r "$repo/packs" "$work/whole/packs" || fail 'the packs are not as they were'
	expect 0 tb check --read-data
}

expect 0 tb check --repair
says out 'no problems'
whole

# The record of a snapshot without changes, deletions, a document that is stored twice: missing, cut,
# damaged in header, footer and body.
for victim in 'events 4' 'products 2' 'events 7' 't 3'; do
	# shellcheck disable=SC2086 # two words
	file=$(pack $victim)
	size=$(stat -c %s "$file")
	for how in missing cut 30 $((size / 2)) $((size - 50)); do
		# What is in the middle of a small pack is left to the others.
		[ "$victim $how" != "t 3 $((size / 2))" ] || continue
		case $how in
		missing) rm "$file" ;;
		cut) truncate -s $((size - 1)) "$file" ;;
		*) oracle flip "$file" "$how" ;;
		esac
		expect 1 tb check
		# id 3 came back, and is nowhere else: with the file it is gone.
		[ "$victim $how" != 't 3 missing' ] || { restart && continue; }
		expect 0 tb check --repair
		says out "pack $(basename "$file" .pack) .* is repaired$"
		silent err
		whole
	done
done

# A dictionary, from the catalogue.
dictionary=$(find "$repo/packs" -name '*.dict' | sort | head -n 1)
for how in missing 40 200; do
	if [ "$how" = missing ]; then rm "$dictionary"; else oracle flip "$dictionary" "$how"; fi
	expect 1 tb check
	expect 0 tb --json check --repair
	equal "dictionary $(basename "$dictionary" .dict) is repaired" \
		"$(jq -r 'select(.event == "repaired").text' "$work/out")" 'what was repaired'
	whole
done

# What is nowhere else: the documents of one frame. They are dropped, and the others are as before.
file=$(pack orders 1)
before=$(row shop.orders "$day1" documents)
expect 0 tb ls "shop/orders/shard-00/$day1"
cp "$work/out" "$work/names"
oracle flip "$file" $(($(stat -c %s "$file") / 3))
cp "$file" "$work/damaged"
expect 1 tb check --read-data
same "$work/damaged" "$file"
expect 1 tb check --repair
cp "$work/err" "$work/lost"
says out "pack $(basename "$file" .pack) .* is repaired, without the documents that are lost"
lost=$(grep -c 'shop.orders: document [0-9]* is lost from ' "$work/lost" || :)
[ "$lost" -ge 1 ] && [ "$lost" -le 100 ] || fail "$lost documents are said to be lost"
equal "$lost" "$(wc -l <"$work/lost")" 'lines about what is lost'
expect 0 tb check --repair
silent err
expect 0 tb check --read-data
equal "$lost" "$(row shop.orders "$day1" lost)" 'documents lost'
equal $((before - lost)) "$(row shop.orders "$day1" documents)" 'documents'
remade
expect 0 tb check --read-data
[ -z "$(find "$repo/packs" -name '.tmp-*')" ] || fail 'an unfinished file is left'
sed -n 's/.*document \([0-9]*\) is lost.*/=\1.json/p' "$work/lost" | sort >"$work/gone"
expect 0 tb ls "shop/orders/shard-00/$day1"
sort "$work/names" | comm -23 - "$work/gone" >"$work/want"
sort "$work/out" | same - "$work/want"
expect 1 tb cat "shop/orders/shard-00/$day1/$(head -n 1 "$work/gone")"
silent out
while read -r name; do
	expect 0 tb -r "$work/whole" cat "shop/orders/shard-00/$day1/$name"
	cp "$work/out" "$work/want"
	expect 0 tb cat "shop/orders/shard-00/$day1/$name"
	same "$work/out" "$work/want"
done < <(sort -R --random-source="$work/names" "$work/out" | head -n 5)
restart

# A document of which an earlier and a later version are whole: in between it is not there, neither of
# them takes its place; and the next snapshot, which has it again, heals all of them.
rm "$(pack t 2)"
expect 1 tb check --repair
says err 'd.t: document 1 is lost from 2026-12-02T00-00-00Z on, before 2026-12-03T00-00-00Z$'
equal 1 "$(wc -l <"$work/err")" 'lines about what is lost'
remade
expect 0 tb check --read-data
for day in 1 2 3; do
	expect 0 tb ls "d/t/shard-00/2026-12-0${day}T00-00-00Z"
	paste -sd ' ' "$work/out"
done >"$work/names"
same "$work/names" - <<-END
	=1.json =2.json =3.json
	=2.json
	=1.json =2.json =3.json
END
equal '0 1 0' "$(row d.t 2026-12-01T00-00-00Z lost) $(row d.t 2026-12-02T00-00-00Z lost) $(row d.t 2026-12-03T00-00-00Z lost)" 'documents lost'
echo '[{"id":1,"v":2},{"id":2,"v":7},{"id":3,"day":3}]' >"$work/export/d/t.json"
expect 0 tb snapshot --at 2026-12-04T00:00:00Z "$work/export"
says out 'd.t: document 1 is restored from 2026-12-02T00-00-00Z on, before 2026-12-03T00-00-00Z$'
equal 0 "$(row d.t 2026-12-02T00-00-00Z lost)" 'documents lost, when they are there again'
same "$(pack t 2)" "$work/whole/packs/000000/$(basename "$(pack t 2)")"
expect 0 tb cat d/t/shard-00/2026-12-02T00-00-00Z/=1.json
equal '{"id":1,"v":2}' "$(cat "$work/out")" 'what was restored'
remade
expect 0 tb check --read-data
restart

# Documents that are alive when they are lost: the next snapshot stores one again, which heals those
# that lost it; one that has changed meanwhile does not, and one that is gone stays lost there.
echo '[{"id":1,"v":1},{"id":2,"v":7},{"id":4,"v":4},{"id":5,"v":5},{"id":6,"v":6}]' >"$work/export/d/t.json"
expect 0 tb snapshot --at 2026-12-04T00:00:00Z "$work/export"
echo '[{"id":1,"v":1},{"id":2,"v":7},{"id":4,"v":4},{"id":5,"v":5},{"id":6,"v":6},{"id":7,"v":7}]' >"$work/export/d/t.json"
expect 0 tb snapshot --at 2026-12-05T00:00:00Z "$work/export"
file=$repo/packs/000000/$(printf '%016x' "$(sqlite3 "$repo/catalog.db" 'SELECT max(id) - 1 FROM packs')").pack
cp "$file" "$work/was"
rm "$file"
expect 1 tb check --repair
equal '4 5 6' "$(sed -n 's/.*document \([0-9]*\) is lost from 2026-12-04T00-00-00Z on$/\1/p' "$work/err" | paste -sd ' ')" 'what is lost'
equal '3 3' "$(row d.t 2026-12-04T00-00-00Z lost) $(row d.t 2026-12-05T00-00-00Z lost)" 'documents lost'
# The newest that has lost nothing is kept by any policy.
expect 0 tb --json forget -n -e d.t --keep-last 1
equal '2026-12-03T00-00-00Z 2026-12-05T00-00-00Z' "$(jq -r 'select(.kept == true).date' "$work/out" | paste -sd ' ')" 'what is kept'
echo '[{"id":1,"v":1},{"id":2,"v":7},{"id":4,"v":4},{"id":5,"v":55},{"id":7,"v":7}]' >"$work/export/d/t.json"
expect 0 tb --json snapshot --at 2026-12-06T00:00:00Z "$work/export"
equal 'd.t: document 4 is restored from 2026-12-04T00-00-00Z on, before 2026-12-06T00-00-00Z' \
	"$(jq -r 'select(.event == "repaired").text' "$work/out")" 'what is restored'
equal '2 2 0' "$(row d.t 2026-12-04T00-00-00Z lost) $(row d.t 2026-12-05T00-00-00Z lost) $(row d.t 2026-12-06T00-00-00Z lost)" 'documents lost, then'
equal 5 "$(row d.t 2026-12-06T00-00-00Z documents)" 'documents of the new snapshot'
expect 0 tb ls d/t/shard-00/2026-12-05T00-00-00Z
equal '=1.json =2.json =4.json =7.json' "$(paste -sd ' ' "$work/out")" 'documents of the one before'
remade
expect 0 tb check --read-data
# With the pack damaged again nothing more is said to be lost.
rm "$file"
expect 0 tb check --repair
silent err
remade
expect 0 tb check --read-data
# Once the others are stored again too, all is as it was.
echo '[{"id":5,"v":5},{"id":6,"v":6}]' >"$work/export/d/t.json"
expect 0 tb snapshot --at 2026-12-07T00:00:00Z "$work/export"
equal 2 "$(grep -c 'd.t: document [56] is restored from 2026-12-04T00-00-00Z on' "$work/out")" 'documents restored'
same "$file" "$work/was"
remade
expect 0 tb check --read-data

# What a gc takes, and what it leaves, when a pack of a forgotten snapshot has lost documents.
rm "$file"
expect 0 tb check --repair
echo '[{"id":9,"v":9}]' >"$work/export/d/t.json"
expect 0 tb snapshot --at 2026-12-08T00:00:00Z "$work/export"
newest=$repo/packs/000000/$(printf '%016x' "$(sqlite3 "$repo/catalog.db" 'SELECT max(id) FROM packs')").pack
expect 0 tb forget d.t 2026-12-05T00-00-00Z 2026-12-08T00-00-00Z
rm "$newest"
expect 1 tb check --repair
remade
expect 0 tb gc --threshold 0
expect 0 tb check --read-data
remade
expect 0 tb check --read-data
restart

# Forgotten snapshots: their packs, markers, and what gc leaves beside them.
echo '[{"id":1,"v":1},{"id":2,"v":7},{"id":4,"v":9}]' >"$work/export/d/t.json"
expect 0 tb snapshot --at 2026-12-04T00:00:00Z "$work/export"
expect 0 tb snapshot --at 2026-12-05T00:00:00Z "$work/export"
echo '[{"id":1,"v":1},{"id":2,"v":7}]' >"$work/export/d/t.json"
expect 0 tb snapshot --at 2026-12-06T00:00:00Z "$work/export"
expect 0 tb forget d.t 2026-12-04T00-00-00Z 2026-12-05T00-00-00Z
rm -r "$work/whole"
cp -a "$repo" "$work/whole"
file=$(pack t 5)
oracle flip "$file" $(($(stat -c %s "$file") - 50))
expect 1 tb check
expect 0 tb check --repair
whole
file=$(pack t 4)
rm "$file"
expect 1 tb check --repair
says err 'd.t: document 4 is lost from 2026-12-04T00-00-00Z on, before 2026-12-06'
remade
expect 0 tb check --read-data
restart
marker=$(find "$repo/packs" -name '*.gone' | sort | head -n 1)
for how in missing 30; do
	if [ "$how" = missing ]; then rm "$marker"; else oracle flip "$marker" "$how"; fi
	expect 1 tb check
	says err 'marker'
	expect 0 tb check --repair
	says out "marker $(basename "$marker" .gone) is repaired"
	whole
done
# The deletion of document 4 ends nothing any more, and is nowhere but in its pack.
expect 0 tb gc --threshold 0
deleted() {
	tb --json list d.t | jq -r 'select(.date == "2026-12-06T00-00-00Z").deleted'
}
equal 1 "$(deleted)" 'deletions'
rm "$(pack t 6)"
expect 1 tb check
expect 0 tb check --repair
says out 'of 2026-12-06T00-00-00Z\) is repaired'
expect 0 tb check --read-data
equal 0 "$(deleted)" 'deletions, without the one that ends nothing'
expect 0 tb ls d/t/shard-00/latest
equal '=1.json =2.json' "$(paste -sd ' ' "$work/out")" 'documents'

# A catalogue that is damaged is no source to repair from.
file=$(pack products 2)
rm "$file"
head -c 20000 /dev/zero | dd of="$repo/catalog.db" conv=notrunc status=none
expect 1 tb check --repair
complaint 'catalog'
[ ! -e "$file" ] || fail 'repaired from a damaged catalogue'
