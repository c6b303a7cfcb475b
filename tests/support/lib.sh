# shellcheck shell=bash
# What every scenario shares: a private directory, the program, assertions, cleaning up. A scenario
# sources this (or tests/mount/lib.sh) first; it ends with status 0 only when all of it holds.
#
# $work is the directory, $root the source tree, $THINKBACK the program; "expect" leaves what a
# command printed in $work/out and $work/err.
set -eEuo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${THINKBACK:=$root/build/default/thinkback}" "${BUILD:=${THINKBACK%/*}}"
data=$root/tests/data
first=$data/rethinkdb_dump_2026-11-18T03:00:00.tar.gz
second=$data/rethinkdb_dump_2026-11-19T03:00:01.tar.gz
third=$data/rethinkdb_dump_2026-11-20T03:00:01.tar.gz
# shellcheck disable=SC2034 # for the scenarios
day1=2026-11-18T03-00-00Z day2=2026-11-19T03-00-01Z day3=2026-11-20T03-00-01Z
export LC_ALL=C.UTF-8 TZ=UTC
unset THINKBACK_REPO

work=$(mktemp -d "${TMPDIR:-/tmp}/thinkback-scenario-XXXXXX")
cleanups=()

# later COMMAND...: run it when the scenario ends, newest first; its failure does not matter.
later() {
	cleanups+=("$(printf '%q ' "$@")")
}

# shellcheck disable=SC2317 # called by the trap
finish() {
	local status=$? i
	trap - EXIT ERR
	set +eE
	if [ "$status" -ne 0 ]; then
		for i in "$work"/*.log; do
			[ -s "$i" ] && echo "--- ${i##*/}" && tail -n 40 "$i"
		done
	fi
	for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
		eval "${cleanups[i]}" >/dev/null 2>&1
	done
	chmod -R u+rwX "$work" 2>/dev/null
	rm -rf --one-file-system "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
trap 'echo "${BASH_SOURCE[0]##*/}: line $LINENO: \"$BASH_COMMAND\" failed" >&2' ERR

fail() {
	echo "${0##*/}: line ${BASH_LINENO[0]}: $*" >&2
	exit 1
}

# expect STATUS COMMAND...: it exits with that status; what it prints goes to out and err.
expect() {
	local want=$1 got=0
	shift
	"$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
	[ "$got" -eq "$want" ] && return 0
	echo "${0##*/}: line ${BASH_LINENO[0]}: exit $got instead of $want: $*" >&2
	head -n 20 "$work/out" "$work/err" >&2
	exit 1
}

# says FILE PATTERN: a line of $work/FILE matches the extended regular expression.
says() {
	grep -qE -- "$2" "$work/$1" && return 0
	echo "${0##*/}: line ${BASH_LINENO[0]}: no \"$2\" in $1:" >&2
	head -n 40 "$work/$1" >&2
	exit 1
}

# silent FILE: $work/FILE is empty.
silent() {
	[ ! -s "$work/$1" ] && return 0
	echo "${0##*/}: line ${BASH_LINENO[0]}: $1 should be empty:" >&2
	head -n 20 "$work/$1" >&2
	exit 1
}

# complaint PATTERN: $work/err is exactly one line of the program's, and it matches.
complaint() {
	if [ "$(wc -l <"$work/err")" -ne 1 ] || ! grep -q '^thinkback: ' "$work/err" ||
		! grep -qE -- "$1" "$work/err"; then
		echo "${0##*/}: line ${BASH_LINENO[0]}: wanted one line with \"$1\" on stderr, got:" >&2
		head -n 20 "$work/err" >&2
		exit 1
	fi
}

# equal WANT GOT WHAT: two texts are the same.
equal() {
	[ "$1" = "$2" ] && return 0
	echo "${0##*/}: line ${BASH_LINENO[0]}: $3: \"$2\" instead of \"$1\"" >&2
	exit 1
}

# same FILE FILE: two files hold the same bytes.
same() {
	cmp -- "$1" "$2" && return 0
	echo "${0##*/}: line ${BASH_LINENO[0]}: $1 and $2 differ:" >&2
	diff -- "$1" "$2" | head -n 20 >&2
	exit 1
}

# entries DIRECTORY: all names in it, sorted, in one line.
entries() {
	find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -sd ' '
}

# processes PATH: the command lines of all that have it in theirs.
processes() {
	# shellcheck disable=SC2062 # the pattern comes on stdin
	grep -slaF --file=- /proc/[0-9]*/cmdline <<<"$1" | while read -r file; do
		tr '\0' ' ' <"$file" 2>/dev/null && echo
	done || true
}

# no_process PATH: there is none.
no_process() {
	[ -z "$(processes "$1")" ]
}

# soon SECONDS COMMAND...: it succeeds within so many seconds, tried every 50 ms.
soon() {
	local end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	until "$@"; do
		[ "$(date +%s%N)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# oracle ARGUMENTS...: what a second implementation in Python says of archives and names.
oracle() {
	python3 "$root/tests/support/oracle.py" "$@"
}

# tb ARGUMENTS...: the program on the scenario's repository.
repo=$work/repo
tb() {
	"$THINKBACK" -r "$repo" "$@"
}

# repository [ARCHIVE...]: make it and take these archives (default: all three).
repository() {
	[ $# -gt 0 ] || set -- "$first" "$second" "$third"
	expect 0 "$THINKBACK" init "$repo"
	expect 0 tb snapshot "$@"
}

# state FILE: write down all that the repository holds, to compare before and after; it is sound.
state() {
	tb --json list | jq -c 'del(.verified)' >"$work/$1"
	tb check --read-data >>"$work/$1" 2>&1 || fail "check: $(tail -n 3 "$work/$1")"
	(cd "$repo/packs" && find . -type f -exec sha256sum {} + | sort) >>"$work/$1"
}
