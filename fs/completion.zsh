#compdef thinkback
# Completion for zsh: commands, options, and the paths of the tree that the repository holds.

_thinkback_repo() {
	local i=${words[(I)(-r|--repo)]}
	if (( i )); then
		print -r -- "${words[i+1]}"
	else
		print -r -- "$THINKBACK_REPO"
	fi
}

_thinkback_paths() {
	local directory name
	local -a names
	[[ $PREFIX == */* ]] && directory=${PREFIX%/*}/
	for name in ${(f)"$(thinkback -r "$(_thinkback_repo)" ls "$directory" 2>/dev/null)"}; do
		[[ $name == *.json ]] && names+=("$directory$name") || names+=("$directory$name/")
	done
	compadd -S '' -a names
}

_thinkback_tables() {
	local -a tables
	tables=(${(f)"$(thinkback -r "$(_thinkback_repo)" list 2>/dev/null |
		awk 'NR > 1 { print $2; sub(/\..*/, "", $2); print $2 }' | sort -u)"})
	compadd -a tables
}

_thinkback() {
	local curcontext=$curcontext state line
	local -a commands
	commands=(
		'init:create a repository'
		'snapshot:take snapshots'
		'mount:serve the tree'
		'ls:list a directory of the tree'
		'cat:print files of the tree'
		'list:list snapshots'
		'queue:look at the restore queue'
		'worker:carry out restores'
		'check:verify the repository'
		'rebuild:make the catalogue again from the packs'
		'restore:put whole snapshots back into a server or a directory'
		'export:write an archive that rethinkdb restore reads'
		'forget:hide snapshots that are no longer kept'
		'gc:free the space of forgotten snapshots'
		'tag:tag snapshots, or pin them'
	)
	_arguments -C \
		'(-r --repo)'{-r,--repo}'[repository]:repository:_directories' \
		'(-q --quiet)'{-q,--quiet}'[only errors]' \
		'(-v --verbose)'{-v,--verbose}'[more detail]' \
		'--json[output for programs]' \
		'--any-owner[use a repository that others can change]' \
		'--version[show the version]' \
		'(-h --help)'{-h,--help}'[show help]' \
		'1:command:->command' \
		'*::argument:->argument'
	case $state in
	command) _describe command commands ;;
	argument)
		case $words[1] in
		init) _arguments '--json' '--help' '1:repository:_directories' ;;
		snapshot)
			_arguments '--json' '--help' '--at=[date of the snapshots]:date:' \
				'*'{-e,--export}'[take this alone]:database or table:_thinkback_tables' \
				{-u,--user}'[log in to servers as]:user:' \
				{-p,--password}'[ask for the password]' \
				'--password-file=[read the password from]:file:_files' \
				'--tls-cert=[use TLS and trust]:file of certificates:_files' \
				'--tls-client-cert=[client certificate]:file:_files' '--tls-client-key=[its key]:file:_files' \
				'--clients=[connections to a server]:number:' \
				'--consistent[take tables as they are at one moment]' \
				'--read-outdated[let any replica answer]' \
				'--max-rate=[read no more than]:documents a second:' \
				'*:source:_files'
			;;
		mount)
			_arguments '--json' '--help' '-f[stay in the foreground]' '-o[mount options]:options:' \
				'--ready-fd=[tell when it answers]:file descriptor:' '1:mountpoint:_directories'
			;;
		ls) _arguments '--json' '--help' '-l[with attributes]' '-a[with hidden names]' '*:path:_thinkback_paths' ;;
		cat) _arguments '--json' '--help' '*:path:_thinkback_paths' ;;
		list) _arguments '--json' '--help' '--record[what a server had besides its tables]' '1:database or table:_thinkback_tables' ;;
		queue)
			_arguments '--json' '--help' '--all-failed[retry all that can succeed]' \
				'--payload[print what was copied in]' \
				'*--state=[in this state]:state:(pending running done failed cancelled)' \
				{-e,--export}'[of this alone]:database or table:_thinkback_tables' \
				'--keep-within=[forget what is older]:duration:' \
				'(-n --dry-run)'{-n,--dry-run}'[tell what would be forgotten]' \
				'--conflict=[for documents that are there]:policy:(replace keep newer-loses)' \
				'--force[undo what was changed since]' '--target=[undo on this server]:server:' \
				{-u,--user}'[log in to servers as]:user:' \
				'--password-file=[read the password from]:file:_files' \
				'--tls-cert=[use TLS and trust]:file of certificates:_files' \
				'--tls-client-cert=[client certificate]:file:_files' '--tls-client-key=[its key]:file:_files' \
				'--deep[write deeply nested documents]' \
				'1:action:(list show retry cancel undo forget)' '*:number:'
			;;
		worker)
			_arguments '--json' '--help' '--once[end when there is nothing left]' \
				'--target=[where restores go]:directory or server:_directories' \
				'--conflict=[for documents that are there]:policy:(replace keep newer-loses)' \
				{-u,--user}'[log in to servers as]:user:' \
				{-p,--password}'[ask for the password]' '--password-file=[read the password from]:file:_files' \
				'--tls-cert=[use TLS and trust]:file of certificates:_files' \
				'--tls-client-cert=[client certificate]:file:_files' '--tls-client-key=[its key]:file:_files' \
				'--deep[write deeply nested documents]' \
				'--parent-fd=[end with it]:file descriptor:'
			;;
		restore)
			_arguments '--json' '--help' '--at=[not newer than]:date:' \
				'*'{-e,--export}'[this alone]:database or table:_thinkback_tables' \
				'--into=[under this name]:database or table:' '--key=[this document alone]:key:' \
				'(-n --dry-run)'{-n,--dry-run}'[change nothing]' \
				'--force[write into tables that exist]' \
				'--delete[delete what the snapshot has not]' '--clients=[connections]:number:' \
				'--no-secondary-indexes[make no indexes]' '--hard-durability[each write is on disk]' \
				'--permissions[grant those that are saved]' \
				'(-u --user)'{-u,--user}'[log in as]:user:' '(-p --password)'{-p,--password}'[ask for it]' \
				'--password-file=[read it from]:file:_files' '--tls-cert=[use TLS]:file:_files' \
				'--tls-client-cert=[client certificate]:file:_files' '--tls-client-key=[its key]:file:_files' \
				'1:target:_directories'
			;;
		export)
			_arguments '--json' '--help' '--at=[not newer than]:date:' \
				'*'{-e,--export}'[this alone]:database or table:_thinkback_tables' \
				'--overwrite-file[replace it]' '1:file:_files'
			;;
		check) _arguments '--json' '--help' '--read-data[read every byte]' '--repair[write damaged packs again]' ;;
		rebuild) _arguments '--json' '--help' ;;
		forget)
			_arguments '--json' '--help' '--keep-last=[the newest]:number:' \
				'--keep-hourly=[of hours]:number:' '--keep-daily=[of days]:number:' \
				'--keep-weekly=[of weeks]:number:' '--keep-monthly=[of months]:number:' \
				'--keep-yearly=[of years]:number:' '--keep-within=[as far back as]:duration:' \
				'*--keep-tag=[those with this tag]:tag:' \
				'*'{-e,--export}'[this alone]:database or table:_thinkback_tables' \
				'(-n --dry-run)'{-n,--dry-run}'[change nothing]' '--gc[then free the space]' \
				'1:database or table:_thinkback_tables' '*:date:'
			;;
		gc)
			_arguments '--json' '--help' '(-n --dry-run)'{-n,--dry-run}'[change nothing]' \
				'--threshold=[when so much is dead]:percent:'
			;;
		tag)
			_arguments '--json' '--help' '1:action:(list add remove)' '2:tag:(pin)' \
				'3:database or table:_thinkback_tables' '*:date:'
			;;
		esac
		;;
	esac
}

_thinkback "$@"
