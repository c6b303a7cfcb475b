# shellcheck shell=bash
# What the crash sweeps share: small repositories, the table of commands that are swept, and the
# promises that hold whatever happened. A state is a directory with repo/ and target/ in it.
#
# THINKBACK_CRASH=full sweeps every point; else of the many writes of pages into a database, which
# are like each other, every so many-th is taken.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
# shellcheck disable=SC2034 # used where a command line is put together
shim=$BUILD/tests/crash/shim.so
: "${THINKBACK_CRASH:=sample}" "${CRASH_JOBS:=2}"
python3 "$root/tests/crash/sources.py" "$work"

# Somebody who was killed may be ending yet.
sqlite3() {
	command sqlite3 -cmd '.timeout 20000' "$@"
}

# When set, packs that the catalogue does not know are no failure.
strays=

# NAME|BASE|KEPT|COMMAND: a command that is swept, the state that it starts from, and which dates it
# keeps whatever happens (a pattern of grep -E; those it may remove are not among them). It is run
# with $state set and can be run again after it was stopped.
# shellcheck disable=SC2034,SC2016 # for the scenarios; expanded there
commands=(
	'first snapshot|none|.|snapshot --at 2026-05-01T00:00:00Z $work/night1'
	'second snapshot|one|.|snapshot --at 2026-05-02T00:00:00Z $work/night2'
	'rebuild|two|.|rebuild'
	'check --repair|two|.|check --repair'
	'repair|hurt|^none|check --repair'
	'healing snapshot|lossy|^none|snapshot --at 2026-05-03T00:00:00Z $work/night1'
	'worker|queued|.|worker --once --target $state/target'
	'forget|two|^2026-05-02|forget --keep-last 1'
	'gc|forgotten|.|gc --threshold 0'
	'queue forget|settled|.|queue forget --keep-within 1h'
)

# ---- states to start from ------------------------------------------------------------------------

in_state() {
	local state=$1
	shift
	"$THINKBACK" -q -r "$state/repo" "$@"
}

base_none() {
	mkdir "$1"
	in_state "$1" init
}

base_one() {
	base_none "$1"
	in_state "$1" snapshot --at 2026-05-01T00:00:00Z "$work/night1"
}

base_two() {
	base_one "$1"
	in_state "$1" snapshot --at 2026-05-02T00:00:00Z "$work/night2"
}

# A pack is gone, and documents with it.
base_hurt() {
	base_two "$1"
	rm "$1/repo/packs/000000/$(sqlite3 "$1/repo/catalog.db" "SELECT printf('%016x', p.id) FROM packs p
		JOIN tables t ON t.id = p.table_id WHERE t.name = 'orders' ORDER BY p.id LIMIT 1").pack"
}

# They are known to be lost.
base_lossy() {
	base_hurt "$1"
	! in_state "$1" check --repair 2>/dev/null
}

base_forgotten() {
	base_two "$1"
	in_state "$1" tag add kept shop latest
	in_state "$1" forget --keep-last 1
}

# Restores of two tables, one of several documents, besides one that was done into a target that has
# been taken away since.
base_queued() {
	base_one "$1"
	local mnt=$1/mnt pid n
	mkdir "$mnt" "$1/target"
	"$THINKBACK" -r "$1/repo" mount -f -o noworker "$mnt" &
	pid=$!
	later umount -l "$mnt"
	soon 20 mountpoint -q "$mnt" || return 1
	echo '{"id": "user-01", "mark": "zero"}' >"$mnt/shop/users/zero.json"
	in_state "$1" worker --once --target "$1/target" 2>/dev/null
	for n in one two three; do
		echo "{\"id\": \"user-$n\", \"mark\": \"$n\"}" >"$mnt/shop/users/$n.json"
	done
	echo '[{"id": 1, "mark": "four"}, {"id": 77, "mark": "four"}]' >"$mnt/shop/orders/four.json"
	fusermount3 -u "$mnt"
	wait "$pid"
	rm -r "$1/target"
	rmdir "$mnt"
}

# A large restore, and the one that was done, are over since long.
base_settled() {
	base_queued "$1"
	sqlite3 "$1/repo/queue.db" "UPDATE restores SET updated = updated - 7200000;
		INSERT INTO restores (state, database_name, table_name, name, documents, bytes, created, updated)
			VALUES ('cancelled', 'shop', 'orders', 'large.json', 1, 32 * 65536, 1, 1);
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 31)
			INSERT INTO payload SELECT (SELECT max(id) FROM restores), i, zeroblob(65536) FROM n"
}

# base NAME: the state of that name, made once; its directory is in $base.
base() {
	base=$work/base-$1
	[ -d "$base" ] || "base_$1" "$base" || fail "cannot make the state $1"
}

# ---- what a state holds --------------------------------------------------------------------------

# snapshots STATE: its dates, with a digest of all documents of each.
snapshots() {
	local list date sum
	list=$(in_state "$1" --json list) || return 1
	while read -r date; do
		[ -n "$date" ] || continue
		sum=$(in_state "$1" export --at "$date" - </dev/null 2>"$slot/export" | gunzip 2>>"$slot/export" | sha256sum) ||
			{ [ "$base" = "$work/base-hurt" ] && sum=damaged; } || return 1
		echo "$date $sum"
	done < <(sed 's/.*"date":"//; s/".*//' <<<"$list" | sort -u)
}

# restores STATE: the bytes of each restore in the queue, by its name; of a large one how many.
restores() {
	in_state "$1" --json queue list >/dev/null
	sqlite3 "$1/repo/queue.db" "SELECT name, database_name, table_name, documents,
		(SELECT CASE WHEN sum(length(bytes)) > 100000 THEN sum(length(bytes)) ELSE group_concat(hex(bytes), '') END
			FROM payload WHERE restore_id = id)
		FROM restores ORDER BY name"
}

# documents STATE: what the target has.
documents() {
	[ ! -d "$1/target" ] || (cd "$1/target" && find . -type f -exec sha256sum {} + | sort -k 2)
}

# describe STATE FILE: all of it, to be compared when a command has come to its end.
describe() {
	{
		snapshots "$1"
		in_state "$1" --json tag list
		in_state "$1" --json list | sed -E 's/"(snapshot|stored_bytes)":[0-9]+,?|"verified":[^,}]*//g'
		restores "$1"
		sqlite3 "$1/repo/queue.db" 'SELECT name, state, error FROM restores ORDER BY name'
		documents "$1"
	} >"$2"
}

# ---- promises ------------------------------------------------------------------------------------

# A wrong state ends the slot that found it, and with it the scenario.
broken() {
	echo "$point: $*" >&2
	head -n 20 "$slot/out" "$slot/err" "$slot/check" >&2
	exit 1
}

# whole STATE: nothing is damaged, but for what has not been repaired yet.
whole() {
	[ "$base" != "$work/base-hurt" ] || ! snapshots "$1" | grep ' damaged$' >/dev/null || return 0
	in_state "$1" check --read-data >"$slot/check" 2>&1 ||
		{ [ -n "$strays" ] && ! grep -v 'is in packs/ but not in catalog.db' "$slot/check"; } ||
		broken "check: $(cat "$slot/check")"
}

# kept STATE: each snapshot is one of before or of the undisturbed end, byte by byte, and those that
# must stay are there; so are all restores, and those that are done are in the target.
kept() {
	snapshots "$1" >"$slot/snapshots" || broken 'cannot be read'
	! grep -vxF -f "$reference/snapshots" "$slot/snapshots" || broken 'a snapshot has other documents'
	! grep -E "$keeps" "$reference/before" | grep -vxF -f "$slot/snapshots" || broken 'a snapshot is lost'
	restores "$1" >"$slot/restores" || broken 'the queue cannot be read'
	! grep -vxF -f "$reference/restores" "$slot/restores" || broken 'a restore has other bytes'
	! grep -vxF -f "$slot/restores" "$reference/restores-after" || broken 'a restore is lost'
	local name
	while read -r name; do
		grep -qs "\"mark\":\"$name\"" "$1"/target/shop/*.json || broken "$name is done but not in the target"
	done < <(sqlite3 "$1/repo/queue.db" "SELECT replace(name, '.json', '') FROM restores WHERE state = 'done'
		AND id > (SELECT min(id) FROM restores)")
	for name in "$1"/target/shop/*.json; do
		[ ! -e "$name" ] || jq -e 'length > 0' "$name" >/dev/null || broken "$name is cut off"
	done
}

# finished STATE: it is what the undisturbed command leaves, without anything left over.
finished() {
	local files rows
	describe "$1" "$slot/after" || broken 'cannot be described'
	cmp "$slot/after" "$reference/after" >&2 ||
		broken "ended differently: $(diff "$reference/after" "$slot/after" | cut -c 1-300)"
	files=$(find "$1/repo/packs" -type f ! -name '*.ledger' | wc -l)
	rows=$(sqlite3 "$1/repo/catalog.db" 'SELECT (SELECT count(*) FROM packs) + (SELECT count(*) FROM dictionaries) +
		(SELECT count(*) FROM snapshots WHERE forgotten)')
	[ "$files" -eq "$rows" ] || [ -n "$strays" ] || broken "$files files in packs/, $rows in the catalogue"
	! find "$1" -name '*tmp*' -o -name '.thinkback*' -o -name '*.part*' | grep . >&2 || broken 'temporary files are left'
}

# lost_only STATUS: the command has failed only to say that documents are lost, as a repair does.
lost_only() {
	[ "$1" -eq 1 ] && [ -s "$slot/err" ] && ! grep -qv ' is lost from ' "$slot/err"
}

# Nobody waits for leases and for second tries here.
# shellcheck disable=SC2034 # also for the scenarios
at_once='UPDATE restores SET not_before = 0, lease_until = min(lease_until, 1)'

# again STATE: the command is run once more, and comes to its end.
again() {
	local state=$1 status=0
	sqlite3 "$1/repo/queue.db" "$at_once"
	eval "in_state \"\$state\" $command" >"$slot/out" 2>"$slot/err" || status=$?
	[ "$status" -eq 0 ] || lost_only "$status" || broken "run again, it fails: $(cat "$slot/err")"
	finished "$1"
}

# ---- sweeps --------------------------------------------------------------------------------------

# shimmed STATE VARIABLE=VALUE...: run the command on it under the shim, with out and err; its status.
shimmed() {
	local state=$1 status=0
	shift
	rm -f "$slot/fired"
	eval "env LD_PRELOAD=\"\$shim\" CRASH_BELOW=\"\$state\" CRASH_FIRED=\"\$slot/fired\" \"\$@\" \
		\"\$THINKBACK\" -r \"\$state/repo\" $command" >"$slot/out" 2>"$slot/err" || status=$?
	! lost_only "$status" || return 0
	return "$status"
}

# fresh: a copy of the base, to be disturbed; its directory is in $state.
fresh() {
	state=$slot/state
	rm -rf "$state"
	cp -a "$base" "$state"
}

# prepare LINE: of the table of commands. Run it undisturbed, and note what it did and leaves.
prepare() {
	IFS='|' read -r name base keeps command <<<"$1"
	base "$base"
	reference=$work/reference-${name// /-}
	mkdir -p "$reference"
	slot=$reference point=$name
	: >"$slot/check"
	fresh
	snapshots "$base" >"$reference/before"
	restores "$base" >"$reference/restores"
	rm -f "$reference/log"
	shimmed "$state" CRASH_LOG="$reference/log" || broken "fails undisturbed: $(cat "$slot/err")"
	snapshots "$state" | cat "$reference/before" - >"$reference/snapshots"
	describe "$state" "$reference/after"
	restores "$state" >"$reference/restores-after"
	"$BUILD/tests/crash/replay" list "$reference/log" >"$reference/calls"
	[ -s "$reference/calls" ] || broken 'changes nothing: the shim does not work'
}

# points STRIDE [CALL]: numbers of the calls that are swept. Of the writes of pages every so many-th.
points() {
	[ "$THINKBACK_CRASH" != full ] || set -- 1 "${2:-.*}"
	awk -v stride="$1" -v call="^(${2:-.*})\$" '
		$2 !~ call { next }
		$2 == "write" && $3 ~ /[.]db(-wal|-shm)?$/ && ++pages % stride != 1 % stride { next }
		{ print $1 }' "$reference/calls"
}

# share ARRAY NAME...: deal the numbers in it out to the arrays share_NAME; each gets all of them when
# every point is swept.
share() {
	local -n from=$1
	local to i mine=0
	shift
	for to in "$@"; do
		declare -g -a "share_$to"
		local -n into=share_$to
		into=()
		for ((i = 0; i < ${#from[@]}; i++)); do
			[ "$THINKBACK_CRASH" != full ] && [ $((i % $#)) -ne "$mine" ] || into+=("${from[i]}")
		done
		mine=$((mine + 1))
	done
}

# slot NUMBER FUNCTION ARGUMENT...: call it for those of the points (on stdin) that fall to this slot.
slot() {
	local number=$1 n swept=0
	shift
	slot=$work/slot-$number
	mkdir -p "$slot"
	: >"$slot/check"
	while read -r n; do
		[ $((swept++ % CRASH_JOBS)) -eq "$number" ] || continue
		point="$name, $2 at call $n"
		"$@" "$n" || exit 1
		[ ! -s "$slot/fired" ] || echo "$n" >>"$slot/hits"
	done
}

# sweep FUNCTION HOW POINT...: call it with HOW and each point, in several slots side by side.
sweep() {
	local function=$1 how=$2 i pids=() failed=0
	shift 2
	[ $# -gt 0 ] || fail "$name, $how: nothing to sweep"
	rm -f "$work"/slot-*/{fired,hits}
	for ((i = 0; i < CRASH_JOBS; i++)); do
		(
			trap - EXIT ERR
			set +eE
			printf '%s\n' "$@" | slot "$i" "$function" "$how"
		) &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || failed=1
	done
	[ "$failed" -eq 0 ] || fail "$name, $how: a promise is broken"
	# A run may make more calls than the one that counted them: until one is not disturbed any more.
	i=$(wc -l <"$reference/calls")
	while [ -s "$work/slot-0/fired" ]; do
		i=$((i + 1))
		[ "$i" -lt 10000 ] || fail "$name, $how: no end"
		(
			trap - EXIT ERR
			set +eE
			CRASH_JOBS=1 slot 0 "$function" "$how" <<<"$i"
		) || fail "$name, $how: a promise is broken"
	done
	# The power is cut in a replay; everything else has to hit the command.
	[ "$function" = lost ] || cat "$work"/slot-*/hits >"$reference/hits" 2>/dev/null || [ -s "$reference/hits" ] ||
		fail "$name, $how: the command was never hit"
	echo "$name, $how: swept $# of $(wc -l <"$reference/calls") calls, $SECONDS s"
}
