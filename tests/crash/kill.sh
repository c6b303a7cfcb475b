#!/bin/bash
# Each command is killed at each of its calls that change a file, before it and half-way through it.
# Whatever it had done by then, what was there before is there, whole, and the same command run again
# comes to the end that it would have come to.
# Promises: 2, 3.
# shellcheck source=tests/crash/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# killed HOW N
killed() {
	local status=0
	fresh
	shimmed "$state" CRASH_HOW="$1" CRASH_AT="$2" || status=$?
	if [ ! -s "$slot/fired" ]; then
		[ "$status" -eq 0 ] || broken "status $status"
		finished "$state"
		return
	fi
	[ "$status" -eq 137 ] || broken "status $status"
	# Sometimes a reader is the first to find what was left, sometimes the next writer.
	if [ $(($2 % 2)) -eq 0 ]; then
		whole "$state"
		kept "$state"
		again "$state"
	else
		kept "$state"
		again "$state"
		whole "$state"
	fi
}

for line in "${commands[@]}"; do
	prepare "$line"
	mapfile -t all < <(points 40)
	sweep killed kill "${all[@]}"
	mapfile -t all < <(points 80 write)
	sweep killed torn "${all[@]}"
done
