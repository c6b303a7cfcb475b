#!/bin/bash
# The power fails while a command is at work: of what it changed, only what was synced is certain to be
# on disk, and any part of the rest may be. What was there before is there, whole; what was
# acknowledged is there; and the same command run again comes to its end. The same when a sync fails
# first: what it should have brought to disk is lost, whatever a later sync says, also when the command
# is run again and comes to its end before the power fails.
# Promises: 2, 3.
# shellcheck source=tests/crash/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# cut LOG N RULE SEED: the state as the disk has it, in $state.
cut_power() {
	state=$slot/state
	rm -rf "$state"
	"$BUILD/tests/crash/replay" make "$base" "$1" "$state" "$2" "$3" "$4" || broken 'cannot be replayed'
}

# lost RULE N
lost() {
	cut_power "$reference/log" "$2" "$1" "$2"
	kept "$state"
	# The command has said that all is well.
	[ "$2" -lt "$last" ] || finished "$state"
	[ $(($2 % 2)) -eq 0 ] || whole "$state"
	again "$state"
	whole "$state"
}

# unsynced EIO N: call N, a sync, fails; the power does so at the end of the command, and before.
unsynced() {
	local calls n
	# SQLite does not look whether the directory could be synced that its log is new in. When the log
	# is lost with its name, packs are left that nobody knows.
	local strays=
	[ "$(sed -n "$2p" "$reference/calls")" != "$2 sync repo" ] || strays=1
	fresh
	rm -f "$slot/log"
	shimmed "$state" CRASH_LOG="$slot/log" CRASH_HOW="$1" CRASH_AT="$2" || true
	calls=$("$BUILD/tests/crash/replay" list "$slot/log" | wc -l)
	for n in "$calls" $((($2 + calls) / 2)); do
		point="$name, sync $2 failed, power cut at call $n"
		cut_power "$slot/log" "$n" lost 0
		kept "$state"
		again "$state"
		whole "$state"
	done
}

# logged COMMAND...: run it with what it changes in the log.
logged() {
	env LD_PRELOAD="$shim" CRASH_BELOW="$state" CRASH_LOG="$slot/log" "$@"
}

# resumed EIO N: call N, a sync, fails, and the power does so while the command is run again, or behind.
resumed() {
	local from to n
	fresh
	rm -f "$slot/log"
	shimmed "$state" CRASH_LOG="$slot/log" CRASH_HOW="$1" CRASH_AT="$2" || true
	# Nobody waits for leases and for second tries here; nor does this bring to disk what was lost.
	logged sqlite3 -cmd '.dbconfig no_ckpt_on_close on' "$state/repo/queue.db" \
		"UPDATE restores SET not_before = 0, lease_until = min(lease_until, 1)" >"$slot/sqlite3"
	from=$("$BUILD/tests/crash/replay" list "$slot/log" | wc -l)
	mv "$slot/fired" "$slot/failed"
	shimmed "$state" CRASH_LOG="$slot/log" || broken "run again, it fails: $(cat "$slot/err")"
	mv "$slot/failed" "$slot/fired"
	to=$("$BUILD/tests/crash/replay" list "$slot/log" | wc -l)
	for n in "$to" $(((from + to) / 2)); do
		point="$name, sync $2 failed, run again, power cut at call $n of $from to $to"
		cut_power "$slot/log" "$n" lost 0
		kept "$state"
		[ "$n" -lt "$to" ] || finished "$state"
		again "$state"
		whole "$state"
	done
}

for line in "${commands[@]}"; do
	prepare "$line"
	last=$(wc -l <"$reference/calls")
	mapfile -t all < <(points 40)
	# A sample leaves some out.
	share all lost names bytes random rest rest
	for rule in lost names bytes random; do
		declare -n mine=share_$rule
		sweep lost "$rule" "${mine[@]}" "$last"
	done
	# shellcheck disable=SC2034 # shared out
	mapfile -t all < <(points 1 sync)
	share all EIO ENOSPC again rest rest rest
	for how in EIO ENOSPC again; do
		declare -n mine=share_$how
		[ "${#mine[@]}" -gt 0 ] || continue
		case $how in
		again) sweep resumed EIO "${mine[@]}" ;;
		*) sweep unsynced "$how" "${mine[@]}" ;;
		esac
	done
done
