#!/bin/bash
# check --repair writes packs and dictionaries again, byte for byte, from what else there is; what is
# nowhere else is listed document by document and stays an error, and nothing else is touched.
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
		if [ "$victim" = 't 3' ]; then
			# id 3 came back, and is nowhere else once the pack cannot be opened; id 1 is.
			expect 1 tb check --repair
			says err 'd.t: document 3 is lost from 2026-12-03T00-00-00Z on$'
			says err "pack $(basename "$file" .pack) cannot be repaired"
			[ "$(grep -c 'document . is lost' "$work/err")" -eq 1 ] || fail 'more is said to be lost'
			cp "$work/whole/packs/000000/$(basename "$file")" "$file"
		else
			expect 0 tb check --repair
			says out "pack $(basename "$file" .pack) .* is repaired"
			silent err
		fi
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

# What is nowhere else: the documents of one frame. The others can be read as before.
file=$(pack orders 1)
oracle flip "$file" $(($(stat -c %s "$file") / 3))
cp "$file" "$work/damaged"
expect 1 tb check --repair
lost=$(grep -c 'shop.orders: document [0-9]* is lost from ' "$work/err" || :)
[ "$lost" -ge 1 ] && [ "$lost" -le 100 ] || fail "$lost documents are said to be lost"
says err "pack $(basename "$file" .pack) cannot be repaired"
same "$work/damaged" "$file"
[ -z "$(find "$repo/packs" -name '.tmp-*')" ] || fail 'an unfinished file is left'
key=$(sed -n 's/.*document \([0-9]*\) is lost.*/\1/p' "$work/err" | head -n 1)
expect 1 tb cat "shop/orders/shard-00/$day1/=$key.json"
silent out
cp "$work/whole/packs/000000/$(basename "$file")" "$file"
whole

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
cp "$work/whole/packs/000000/$(basename "$file")" "$file"
whole
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
