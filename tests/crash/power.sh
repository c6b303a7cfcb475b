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

# failing EIO N: run the command, whose call N fails; what it and others change goes to $slot/log.
failing() {
	fresh
	rm -f "$slot/log"
	shimmed "$state" CRASH_LOG="$slot/log" CRASH_HOW="$1" CRASH_AT="$2" || true
}

# calls: how many are in that log.
calls() {
	"$BUILD/tests/crash/replay" list "$slot/log" | wc -l
}

# lost_at N: the state when the power is cut at call N of that log.
lost_at() {
	point="$name, sync $failed failed, power cut at call $1"
	cut_power "$slot/log" "$1" lost 0
	kept "$state"
}

# unsynced EIO N: call N, a sync, fails; the power does so at the end of the command, and before.
unsynced() {
	local end n failed=$2
	# SQLite does not look whether the directory could be synced that its log is new in. When the log
	# is lost with its name, packs are left that nobody knows.
	local strays=
	[ "$(sed -n "$2p" "$reference/calls")" != "$2 sync repo" ] || strays=1
	failing "$@"
	end=$(calls)
	for n in "$end" $((($2 + end) / 2)); do
		lost_at "$n"
		again "$state"
		whole "$state"
	done
}

# resumed EIO N: call N, a sync, fails, and the power does so while the command is run again, or behind.
resumed() {
	local start end n failed=$2
	failing "$@"
	mv "$slot/fired" "$slot/hit"
	# Nor is what was lost brought to disk by this.
	env LD_PRELOAD="$shim" CRASH_BELOW="$state" CRASH_LOG="$slot/log" \
		sqlite3 -cmd '.dbconfig no_ckpt_on_close on' "$state/repo/queue.db" "$at_once" >"$slot/sqlite3"
	start=$(calls)
	shimmed "$state" CRASH_LOG="$slot/log" || broken "run again, it fails: $(cat "$slot/err")"
	end=$(calls)
	mv "$slot/hit" "$slot/fired"
	for n in "$end" $(((start + end) / 2)); do
		lost_at "$n"
		[ "$n" -lt "$end" ] || finished "$state"
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
	share all EIO ENOSPC rest
	for how in EIO ENOSPC; do
		declare -n mine=share_$how
		[ "${#mine[@]}" -eq 0 ] || sweep unsynced "$how" "${mine[@]}"
	done
	share all again rest rest rest rest rest
	declare -n mine=share_again
	[ "${#mine[@]}" -eq 0 ] || sweep resumed EIO "${mine[@]}"
done
