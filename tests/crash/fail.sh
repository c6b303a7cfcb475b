#!/bin/bash
# Each call of each command that changes a file fails: the disk is full, it is broken, a signal comes.
# The command says so in one line and fails, or was not hurt and did all; nothing is lost, and when
# all is well again the same command comes to its end. A call that does half of what it was asked for
# hurts nobody.
# Promises: 2, 3.
# shellcheck source=tests/crash/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# said STATUS: why the command failed, in one line; a worker has one for each restore.
said() {
	[ "$1" -eq 1 ] || [ "$1" -eq 3 ] || broken "status $1"
	! grep -vE '^(thinkback: |restored )' "$slot/err" >&2 || broken 'other words on stderr'
	[ "$(grep -cv ' is lost from ' "$slot/err")" -eq 1 ] || [ "$name" = worker ] || broken 'not one line on stderr'
	[ -s "$slot/err" ] || broken 'failed without a word'
}

# failed HOW N, with HOW "ENOSPC+" when all calls behind it fail too.
failed() {
	local status=0 how=${1%+}
	fresh
	shimmed "$state" CRASH_HOW="$how" CRASH_AT="$2" "CRASH_LASTING=${1//[!+]/}" || status=$?
	# The snapshot is taken, and only what older ones have lost is left to the next command.
	if [ "$status" -eq 0 ] && grep -q 'could not be put back' "$slot/err"; then
		kept "$state"
		whole "$state"
		again "$state"
		return
	fi
	if [ "$status" -eq 0 ]; then
		# That a pack is not known to be on disk cannot be passed over.
		[ ! -s "$slot/fired" ] || [ "$how" = short ] ||
			! grep -q ' sync repo/packs' "$slot/fired" || broken 'success after a failed sync of a pack'
		finished "$state"
		whole "$state"
		return
	fi
	[ -s "$slot/fired" ] || broken "status $status undisturbed"
	[ "$how" != short ] || broken "status $status after a short write"
	said "$status"
	kept "$state"
	whole "$state"
	# A forget is committed before the ledger is written, a repair before its packs take their place.
	if [ "$name" != forget ] && [ "$name" != repair ] && grep -q ' sync repo/packs' "$slot/fired"; then
		snapshots "$state" | cmp - "$reference/before" || broken 'committed after a failed sync of a pack'
	fi
	again "$state"
}

for line in "${commands[@]}"; do
	prepare "$line"
	mapfile -t all < <(points 30)
	# A sample leaves some out.
	share all ENOSPC EIO ENOSPC_on EIO_on EINTR rest rest
	for how in ENOSPC EIO ENOSPC_on EIO_on EINTR; do
		declare -n mine=share_$how
		sweep failed "${how/_on/+}" "${mine[@]}"
	done
	mapfile -t all < <(points 60 write)
	sweep failed short "${all[@]}"
done
