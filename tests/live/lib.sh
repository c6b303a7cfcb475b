# shellcheck shell=bash
# What the scenarios with live servers share. A scenario sources this in place of support/lib.sh.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
live=$root/tests/live
"$live/install" >"$work/install.log" 2>&1
# The server under test, what the names of its databases begin with, and a port that was found.
address='' prefix='' port=''
export NODE_PATH=$root/build/live/node_modules

# port_of FILE: wait for the port that a process prints first, and set $port.
# shellcheck disable=SC2034
port_of() {
	soon 20 test -s "$1" || fail "no port in $1"
	port=$(head -n 1 "$1")
}

# peer ADDRESS MODE...: start a peer that misbehaves, and set $port; see peer.js.
peer() {
	rm -f "$work/peer.port"
	node "$live/peer.js" "$@" >"$work/peer.port" 2>>"$work/peer.log" &
	later kill $!
	port_of "$work/peer.port"
}

# server COMMAND...: have the official driver do something to the server under test; see server.js.
server() {
	node "$live/server.js" "$1" "$address" "$prefix" "${@:2}"
}

# documents DB/TABLE [REPOSITORY]: all of its newest snapshot, a line each.
documents() {
	local shard from=${2:-$repo}
	"$THINKBACK" -r "$from" ls "$1" | while read -r shard; do
		"$THINKBACK" -r "$from" ls "$1/$shard/latest" | sed "/^\./d; s|^|$1/$shard/latest/|" |
			tr '\n' '\0' | xargs -0 -r "$THINKBACK" -r "$from" cat
	done
}

# values: JSON lines in the one form that two printers of the same values have in common, sorted.
values() {
	python3 -c 'import json, sys
for line in sys.stdin.buffer:
    print(json.dumps(json.loads(line, parse_int=float), sort_keys=True))' | sort
}

# counts TABLE: "NEW CHANGED DELETED" of it in the --json output in $work/out.
counts() {
	jq -r --arg t "$1" 'select(.event == "table" and "\(.database).\(.table)" == $t) |
		"\(.new) \(.changed) \(.deleted)"' "$work/out"
}
