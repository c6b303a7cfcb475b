#!/bin/bash
# What cannot be restored is refused where the writer hears of it, with the reason in .restore/failed and
# the bytes kept; everything else that was copied along is queued.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$third"
mount_start -o noworker
orders=$mnt/shop/orders
good=$orders/shard-00/latest/=1.json

# refused NAME PATTERN TEXT: cp of this text fails, and the reason can be read.
refused() {
	printf '%s' "$3" >"$work/$1"
	expect 1 cp "$work/$1" "$orders/$1"
	says err 'Invalid argument|File too large|Argument list'
	[ ! -e "$orders/$1" ] || fail "$1 waits"
	same "$work/$1" "$orders/.restore/failed/$1"
	[ "$(wc -l <"$orders/.restore/failed/$1.error")" -eq 1 ] || fail "no one line of reason"
	grep -qE -- "$2" "$orders/.restore/failed/$1.error" ||
		fail "reason of $1: $(cat "$orders/.restore/failed/$1.error")"
}
refused cut.json 'line 1' '{"order_no": 1, "a'
refused text.json 'line 1' 'no json'
refused second.json 'line 2' $'{"order_no": 1}\n{"order_no": 2,}\n'
refused nokey.json 'order_no' '{"id": 1}'
refused null.json 'order_no|null' '{"order_no": null}'
refused object.json 'order_no|key' '{"order_no": {"a": 1}}'
refused number.json 'object' '5'
refused nothing.json '.' ' '
refused twice.json 'twice|a' '{"order_no": 1, "a": 1, "a": 2}'
refused deep.json '20,?000' "{\"order_no\": 1, \"a\": $(printf '%.0s[' {1..20001})$(printf '%.0s]' {1..20001})}"
refused long.json '12[78]' "{\"order_no\": \"$(printf '%0200d' 0)\"}"
refused utf8.json 'UTF-8' $'{"order_no": 1, "a": "\xff"}'
expect 0 tb --json queue list
equal failed "$(jq -r .state "$work/out" | sort -u)" 'states'
equal '' "$(ls "$orders/.restore/pending")" 'what waits'

# A user sees why, and that trying again is no use.
id=$(jq -r 'select(.name == "nokey.json") | .id' "$work/out")
expect 0 tb queue show "$id"
says out 'order_no'
expect 1 tb queue retry "$id"
complaint '.'

# rsync goes on behind a bad one.
mkdir "$work/batch"
cp "$good" "$work/batch/=1.json"
printf '{"order_no": 2, broken' >"$work/batch/=2.json"
cp "$orders/shard-00/latest/=3.json" "$work/batch/=3.json"
expect 23 rsync -t "$work/batch/" --include='*.json' -r "$orders/"
equal '=1.json =3.json' "$(entries "$orders/.restore/pending")" 'what waits after rsync'
[ -s "$orders/.restore/failed/=2.json.error" ] || fail 'no reason for the bad one'
rm "$orders/=1.json" "$orders/=3.json"

# mv out of a snapshot: it fails before anything is done.
expect 1 mv "$good" "$orders/"
[ -e "$good" ] || fail 'a document was moved out of a snapshot'
equal '' "$(ls "$orders/.restore/pending")" 'what waits after mv'

# A name that is too long, and places where nothing can be written.
equal ENAMETOOLONG "$(probe errno create "$orders/$(printf '%0251d' 0).json")" 'a long name'
expect 1 cp "$good" "$orders/.restore/pending/"
expect 1 cp "$good" "$mnt/shop/"
expect 1 cp "$good" "$orders/shard-00/"
oracle mounted "$mnt" "$third" >"$work/out"
mount_stop
