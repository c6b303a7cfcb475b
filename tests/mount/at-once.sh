#!/bin/bash
# Several at once on one repository: two mounts with a worker each, writers beside them, several
# writers, and a mount of a repository that cannot be written.
# Promises: 1, 2.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$first" "$second"

echo "- two mounts, with a worker each: what is copied in is restored once"
target=$work/target
other=$work/other
mkdir "$target" "$other"
mount_start -o "target=$target"
"$THINKBACK" -r "$repo" mount -o "target=$target" "$other"
# The one that goes into the background is not the scenario's child, so its end is waited for here.
gone() {
	! pgrep -f -- "-r $repo mount.* $other" >/dev/null
}
drop_other() {
	fusermount3 -u -z "$other"
}
later drop_other
same <(find "$mnt" -printf '%P %s %i\n' | sort) <(find "$other" -printf '%P %s %i\n' | sort)
for i in $(seq 10); do
	echo "{\"id\": \"one-$i\"}" >"$mnt/shop/keys/one-$i.json"
	echo "{\"id\": \"other-$i\"}" >"$other/shop/keys/other-$i.json"
done
idle() {
	[ -z "$(tb --json queue list --state pending --state running)" ]
}
soon 60 idle || fail "not all are restored: $(tb queue)"
equal '20 done 1' "$(tb --json queue list | jq -r '"\(.state) \(.attempts)"' | sort | uniq -c | xargs)" 'restores'
equal 20 "$(jq length "$target/shop/keys.json")" 'documents restored'

echo "- a snapshot is taken, another one forgotten, and what is dead collected"
sum() {
	(cd "$1" && find . -path "*/$day2/*" -name '*.json' -exec sha256sum {} +) | sort
}
sum "$mnt" >"$work/before"
expect 0 tb snapshot "$third"
expect 0 tb forget --keep-last 2
expect 0 tb gc --threshold 1
for mount in "$mnt" "$other"; do
	equal "$day2 $day3 latest" "$(find "$mount/shop/products/shard-00/" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs)" 'dates'
	sum "$mount" >"$work/after"
	same "$work/before" "$work/after"
done
expect 0 tb check --read-data
fusermount3 -u "$other"
soon 30 gone || fail 'the second mount does not end'
mount_stop

echo "- writers take turns: who finds another at work says so, and changes nothing"
rm -rf "$repo"
repository "$first"
# turn N ARGUMENT...: the program, its status behind its errors.
turn() {
	local n=$1 status=0
	shift
	tb "$@" >"$work/turn-$n.out" 2>"$work/turn-$n.err" || status=$?
	echo "$status" >"$work/turn-$n.status"
}
pids=()
for i in 1 2 3; do
	turn "$i" snapshot "$second" &
	pids+=($!)
done
turn 4 forget -e shop --keep-last 1 &
pids+=($!)
turn 5 gc &
pids+=($!)
wait "${pids[@]}"
for i in 1 2 3 4 5; do
	case $(cat "$work/turn-$i.status") in
	0) silent "turn-$i.err" ;;
	1)
		mv "$work/turn-$i.err" "$work/err"
		complaint 'is being written to by another thinkback.*; try again'
		;;
	*) fail "status $(cat "$work/turn-$i.status"): $(cat "$work/turn-$i.err")" ;;
	esac
done
expect 0 tb snapshot "$second"
expect 0 tb check --read-data
equal 6 "$(tb --json list | grep -cF "$day2")" 'snapshots of the second day'

echo "- a repository that cannot be written is mounted, and nothing can be copied in"
cp -a "$repo" "$work/closed"
chmod 500 "$work/closed"
if [ "$(id -u)" -eq 0 ]; then
	mkdir "$work/frozen"
	mount --bind "$work/closed" "$work/frozen"
	later umount "$work/frozen"
	mount -o remount,ro,bind "$work/frozen"
	closed=$work/frozen
else
	closed=$work/closed
fi
mount_start
sum "$mnt" >"$work/before"
mount_stop
repo=$closed
for option in rw ro; do
	mount_start -o "$option"
	sum "$mnt" >"$work/after"
	same "$work/before" "$work/after"
	expect 1 cp "$work/before" "$mnt/shop/keys/new.json"
	says err 'Read-only file system|Permission denied'
	mount_stop
done
chmod 700 "$work/closed"
