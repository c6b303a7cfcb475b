#!/bin/bash
# The demo shows what it promises, leaves nothing behind, and stops as cleanly when it is interrupted.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir "$work/tmp"
demo() {
	TMPDIR=$work/tmp THINKBACK=$THINKBACK "$root/tests/demo"
}
left() {
	grep -F "$work/tmp" /proc/self/mounts || true
	ls -A "$work/tmp"
	grep -slaF "$work/tmp" /proc/[0-9]*/environ || true
}
clean() {
	[ -z "$(left)" ]
}

expect 0 demo
silent err
for line in '^\$ thinkback init$' '^\$ thinkback snapshot archives/\*\.tar\.gz$' '^shop$' '^telemetry$' \
	'^shard-00$' "^$day3$" '^SKU-0001\.json$' '"id":"SKU-0001".*"price":251\.73' '"id":"SKU-0001".*"price":0,' \
	'^the same$' 'done' 'no problems'; do
	says out "$line"
done
# Each command that is shown has something to show, but for those that are silent when all is well.
awk '/^\$ / { if (command != "" && !said && command !~ /^\$ (export|thinkback (init|mount)|cp|fusermount3) /) print command
	command = $0; said = 0; next } NF { said = 1 }' "$work/out" >"$work/mute"
silent mute
soon 20 clean || fail "left behind: $(left)"

# Interrupted at the terminal while it is mounted, and while it takes snapshots.
for moment in mnt backups; do
	for signal in INT TERM; do
		env --default-signal=INT TMPDIR="$work/tmp" THINKBACK="$THINKBACK" setsid "$root/tests/demo" >"$work/out" 2>&1 &
		pid=$!
		# shellcheck disable=SC2016 # for the inner shell
		soon 20 bash -c 'if [ "$1" = mnt ]; then grep -q " $2/thinkback-demo-[^ ]*/mnt " /proc/self/mounts
			else ls -d "$2"/thinkback-demo-*/backups; fi >/dev/null 2>&1' bash "$moment" "$work/tmp" || fail 'no demo'
		kill -"$signal" -- -"$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" -ne 0 ] || fail "status 0 after SIG$signal"
		soon 20 clean || fail "left behind after SIG$signal: $(left)"
	done
done

# A mount that is busy, as somebody looks at it, and again when the demo clears up.
mkdir "$work/shim"
cat >"$work/shim/fusermount3" <<-END
	#!/bin/sh
	for n in 1 2; do
		if [ ! -e "$work/shim/tried\$n" ]; then
			touch "$work/shim/tried\$n"
			exit 1
		fi
	done
	exec "$(command -v fusermount3)" "\$@"
END
chmod +x "$work/shim/fusermount3"
expect 1 env TMPDIR="$work/tmp" THINKBACK="$THINKBACK" PATH="$work/shim:$PATH" "$root/tests/demo"
[ -e "$work/shim/tried2" ] || fail 'the mount was never busy'
soon 20 clean || fail "left behind by a busy mount: $(left)"

# A demo that cannot do its job says so.
expect 1 env TMPDIR="$work/tmp" THINKBACK=/bin/false "$root/tests/demo"
says err 'the demo failed'
soon 20 clean || fail "left behind: $(left)"
