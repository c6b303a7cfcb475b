# Completion for fish: commands, options, and the paths of the tree that the repository holds.

function __thinkback_repo
    set -l words (commandline -opc)
    for i in (seq (count $words))
        if contains -- $words[$i] -r --repo
            echo $words[(math $i + 1)]
            return
        end
    end
    echo $THINKBACK_REPO
end

function __thinkback_paths
    set -l directory (string match -r '.*/' -- (commandline -ct))
    for name in (thinkback -r (__thinkback_repo) ls $directory 2>/dev/null)
        string match -q '*.json' -- $name; and echo $directory$name; or echo $directory$name/
    end
end

function __thinkback_tables
    thinkback -r (__thinkback_repo) list 2>/dev/null |
        awk 'NR > 1 { print $2; sub(/\..*/, "", $2); print $2 }' | sort -u
end

complete -c thinkback -f
complete -c thinkback -s r -l repo -r -a '(__fish_complete_directories)' -d 'repository'
complete -c thinkback -s q -l quiet -d 'only errors'
complete -c thinkback -s v -l verbose -d 'more detail'
complete -c thinkback -l any-owner -d 'use a repository that others can change'
complete -c thinkback -l json -d 'output for programs'
complete -c thinkback -l version -d 'show the version'
complete -c thinkback -s h -l help -d 'show help'
complete -c thinkback -n __fish_use_subcommand -a init -d 'create a repository'
complete -c thinkback -n __fish_use_subcommand -a snapshot -d 'take snapshots'
complete -c thinkback -n __fish_use_subcommand -a mount -d 'serve the tree'
complete -c thinkback -n __fish_use_subcommand -a ls -d 'list a directory of the tree'
complete -c thinkback -n __fish_use_subcommand -a cat -d 'print files of the tree'
complete -c thinkback -n __fish_use_subcommand -a list -d 'list snapshots'
complete -c thinkback -n __fish_use_subcommand -a queue -d 'look at the restore queue'
complete -c thinkback -n __fish_use_subcommand -a worker -d 'carry out restores'
complete -c thinkback -n __fish_use_subcommand -a check -d 'verify the repository'
complete -c thinkback -n __fish_use_subcommand -a rebuild -d 'make the catalogue again from the packs'
complete -c thinkback -n __fish_use_subcommand -a restore -d 'put whole snapshots back'
complete -c thinkback -n __fish_use_subcommand -a export -d 'write an archive'
complete -c thinkback -n __fish_use_subcommand -a forget -d 'hide snapshots'
complete -c thinkback -n __fish_use_subcommand -a gc -d 'free the space of forgotten snapshots'
complete -c thinkback -n __fish_use_subcommand -a tag -d 'tag snapshots, or pin them'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -F -l at -x -d 'date of the snapshots'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -s e -l export -x \
    -a '(__thinkback_tables)' -d 'take this alone'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -s u -l user -x -d 'log in to servers as'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -s p -l password -d 'ask for the password'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -l password-file -r -d 'read the password from'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -l tls-cert -r -d 'use TLS, and trust these certificates'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -l clients -x -d 'connections to a server'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -l consistent -d 'tables as they are at one moment'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -l read-outdated -d 'let any replica answer'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot' -l max-rate -x -d 'documents a second'
complete -c thinkback -n '__fish_seen_subcommand_from mount' -s f -d 'stay in the foreground'
complete -c thinkback -n '__fish_seen_subcommand_from mount' -s o -x -d 'mount options'
complete -c thinkback -n '__fish_seen_subcommand_from worker' -l target -r \
    -a '(__fish_complete_directories)' -d 'where restores go'
complete -c thinkback -n '__fish_seen_subcommand_from init mount' -a '(__fish_complete_directories)'
complete -c thinkback -n '__fish_seen_subcommand_from ls cat' -a '(__thinkback_paths)'
complete -c thinkback -n '__fish_seen_subcommand_from list' -a '(__thinkback_tables)'
complete -c thinkback -n '__fish_seen_subcommand_from list' -l record -d 'what a server had besides its tables'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -a 'list show retry cancel undo forget'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -l state -x \
    -a 'pending running done failed cancelled' -d 'in this state'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -s e -l export -x \
    -a '(__thinkback_tables)' -d 'of this alone'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -l all-failed -d 'all that can succeed'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -l keep-within -x -d 'forget what is older'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -s n -l dry-run -d 'tell what would be forgotten'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -l payload -d 'what was copied in'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -l force -d 'undo what was changed since'
complete -c thinkback -n '__fish_seen_subcommand_from queue' -l target -x -d 'undo on this server'
complete -c thinkback -n '__fish_seen_subcommand_from queue worker' -l conflict -x \
    -a 'replace keep newer-loses' -d 'for documents that are there'
complete -c thinkback -n '__fish_seen_subcommand_from queue worker' -s u -l user -x -d 'log in to servers as'
complete -c thinkback -n '__fish_seen_subcommand_from queue worker' -l password-file -r -d 'read the password from'
complete -c thinkback -n '__fish_seen_subcommand_from queue worker' -l tls-cert -r -d 'use TLS, and trust these certificates'
complete -c thinkback -n '__fish_seen_subcommand_from queue worker' -l deep -d 'write deeply nested documents'
complete -c thinkback -n '__fish_seen_subcommand_from mount' -l ready-fd -x -d 'tell when it answers'
complete -c thinkback -n '__fish_seen_subcommand_from ls' -s l -d 'with attributes'
complete -c thinkback -n '__fish_seen_subcommand_from ls' -s a -d 'with hidden names'
complete -c thinkback -n '__fish_seen_subcommand_from worker' -l parent-fd -x -d 'end with it'
complete -c thinkback -n '__fish_seen_subcommand_from worker' -l once -d 'end when nothing is left'
complete -c thinkback -n '__fish_seen_subcommand_from check' -l read-data -d 'read every byte'
complete -c thinkback -n '__fish_seen_subcommand_from check' -l repair -d 'write damaged packs again'
complete -c thinkback -n '__fish_seen_subcommand_from restore export' -l at -x -d 'not newer than'
complete -c thinkback -n '__fish_seen_subcommand_from restore export' -s e -l export -x \
    -a '(__thinkback_tables)' -d 'this alone'
complete -c thinkback -n '__fish_seen_subcommand_from export' -F -l overwrite-file -d 'replace it'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -a '(__fish_complete_directories)'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l into -x -d 'under this name'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l key -x -d 'this document alone'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -s n -l dry-run -d 'change nothing'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l force -d 'into tables that exist'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l delete -d 'what the snapshot has not'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l clients -x -d 'connections'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l no-secondary-indexes -d 'make none'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l hard-durability -d 'each write on disk'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l permissions -d 'grant those that are saved'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -s u -l user -x -d 'log in as'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -s p -l password -d 'ask for it'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l password-file -r -F -d 'read it from'
complete -c thinkback -n '__fish_seen_subcommand_from restore' -l tls-cert -r -F -d 'use TLS'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot restore queue worker' -l tls-client-cert -r -F -d 'client certificate'
complete -c thinkback -n '__fish_seen_subcommand_from snapshot restore queue worker' -l tls-client-key -r -F -d 'its key'
complete -c thinkback -n '__fish_seen_subcommand_from worker' -s p -l password -d 'ask for the password'
complete -c thinkback -n '__fish_seen_subcommand_from forget tag' -a '(__thinkback_tables)'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l keep-last -x -d 'the newest'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l keep-hourly -x -d 'of hours'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l keep-daily -x -d 'of days'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l keep-weekly -x -d 'of weeks'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l keep-monthly -x -d 'of months'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l keep-yearly -x -d 'of years'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l keep-within -x -d 'as far back as'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l keep-tag -x -d 'those with this tag'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -s e -l export -x \
    -a '(__thinkback_tables)' -d 'this alone'
complete -c thinkback -n '__fish_seen_subcommand_from forget gc' -s n -l dry-run -d 'change nothing'
complete -c thinkback -n '__fish_seen_subcommand_from forget' -l gc -d 'then free the space'
complete -c thinkback -n '__fish_seen_subcommand_from gc' -l threshold -x -d 'when so much is dead'
complete -c thinkback -n '__fish_seen_subcommand_from tag' -a 'list add remove pin'
