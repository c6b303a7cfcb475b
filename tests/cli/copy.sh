#!/bin/bash
# A repository that is copied while snapshots are taken, in the order that thinkback-repository(7)
# tells: the databases first, packs/ behind them. The copy is a repository, also one to go on with.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$first"
copy=$work/copy
databases() {
	rm -rf "$copy"
	mkdir -m 700 "$copy"
	sqlite3 "$repo/catalog.db" ".backup $copy/catalog.db"
	sqlite3 "$repo/queue.db" ".backup $copy/queue.db"
}
packs() {
	rsync -a --delete --exclude='.tmp-*' "$repo/packs/" "$copy/packs/"
}
# of_copy ARGUMENTS...: the program on the copy.
of_copy() {
	"$THINKBACK" -r "$copy" "$@"
}
tb --json list | jq -c 'del(.verified)' >"$work/one"

# Nobody writes: the same repository.
databases
packs
expect 0 of_copy check --read-data
of_copy --json list | jq -c 'del(.verified)' >"$work/got"
same "$work/one" "$work/got"

# A snapshot comes to its end in between: the copy is of before it, and holds packs that it does not
# know. They are told of, are never replaced, and can be taken in.
databases
expect 0 tb snapshot "$second"
tb --json list | jq -c 'del(.verified)' >"$work/two"
packs
of_copy --json list | jq -c 'del(.verified)' >"$work/got"
same "$work/one" "$work/got"
expect 1 of_copy check --read-data
! grep -vE 'in packs/ but not in catalog.db|[0-9] versions checked' "$work/out" || fail 'other problems'
cp -a "$copy" "$work/second"
find "$repo/packs" -type f -exec sha256sum {} + | sed 's|  .*/|  |' | sort >"$work/want"
expect 0 of_copy snapshot "$third"
says err 'newer packs'
find "$copy/packs" -type f -exec sha256sum {} + | sed 's|  .*/|  |' | sort >"$work/got"
equal '' "$(comm -23 "$work/want" "$work/got")" 'packs that were replaced'
copy=$work/second
expect 0 of_copy rebuild
expect 0 of_copy check --read-data
of_copy --json list | jq -c 'del(.verified)' >"$work/got"
same "$work/two" "$work/got"

# One is being taken all the while.
copy=$work/copy
tb snapshot "$third" >"$work/snapshot.log" 2>&1 &
writer=$!
databases
packs
wait "$writer"
of_copy --json list | jq -c 'del(.verified)' | grep -vF "$day3" >"$work/got"
same <(grep -vF "$day3" "$work/two") "$work/got"
expect 0 of_copy snapshot "$third"
equal 6 "$(of_copy --json list | grep -cF "$day3")" 'snapshots of the third day'

# What was collected meanwhile goes from the copy with the next one.
expect 0 tb forget --keep-last 1 --gc
mv "$copy" "$work/older"
databases
mv "$work/older/packs" "$copy/"
packs
tb --json list | jq -c 'del(.verified)' >"$work/last"
of_copy --json list | jq -c 'del(.verified)' >"$work/got"
same "$work/last" "$work/got"
expect 0 of_copy check --read-data
diff -r "$repo/packs" "$copy/packs" || fail 'other packs'
