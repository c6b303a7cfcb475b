#!/bin/bash
# What is forgotten stays forgotten, and what is kept is listed as it was, tags and pins included, when
# the catalogue is made again from the packs alone: after forget, and after gc. Numbers are not given
# out again when the highest have gone.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"

# listing FILE: what is listed, but for when it was verified; and the tags.
listing() {
	tb --json list | jq -c 'del(.verified)' >"$work/$1"
	tb --json tag list >>"$work/$1"
}

# made_again: without the catalogue and the queue, from packs/ alone, and nothing is lost.
made_again() {
	listing before
	mv "$repo" "$work/away"
	mkdir "$repo"
	cp -a "$work/away/packs" "$repo"
	rm -r "$work/away"
	expect 0 tb rebuild
	silent err
	listing after
	same "$work/before" "$work/after"
	expect 0 tb check --read-data
}

# last KIND: the last number given out to packs, or to snapshots.
last() {
	sqlite3 "$repo/catalog.db" "SELECT seq FROM sqlite_sequence WHERE name = '$1'"
}

repository
# Documents that come, change and go on days that are kept and that are not.
export=$work/export
mkdir -p "$export/d"
for day in 1 2 3 4 5 6; do
	python3 - "$day" "$export/d/t" <<'PY'
import json, sys
day, path = int(sys.argv[1]), sys.argv[2]
rows = [{"id": n, "v": day // (n % 4 + 1), "x": "y" * (n % 50)} for n in range(900) if (n * day) % 7]
parts = [[9], [3, 1], [1, 1, 1], [1, 1, 1], [1], [1, 1]][day - 1]
open(path + ".info", "w").write(json.dumps({"primary_key": "id", "doc_count_estimates": parts}))
json.dump(rows, open(path + ".json", "w"))
PY
	expect 0 tb snapshot --at "2026-12-0${day}T00:00:00Z" "$export"
done
expect 0 tb tag add release d.t 2026-12-02T00-00-00Z
expect 0 tb tag add pin shop "$day2"
expect 0 tb tag add other d.t 2026-12-03T00-00-00Z
expect 0 tb forget d.t 2026-12-03T00-00-00Z 2026-12-05T00-00-00Z
made_again
expect 0 tb forget --keep-last 1 --keep-tag release
made_again
equal 'release' "$(tb --json tag list d.t | jq -r '.tags[]')" 'tags'
equal "$day2" "$(tb --json tag list shop.orders | jq -r 'select(.pinned).date')" 'pins'

# All that can go has gone, and again.
cp -a "$repo" "$work/whole"
"$THINKBACK" -r "$work/whole" --json gc --threshold 60 >"$work/out"
for threshold in 60 0; do
	expect 0 tb gc --threshold "$threshold"
	says out 'freed|nothing'
	made_again
done
expect 0 tb --json gc --threshold 0
equal 0 "$(jq .freed_bytes "$work/out")" 'freed after a rebuild'
# A gc after a rebuild comes to the same as one before it.
expect 0 "$THINKBACK" -r "$work/whole" gc --threshold 0
diff -r "$work/whole/packs" "$repo/packs" || fail 'the packs are not the same'

# An archive of a day that was forgotten is passed over still.
expect 0 tb snapshot "$first" "$second" "$third"
says out 'in the repository already'
listing after
same "$work/before" "$work/after"

# The newest of all goes, with the highest numbers; what comes then gets others.
pack=$(last packs) snapshot=$(last snapshots)
expect 0 tb snapshot -e d --at 2026-12-07T00:00:00Z "$export"
expect 0 tb forget d.t 2026-12-07T00-00-00Z --gc
[ "$(last packs)" -gt "$pack" ] && [ "$(last snapshots)" -gt "$snapshot" ] || fail 'no new numbers'
pack=$(last packs) snapshot=$(last snapshots)
[ -z "$(find "$repo/packs" -name "$(printf '%016x' "$pack").pack")" ] || fail 'the newest pack should be gone'
made_again
equal "$pack $snapshot" "$(last packs) $(last snapshots)" 'last numbers'
expect 0 tb snapshot -e d --at 2026-12-08T00:00:00Z "$export"
[ "$(tb --json list d.t | jq .snapshot | tail -n 1)" -gt "$snapshot" ] || fail 'a number is given out again'
[ -e "$repo/packs/000000/$(printf '%016x' $((pack + 1))).pack" ] || fail 'no pack with the next number'
made_again

# What damage has left is not all that is kept: the last snapshot that is whole stays.
victim=$(sqlite3 "$repo/catalog.db" "SELECT printf('%016x', max(pack_id)) FROM shards
	WHERE snapshot_id = (SELECT max(id) FROM snapshots)")
victim=$repo/packs/000000/$victim.pack
oracle flip "$victim" $(($(stat -c %s "$victim") - 50))
expect 3 tb rebuild
expect 0 tb forget -e d.t --keep-last 1 -n
says out '^  keep    2026-12-06T00-00-00Z  newest without losses$'
says out '^  keep    2026-12-08T00-00-00Z  last snapshot, tells of a lost pack$'
