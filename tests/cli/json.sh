#!/bin/bash
# With --json every line of standard output of every command is one JSON object, and what people read
# stays away from it.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"

# json STATUS COMMAND...: before and behind the command's name, the same lines, each one an object.
json() {
	local want=$1
	shift
	expect "$want" tb --json "$@"
	cp "$work/out" "$work/before"
	oracle objects "$work/before" || fail "$*"
	[ "$1" = snapshot ] || [ "$1" = init ] || {
		expect "$want" tb "$@" --json
		sed -E 's/"verified":"[^"]*"/"verified":null/' "$work/out" >"$work/behind"
		sed -i -E 's/"verified":"[^"]*"/"verified":null/' "$work/before"
		same "$work/before" "$work/behind"
	}
}
json 0 init
json 0 list
json 0 snapshot "$first" "$third"
equal 14 "$(wc -l <"$work/before")" 'lines of a snapshot of two archives with six tables each'
json 0 snapshot "$third"
json 1 snapshot "$second"
json 1 snapshot "$work/nothing"
json 0 list
equal 12 "$(wc -l <"$work/before")" 'snapshots'
json 0 check --read-data
json 0 queue list
json 0 worker --once
json 0 ls
json 0 ls shop/products/shard-00
json 0 ls shop/products/shard-00/latest
equal 399 "$(grep -c '"name":"SKU-' "$work/before")" 'documents'
equal 2026-11-20T03:00:01Z \
	"$(jq -r 'select(.name == "SKU-0001.json") | .mtime' "$work/before")" 'mtime of a changed document'
equal "2026-11-18T03:00:00Z 2" \
	"$(jq -r 'select(.name == "SKU-0002.json") | "\(.mtime) \(.nlink)"' "$work/before")" 'an unchanged document'
tb cat shop/products/shard-00/latest/SKU-0001.json >"$work/document"
equal "$(stat -c %s "$work/document")" \
	"$(jq -r 'select(.name == "SKU-0001.json") | .size' "$work/before")" 'size of a document'
json 1 ls nothing

# Words for people are not mixed in, and a terminal's colours neither.
expect 0 tb list
! grep -q $'\033' "$work/out" || fail 'colours in a file'
expect 0 tb ls -l shop/products/shard-00/latest
says out '^-r--r--r-- +2 +[0-9]+ .*SKU-0002.json$'
expect 0 tb ls -la shop/products/shard-00/latest
says out '\.table\.json$'
