# shellcheck shell=bash
# What mount scenarios share on top of tests/support/lib.sh: a mount that is watched and taken down.
# The daemon runs in the foreground, as a child of the scenario, with its output in mount.log; at
# the end it must have exited with status 0 and said nothing alarming.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"

mnt=$work/mnt
daemon=
probe() {
	"$BUILD/tests/mount/probe" "$@"
}

# is_mounted: $mnt is in the kernel's list, whether it answers or not.
is_mounted() {
	awk -v dir="$mnt" '$5 == dir { found = 1 } END { exit !found }' /proc/self/mountinfo
}

mount_settled() {
	is_mounted || ! kill -0 "$daemon" 2>/dev/null
}

# unmount: as root and as an ordinary user.
unmount() {
	fusermount3 -u "$mnt"
}

# shellcheck disable=SC2317 # called when the scenario ends
drop_mount() {
	[ -z "$daemon" ] || kill -KILL "$daemon"
	fusermount3 -u -z "$mnt"
}
later drop_mount

# mount_start [OPTION...]: mount the repository on $mnt and wait until it answers.
mount_start() {
	mkdir -p "$mnt"
	# A shell lets what it starts in the background ignore an interrupt; a terminal does not.
	env --default-signal=INT "$THINKBACK" -r "$repo" mount -f "$@" "$mnt" >>"$work/mount.log" 2>&1 </dev/null &
	daemon=$!
	soon 30 mount_settled || fail "not mounted after 30 seconds"
	is_mounted || fail "the mount ended instead of mounting"
}

# mount_stop: unmount; the daemon ends by itself, with status 0.
mount_stop() {
	local status=0
	unmount
	wait "$daemon" || status=$?
	[ "$status" -eq 0 ] || fail "the mount ended with status $status"
	daemon=
	if grep -nE 'Sanitizer|runtime error|[Aa]ssert|SQLITE_|BUG' "$work/mount.log"; then
		fail "alarming words in the mount's output"
	fi
}

# workers: the numbers of the confined processes that work on the repository; each has another beside
# it that keeps the databases open.
workers() {
	local pid found=1
	for pid in $(pgrep -f -- "-r $repo worker"); do
		grep -qs '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" && echo "$pid" && found=0
	done
	return "$found"
}
