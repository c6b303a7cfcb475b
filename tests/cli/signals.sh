#!/bin/bash
# A signal ends a worker, unless it was started to go on without its terminal.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$third"

# works PID: the worker of that number is at work.
works() {
	grep -qs '^NoNewPrivs:[[:space:]]*1' "/proc/$1/status"
}
gone() {
	! kill -0 "$1" 2>/dev/null
}
# worker COMMAND...: start a worker by that command, in the background, as ${pid}.
worker() {
	"$@" "$THINKBACK" -r "$repo" worker --target "$work/target" >>"$work/worker.log" 2>&1 </dev/null &
	pid=$!
	soon 20 works "$pid" || fail 'no worker'
}
# A signal ends it, and that is no failure.
for signal in INT TERM HUP; do
	worker env --default-signal=INT,TERM,HUP
	kill -"$signal" "$pid"
	wait "$pid" || fail "status $? after SIG$signal"
done
# What was ignored when it was started does not: nohup, and the "&" of a shell without job control.
worker nohup
kill -HUP "$pid"
kill -INT "$pid"
! soon 1 gone "$pid" || fail 'nohup does not keep a worker'
kill -TERM "$pid"
wait "$pid" || fail "status $? after SIGTERM"
worker env --ignore-signal=TERM
kill -TERM "$pid"
! soon 1 gone "$pid" || fail 'an ignored SIGTERM ends a worker'
kill -HUP "$pid"
wait "$pid" || fail "status $? after SIGHUP"
