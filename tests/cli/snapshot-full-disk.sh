#!/bin/bash
# A disk that is full while a snapshot is taken: one line, nothing is lost, and with room again the
# same command succeeds.
# Promises: 3.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$first"
state before

# No file may grow over so many blocks of 1 KiB: the same error as a full disk gives a writer.
limited() {
	(
		ulimit -f "$1"
		trap '' XFSZ
		shift
		"$THINKBACK" -r "$repo" "$@"
	)
}
for blocks in 1 8 40; do
	expect 1 limited "$blocks" snapshot "$second" "$third"
	complaint 'too large|I.O error'
	state after
	same "$work/before" "$work/after"
done

# A real one, where this user may mount.
if [ "$(id -u)" -eq 0 ]; then
	mkdir "$work/small"
	mount -t tmpfs -o size=2m,mode=700 none "$work/small"
	later umount -l "$work/small"
	expect 0 "$THINKBACK" init "$work/small/repo"
	mv "$repo" "$work/large-repo"
	repo=$work/small/repo
	expect 0 tb snapshot -e shop.products "$first"
	state before
	head -c 2000000 /dev/zero >"$work/small/filler" 2>/dev/null || true
	expect 1 tb snapshot "$second"
	complaint '[Nn]o space'
	rm "$work/small/filler"
	state after
	same "$work/before" "$work/after"
	expect 0 tb snapshot -e shop.products "$second"
	expect 0 tb check --read-data
	umount "$work/small"
	repo=$work/large-repo
fi
expect 0 tb snapshot "$second" "$third"
expect 0 tb check --read-data
