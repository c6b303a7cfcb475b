#!/bin/bash
# The shell completions know every command and option of the help texts.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"

"$THINKBACK" --help | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p' >"$work/commands"
# complete WORD...: what bash offers for the last word.
complete_bash() {
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _thinkback; printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$root/fs/completion.bash" thinkback "$@" | sed 's/ *$//' | sort -u
}
complete_bash '' | grep -vE '^-' >"$work/got"
sort "$work/commands" >"$work/want"
same "$work/want" "$work/got"
while read -r command; do
	mapfile -t options < <("$THINKBACK" "$command" --help | sed -nE 's/^ {2,8}(-[a-z], )?(--[a-z-]+).*/\2/p')
	complete_bash "$command" -- >"$work/got"
	for option in "${options[@]}"; do
		grep -qx -e "$option" "$work/got" || fail "bash: $command $option"
		grep -q -e "${option#--}" "$root/fs/completion.zsh" || fail "zsh: $command $option"
		grep -q -e "-l ${option#--}" "$root/fs/completion.fish" || fail "fish: $command $option"
	done
	grep -qw "$command" "$root/fs/completion.zsh" || fail "zsh: $command"
	grep -qw "$command" "$root/fs/completion.fish" || fail "fish: $command"
done <"$work/commands"
equal snapshot "$(complete_bash snap)" 'snap'
equal '--json' "$(complete_bash --js)" 'a global option'

# Paths of the tree are completed from the repository.
repository "$third"
mkdir "$work/bin"
ln -s "$THINKBACK" "$work/bin/thinkback"
export THINKBACK_REPO=$repo PATH=$work/bin:$PATH
equal 'shop/ telemetry/' "$(complete_bash ls '' | grep -v '^-' | xargs)" 'databases'
equal 'shop/orders/' "$(complete_bash ls shop/or)" 'a table'
equal 'shop/coupons/shard-00/latest/WELCOME10.json' \
	"$(complete_bash cat shop/coupons/shard-00/latest/WEL)" 'a document'
equal 'shop.orders' "$(complete_bash list shop.o)" 'a table for list'
