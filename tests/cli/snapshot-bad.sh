#!/bin/bash
# Bad input: one line that says what and where, exit 1 (3 where other tables were taken), and the
# repository holds exactly what it held before.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$first"
cp -a "$repo" "$work/fresh"
fresh() {
	rm -r "$repo"
	cp -a "$work/fresh" "$repo"
}
state before
tab=$'\t'
top=rethinkdb_dump_2026-11-21T03:00:00
archive=$work/$top.tar.gz
oracle info shop good >"$work/good.info"
oracle info shop bad >"$work/bad.info"
printf '[\n{"id": 1},\n{"id": 2}\n]\n' >"$work/good.json"

# refused STATUS PATTERN [SOURCE]: it is, with one line, and nothing has changed.
refused() {
	expect "$1" tb snapshot "${3:-$archive}"
	complaint "$2"
	if [ "$1" -eq 3 ]; then
		says out 'shop.good +2 documents'
		equal "$(tb --json list shop.good | jq -r .documents)" 2 'the other table'
		expect 0 tb check --read-data
		expect 1 tb list shop.bad
		fresh
	fi
	state after
	same "$work/before" "$work/after"
}
# beside BAD-JSON-FILE: an archive with a good table and a bad one.
beside() {
	oracle archive "$archive" "$top/shop/good.info" "$work/good.info" "$top/shop/good.json" "$work/good.json" \
		"$top/shop/bad.json" "$1" "$top/shop/bad.info" "$work/bad.info"
}
# with TEXT: a bad table of this text.
with() {
	printf '%s' "$1" >"$work/bad.json"
	beside "$work/bad.json"
}

# No archive at all, or not the whole of one.
refused 1 'nothing.tar.gz' "$work/nothing.tar.gz"
: >"$work/empty.tar.gz"
refused 1 'empty.tar.gz' "$work/empty.tar.gz"
head -c 20000 /dev/urandom >"$work/noise.tar.gz"
refused 1 'noise.tar.gz' "$work/noise.tar.gz"
tar -czf "$work/other.tar.gz" -C "$root" README.md
refused 1 'other.tar.gz' "$work/other.tar.gz"
mkdir "$work/directory"
refused 1 'directory' "$work/directory"

# A cut archive: the tables before the cut are taken whole, the others not at all, and when the whole
# archive comes after all, it brings the rest.
cut=$work/cut.tar.gz
tb --json snapshot "$third" >/dev/null
tb --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/complete"
fresh
for step in 1:0 50:0 80:2 97:2; do
	oracle cut "$third" "$cut" "${step%:*}"
	taken=${step#*:}
	expect $((taken > 0 ? 3 : 1)) tb snapshot "$cut"
	complaint 'cut.tar.gz.*(truncated|ends)'
	equal "$taken" "$(tb --json list | jq -r .date | grep -c "$day3" || true)" "tables taken at ${step%:*} %"
	expect 0 tb check --read-data
	if [ "$taken" -eq 0 ]; then
		state after
		same "$work/before" "$work/after"
		continue
	fi
	tb --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/part"
	equal '' "$(grep -vxFf "$work/complete" "$work/part" || true)" 'tables taken in part'
	expect 0 tb snapshot "$third"
	tb --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/part"
	same "$work/complete" "$work/part"
	fresh
done
oracle cut_inside "$third" "$cut" 50
refused 1 'cut.tar.gz.*truncated' "$cut"

# Entries that no dump has.
oracle archive "$archive" "$top/shop/good.info" "$work/good.info" "$top/../../escape/good.json" "$work/good.json"
refused 1 '\.\.'
oracle archive "$archive" "/shop/good.info" "$work/good.info" "/shop/good.json" "$work/good.json"
refused 1 '/shop/good'
oracle archive "$archive" "$top/shop/good.info" "$work/good.info" "other/shop/good.json" "$work/good.json"
refused 1 'other'
oracle archive "$archive" "$top/shop/a b.info" "$work/good.info" "$top/shop/a b.json" "$work/good.json"
refused 1 'a b'
[ ! -e "$work/escape" ] && [ ! -e "$repo/escape" ] || fail 'a file outside'

# A table that cannot be taken: the others are.
oracle archive "$archive" "$top/shop/good.info" "$work/good.info" "$top/shop/good.json" "$work/good.json" \
	"$top/shop/bad.json" "$work/good.json"
refused 3 'shop.bad.*info'
oracle archive "$archive" "$top/shop/bad.json" "$work/good.json"
refused 1 'info'
printf '{"primary_key": 5}' >"$work/wrong.info"
oracle archive "$archive" "$top/shop/good.info" "$work/good.info" "$top/shop/good.json" "$work/good.json" \
	"$top/shop/bad.json" "$work/good.json" "$top/shop/bad.info" "$work/wrong.info"
refused 3 'shop.bad.*(info|primary)'

with $'[\n{"id": 1},\n{"id": 2, "name": "x" "y"},\n{"id": 3}\n]\n'
refused 3 'shop.bad.*line 3'
with $'[\n{"id": 1},\n{"id": 2, "name": "\xff"},\n{"id": 3}\n]\n'
refused 3 'shop.bad.*line 3'
with $'[\n{"id": 1},\n{"id": 2, "name": 1e999},\n{"id": 3}\n]\n'
refused 3 'shop.bad.*line 3'
with $'[\n{"id": 1},\n{"id": 2},\n{"id": 1, "again": true}\n]\n'
refused 3 'shop.bad.*(line 4|twice|=1|key 1)'
with $'[\n{"id": 1},\n{"name": "no key"},\n{"id": 3}\n]\n'
refused 3 'shop.bad.*(line 3.*"?id|"?id.*line 3)'
with $'[\n{"id": 1},\n{"id": null},\n{"id": 3}\n]\n'
refused 3 'shop.bad.*line 3'
with $'[\n{"id": 1},\n{"id": {"a": 1}},\n{"id": 3}\n]\n'
refused 3 'shop.bad.*line 3'
with "[
{\"id\": 1},
{\"id\": \"$(printf '%0200d' 0)\"}
]
"
refused 3 'shop.bad.*line 3.*12[78]'
with $'[\n{"id": 1},\n[1, 2]\n]\n'
refused 3 'shop.bad.*line 3'
with $'[\n{"id": 1},\n{"id": 2}\n'
refused 3 'shop.bad'
with $'{"id": 1, "broken'
refused 3 'shop.bad'
with "[${tab}{\"id\": 1, \"id\": 2}]"
refused 3 'shop.bad.*line 1'
# 100,000 levels deep.
python3 -c 'print("[\n{\"id\": 1},\n{\"id\": 2, \"deep\": " + "[" * 100000 + "]" * 100000 + "}\n]")' >"$work/deep.json"
beside "$work/deep.json"
refused 3 'shop.bad.*line 3.*20,?000'

# Two archives, one of them bad: the good one is taken.
oracle cut "$third" "$cut" 50
expect 3 tb snapshot "$second" "$cut"
complaint 'rethinkdb_dump_2026-11-2'
equal "$day2" "$(tb --json list shop.orders | jq -r .date | tail -n 1)" 'the newest snapshot'
expect 0 tb check --read-data
