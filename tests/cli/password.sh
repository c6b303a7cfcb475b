#!/bin/bash
# A command that asks for a password and is interrupted leaves the terminal as it was; one that
# stands in an address is refused, and not shown.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$third"

# asked SIGNAL COMMAND...: it asks on a terminal that does not show the answer, and is interrupted: by
# the key when SIGNAL is KEY, else by that signal. What it prints goes to out.
asked() {
	env --default-signal=INT python3 - "$@" >"$work/out" <<'P'
import fcntl, os, signal, subprocess, sys, termios, time
how, command = sys.argv[1], sys.argv[2:]
master, slave = os.openpty()
def terminal():
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
def until(what):
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "too late"
        time.sleep(0.01)
def flags():
    return termios.tcgetattr(slave)
before = flags()
p = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                     start_new_session=True, preexec_fn=terminal)
until(lambda: not flags()[3] & termios.ECHO or p.poll() is not None)
assert b"Password: " in os.read(master, 1000)
os.write(master, b"sec\x1c\x1aret")  # these keys do not end or stop it
time.sleep(0.1)
assert p.poll() is None, "ended by a key"
if how == "KEY":
    os.write(master, b"\x03")
else:
    os.kill(p.pid, signal.Signals["SIG" + how])
said = p.communicate(timeout=20)[0]
assert flags() == before, "the terminal is left as it was for the password"
os.set_blocking(master, False)
assert b"sec" not in os.read(master, 1000), "the terminal has shown the password"
sys.stdout.buffer.write(said)
sys.exit(p.returncode)
P
}
for signal in KEY INT TERM HUP; do
	for command in snapshot restore 'worker --once --target'; do
		# shellcheck disable=SC2086 # words
		set -- "$THINKBACK" -r "$repo" $command
		status=0
		asked "$signal" "$1" "$2" "$3" "$4" -p "${@:5}" rethinkdb://127.0.0.1:1 || status=$?
		equal 1 "$status" "status of $command, $signal"
		equal 'thinkback: interrupted before a password was given' "$(cat "$work/out")" "$command, $signal"
	done
done

# refused COMMAND...: with an address that has a password, and with one that is none.
refused() {
	local address
	for address in rethinkdb://admin:secret@h http://admin:secret@h rethinkdb://admin%3Asecret@h; do
		expect 1 tb "$@" "$address"
		complaint ''
		! grep secret "$work/err" "$work/out" || fail 'the password is shown'
	done
}
refused snapshot
refused snapshot --at 2026-11-30
refused restore
refused worker --once --target
expect 1 tb snapshot --at 2026-11-30 rethinkdb://me@h
complaint 'h:28015: --at is for archives'
