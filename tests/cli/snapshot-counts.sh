#!/bin/bash
# What snapshot says of three archives is what comparing them by hand says; they are taken by date,
# once, and the result is the same however they were given.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
expect 0 "$THINKBACK" init "$repo"

# In any order on the command line: oldest first.
expect 0 tb --json snapshot "$third" "$first" "$second"
silent err
while read -r line; do
	python3 -m json.tool <<<"$line" >/dev/null || fail "no JSON: $line"
done <"$work/out"
equal "$(basename "$first") $(basename "$second") $(basename "$third")" \
	"$(jq -r 'select(.event == "run") | .source' "$work/out" | xargs)" 'order of the runs'
equal "$day1 $day2 $day3" "$(jq -r 'select(.event == "run") | .date' "$work/out" | xargs)" 'dates of the runs'

oracle counts "$first" "$second" "$third" >"$work/want"
cp "$work/out" "$work/events"
jq -r --arg one "$day1" --arg two "$day2" 'select(.event == "table") |
	[(if .date == $one then 1 elif .date == $two then 2 else 3 end), .database + "." + .table,
	.documents, .new, .changed, .deleted] | join(" ")' "$work/events" | sort >"$work/got"
same "$work/want" "$work/got"
equal "$(awk '{ versions += $4 + $5 } END { print versions }' "$work/want")" \
	"$(jq -s 'map(select(.event == "run") | .new_versions) | add' "$work/events")" 'versions stored'

# list says the same, and so does the text for people.
tb --json list | jq -r --arg one "$day1" --arg two "$day2" \
	'[(if .date == $one then 1 elif .date == $two then 2 else 3 end), .database + "." + .table,
	.documents, .new, .changed, .deleted] | join(" ")' | sort >"$work/got"
same "$work/want" "$work/got"
expect 0 tb list shop.orders
says out "^$day1 +shop.orders +2000 .* 2000 +0 +0 "
says out "^$day2 +shop.orders +2044 .* 50 +50 +6 "
says out "^$day3 +shop.orders +2045 .* 1 +50 +0 "
equal 4 "$(wc -l <"$work/out")" 'lines of list shop.orders'
expect 1 tb list shop.nothing
complaint 'shop.nothing'

# What did not change is not stored again.
stored=$(tb --json list | jq -s --arg day "$day2" 'map(select(.date == $day and .table == "events").stored_bytes) | add')
[ "$stored" -lt 8192 ] || fail "$stored bytes stored for a table without a change"

# Taken twice: it says so, and nothing happens.
state before
expect 0 tb snapshot "$second" "$third"
silent err
equal 2 "$(grep -c already "$work/out")" 'lines that say already'
expect 0 tb --json snapshot "$second"
equal true "$(jq .already "$work/out")" 'already in JSON'
expect 0 tb -q snapshot "$second"
silent out
state after
same "$work/before" "$work/after"

# An archive from before the newest snapshot is refused in one line.
mv "$repo" "$work/whole"
expect 0 "$THINKBACK" init "$repo"
expect 0 tb snapshot "$first" "$third"
state before
expect 1 tb snapshot "$second"
complaint '2026-11-19|rethinkdb_dump_2026-11-19'
silent out
state after
same "$work/before" "$work/after"

# One by one, all at once and without the middle one: the same documents at a date.
mv "$repo" "$work/gap"
expect 0 "$THINKBACK" init "$repo"
for archive in "$first" "$second" "$third"; do
	expect 0 tb snapshot "$archive"
	says out "$(basename "$archive")"
done
tb --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/one"
"$THINKBACK" -r "$work/whole" --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/all"
same "$work/one" "$work/all"

# Some tables alone.
mv "$repo" "$work/single"
expect 0 "$THINKBACK" init "$repo"
expect 0 tb snapshot -e shop.orders -e telemetry "$first"
equal 'shop.orders telemetry.devices telemetry.events' \
	"$(tb --json list | jq -r '.database + "." + .table' | xargs)" 'tables asked for'
expect 1 tb snapshot -e shop.nothing "$second"
complaint 'asked for'
# A name that no source has, beside others: also when those are in the repository already, and
# whatever the source. What another source has is no name that is missing.
expect 3 tb snapshot -e shop.nothing -e shop.orders -e nowhere -e shop.nothing "$second"
says err '^thinkback: no source has a table shop.nothing$'
says err '^thinkback: no source has a table in a database nowhere$'
equal 3 "$(wc -l <"$work/err")" 'lines'
expect 3 tb snapshot -e shop.nothing -e shop.orders "$second"
complaint '^thinkback: no source has a table shop.nothing$'
expect 0 tb snapshot -e shop.orders "$second"
mkdir -p "$work/export/shop"
tar --force-local -xzf "$third" -C "$work/export/shop" --strip-components=2 --wildcards '*/shop/*'
rm "$work/export/shop/orders".*
expect 0 tb snapshot --at "$day3" -e shop.keys -e shop.orders "$work/export" "$third"
expect 3 tb snapshot --at 2026-11-21 -e shop.keys -e shop.orders "$work/export"
complaint '^thinkback: no source has a table shop.orders$'
expect 3 tb snapshot --at 2026-11-22 -e shop.keys -e shop.orders "$work/export" "$work/none.tar.gz"
says err '^thinkback: no source that could be read has a table shop.orders$'
# One that is there and cannot be taken is not missing.
echo '[{"id":1' >"$work/export/shop/coupons.json"
expect 3 tb snapshot --at 2026-11-23 -e shop.keys -e shop.coupons "$work/export"
complaint 'shop.coupons not taken: '
expect 0 tb check --read-data
