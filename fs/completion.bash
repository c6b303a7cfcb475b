# shellcheck shell=bash
# Completion for bash: commands, options, and the paths of the tree that the repository holds.

_thinkback_repo() {
	local i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-r | --repo) echo "${COMP_WORDS[i + 1]}" && return ;;
		esac
	done
	echo "${THINKBACK_REPO:-}"
}

# The word being completed as a path of the tree.
_thinkback_paths() {
	local repo directory name
	repo=$(_thinkback_repo)
	[ -n "$repo" ] || return
	directory=
	[[ $1 == */* ]] && directory=${1%/*}/
	while IFS= read -r name; do
		[[ $name == *.json ]] || name=$name/
		[[ $directory$name == "$1"* ]] && COMPREPLY+=("$directory$name")
	done < <(thinkback -r "$repo" ls "$directory" 2>/dev/null)
	compopt -o nospace 2>/dev/null
}

# The word being completed as DB or DB.TABLE.
_thinkback_tables() {
	local repo
	repo=$(_thinkback_repo)
	[ -n "$repo" ] || return
	mapfile -t COMPREPLY < <(compgen -W "$(thinkback -r "$repo" list 2>/dev/null |
		awk 'NR > 1 { print $2; sub(/\..*/, "", $2); print $2 }' | sort -u)" -- "$1")
}

_thinkback_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_thinkback_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_thinkback() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i
	local commands='init snapshot mount ls cat list queue worker check rebuild restore export forget gc tag'
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-r | --repo) ((i++)) ;;
		-*) ;;
		*) command=${COMP_WORDS[i]} && break ;;
		esac
	done
	case $before in
	--password-file | --tls-cert | --tls-client-cert | --tls-client-key) _thinkback_files -f "$word" && return ;;
	-r | --repo | --target) _thinkback_files -d "$word" && return ;;
	-e | --export) _thinkback_tables "$word" && return ;;
	--conflict) _thinkback_words 'replace keep newer-loses' "$word" && return ;;
	--state) _thinkback_words 'pending running done failed cancelled' "$word" && return ;;
	--keep-last | --keep-hourly | --keep-daily | --keep-weekly | --keep-monthly | --keep-yearly | \
		--keep-within | --keep-tag | --threshold) return ;;
	-o | -u | --user | --at | --max-rate | --ready-fd | --parent-fd | --into | --key | \
		--clients) return ;;
	esac
	case $command,$word in
	,-*) _thinkback_words '--repo --quiet --verbose --json --any-owner --version --help' "$word" ;;
	,*) _thinkback_words "$commands" "$word" ;;
	snapshot,-*)
		_thinkback_words "--at --export --user --password --password-file --tls-cert --tls-client-cert \
			--tls-client-key --clients --consistent --read-outdated --max-rate --json --help" "$word"
		;;
	mount,-*) _thinkback_words '--ready-fd --json --help' "$word" ;;
	worker,-*)
		_thinkback_words '--target --once --conflict --user --password --password-file --tls-cert --tls-client-cert --tls-client-key --deep
			--parent-fd --json --help' "$word"
		;;
	restore,-*)
		_thinkback_words "--at --export --into --key --dry-run --force --delete --clients \
			--no-secondary-indexes --hard-durability --permissions --user --password --password-file \
			--tls-cert --tls-client-cert --tls-client-key --json --help" "$word"
		;;
	list,-*) _thinkback_words '--record --json --help' "$word" ;;
	export,-*) _thinkback_words '--at --export --overwrite-file --json --help' "$word" ;;
	forget,-*)
		_thinkback_words "--keep-last --keep-hourly --keep-daily --keep-weekly --keep-monthly \
			--keep-yearly --keep-within --keep-tag --export --dry-run --gc --json --help" "$word"
		;;
	gc,-*) _thinkback_words '--threshold --dry-run --json --help' "$word" ;;
	check,-*) _thinkback_words '--read-data --repair --json --help' "$word" ;;
	rebuild,-*) _thinkback_words '--json --help' "$word" ;;
	queue,-*)
		_thinkback_words '--state --export --all-failed --payload --conflict --force --target
			--keep-within --dry-run --user --password-file --tls-cert --tls-client-cert --tls-client-key
			--deep --json --help' "$word"
		;;
	*,-*) _thinkback_words '--json --help' "$word" ;;
	snapshot,* | export,*) _thinkback_files -f "$word" ;;
	init,* | mount,* | restore,*) _thinkback_files -d "$word" ;;
	ls,* | cat,*) _thinkback_paths "$word" ;;
	list,* | forget,*) _thinkback_tables "$word" ;;
	tag,*)
		case $before in
		tag) _thinkback_words 'list add remove' "$word" ;;
		add | remove) _thinkback_words 'pin' "$word" ;;
		*) _thinkback_tables "$word" ;;
		esac
		;;
	queue,*)
		[ "$before" = queue ] && _thinkback_words 'list show retry cancel undo forget' "$word"
		;;
	esac
}

complete -F _thinkback thinkback
