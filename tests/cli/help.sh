#!/bin/bash
# Every command explains itself, within 80 columns, and says what is wrong with a command line in one
# place and one way; the manual knows every command and option.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
manual=$root/man/thinkback.1

narrow() {
	! awk 'length($0) > 80 { print; bad = 1 } END { exit !bad }' "$work/out" || fail "over 80 columns"
}

expect 0 "$THINKBACK" --help
silent err
narrow
mapfile -t commands < <(sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p' "$work/out")
equal 'init snapshot mount ls cat list queue worker check rebuild restore export forget gc tag' "${commands[*]}" 'commands'
cp "$work/out" "$work/help-global"
expect 0 "$THINKBACK" -h
same "$work/help-global" "$work/out"
expect 0 "$THINKBACK" --version
equal "thinkback $(sed -n 's/^VERSION = //p' "$root/Makefile")" "$(cat "$work/out")" 'version'

# option_in_manual FILE: each option that the help shows is an option of the manual.
option_in_manual() {
	local option
	while read -r option; do
		grep -qE -- "^\.(It )?Fl .*\b${option#-}\b|Fl ${option#-}\b" "$manual" ||
			fail "the manual does not tell of $option of ${1##*/}"
	done < <(sed -nE 's/^ {2,8}(-{1,2}[A-Za-z][a-z-]*(, -{1,2}[a-z-]+)?).*/\1/p' "$1" | tr ',' '\n' |
		sed 's/^ *-//' | sort -u)
}
option_in_manual "$work/help-global"

for command in "${commands[@]}"; do
	expect 0 "$THINKBACK" "$command" --help
	silent err
	narrow
	says out "^usage: thinkback $command"
	[ "$(wc -l <"$work/out")" -ge 4 ] || fail "$command --help says too little"
	cp "$work/out" "$work/help-$command"
	expect 0 "$THINKBACK" "$command" -h
	same "$work/help-$command" "$work/out"
	grep -qE "^\.It Cm $command\b|^\.Cm $command\b" "$manual" ||
		fail "the manual does not tell of $command"
	option_in_manual "$work/help-$command"

	expect 2 "$THINKBACK" -r "$work/none" "$command" --no-such-option
	silent out
	says err 'no-such-option|takes no options'
	says err "^usage: thinkback $command"
	[ "$(wc -l <"$work/err")" -le 3 ] || fail "too many lines for a wrong option of $command"
done

expect 2 "$THINKBACK"
silent out
says err '^usage: thinkback'
expect 2 "$THINKBACK" no-such-command
silent out
complaint 'no-such-command'
expect 2 "$THINKBACK" --no-such-option list
silent out
says err 'no-such-option'
expect 2 "$THINKBACK" -r
silent out
for command in list check snapshot mount ls; do
	expect 2 "$THINKBACK" "$command" "$third"
	says err 'repository|argument'
done

# Output that cannot be written is an error, not a truth cut short.
for command in --help --version 'list --help'; do
	# shellcheck disable=SC2086 # words
	if "$THINKBACK" $command >/dev/full 2>"$work/err"; then
		fail "$command to a full device exits 0"
	fi
	complaint 'standard output'
done
