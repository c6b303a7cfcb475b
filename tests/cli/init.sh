#!/bin/bash
# init makes a repository where there was nothing, once, and nothing where something is.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"

expect 0 "$THINKBACK" init "$repo"
silent err
equal 'catalog.db lock packs queue.db' "$(entries "$repo" | sed -E 's/ [a-z.]+-(shm|wal)//g')" 'what a repository holds'
equal drwx------ "$(stat -c %A "$repo")" 'its permissions'
expect 0 tb list
says out 'no snapshots yet'
expect 0 tb --json list
silent out
expect 0 tb check

cp -a "$repo" "$work/before"
expect 1 "$THINKBACK" init "$repo"
complaint 'already'
silent out
diff -r "$work/before" "$repo"

mkdir "$work/full" "$work/empty"
: >"$work/full/file"
expect 1 "$THINKBACK" init "$work/full"
complaint 'empty'
equal file "$(ls -A "$work/full")" 'a directory that was not empty'
expect 0 "$THINKBACK" init "$work/empty"
expect 0 "$THINKBACK" -r "$work/by-option" init
expect 0 env THINKBACK_REPO="$work/by-environment" "$THINKBACK" init
expect 0 env THINKBACK_REPO="$work/by-environment" "$THINKBACK" list
expect 0 env THINKBACK_REPO="$work/none" "$THINKBACK" -r "$work/by-option" list
expect 0 "$THINKBACK" --json init "$work/by json"
equal "$work/by json" "$(jq -r .repository "$work/out")" 'JSON of init'
expect 0 "$THINKBACK" -q init "$work/quiet"
silent out
expect 1 "$THINKBACK" init "$work/no/parent"
complaint 'parent'
expect 1 "$THINKBACK" init "$work/full/file"
complaint 'file'
expect 2 "$THINKBACK" init "$work/a" "$work/b"
[ ! -e "$work/a" ] || fail 'a wrong command line made a repository'

# Commands on what is no repository: one line that names it.
for place in "$work/nothing" "$work/full" "$work/full/file"; do
	for command in list check 'snapshot '"$first" 'ls' 'queue list'; do
		# shellcheck disable=SC2086 # words
		expect 1 "$THINKBACK" -r "$place" $command
		silent out
		complaint "$place"
	done
done
equal file "$(ls -A "$work/full")" 'a directory that is no repository'
