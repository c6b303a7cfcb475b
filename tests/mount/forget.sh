#!/bin/bash
# Snapshots are forgotten and collected under a mount that is being read: what is open is read to its
# end, what is forgotten is absent, nothing is ever an input/output error, what stays keeps its inode
# numbers, and the space becomes free.
# Promises: 2.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
# Days that go to and fro: every one has versions that no other one shows, or shows again.
for day in 21 22 23 24 25 26; do
	source=$third
	[ $((day % 2)) -eq 0 ] || source=$second
	expect 0 tb snapshot --at "2026-11-${day}T03:00:01Z" "$source"
done
stays='2026-11-20T03-00-01Z 2026-11-23T03-00-01Z 2026-11-26T03-00-01Z'
mount_start

# What stays, with the inode numbers.
mkdir "$work/good"
for day in $stays; do
	find "$mnt" -path "*/$day/*" -name '*.json' -printf '%P %i %s %T@\n'
done | sort >"$work/inodes"
(cd "$mnt" && cp -a --parents ./*/*/shard-*/2026-11-2[036]T* "$work/good")
changed=$(cd "$mnt/telemetry/devices/shard-00" && find $day1 -name '*.json' ! -name .table.json | while read -r file; do
	cmp -s "$file" "$day2/${file##*/}" || { echo "${file##*/}" && break; }
done)
held=$mnt/telemetry/devices/shard-00/$day1/$changed
cat "$held" >"$work/want"
cat "$mnt/telemetry/devices/shard-00/$day1/.table.json" >"$work/want-table"
# Nothing of it may come from the kernel's cache.
mount_stop
mount_start

# read_all NAME COMMAND...: again and again until told to stop; what it says on stderr is kept.
read_all() {
	local name=$1
	shift
	until [ -e "$work/stop" ]; do
		"$@" >/dev/null 2>>"$work/$name-said" || true
		echo >>"$work/$name-rounds"
	done
}
# shellcheck disable=SC2317 # called by read_all
copy_some() {
	rsync -aH "$mnt/shop/" "$work/copy/"
}
# shellcheck disable=SC2317 # likewise
cat_some() {
	cat "$mnt"/*/*/shard-*/2*/*1*.json
}
read_all ls ls -lR "$mnt" &
readers=($!)
read_all cat cat_some &
readers+=($!)
read_all rsync copy_some &
readers+=($!)
rounds() {
	[ -e "$work/$1-rounds" ] && [ "$(wc -l <"$work/$1-rounds")" -ge "$2" ]
}
for name in ls cat rsync; do
	soon 60 rounds $name 1 || fail "$name does not come round"
done

exec 7<"$held" 8<"$mnt/telemetry/devices/shard-00/$day1/.table.json"
for day in 18T03-00-00Z 19T03-00-01Z 21T03-00-01Z 22T03-00-01Z 24T03-00-01Z 25T03-00-01Z; do
	for database in shop telemetry; do
		expect 0 tb forget $database "2026-11-$day"
	done
	expect 0 tb gc --threshold 0
	says out 'freed|nothing'
done
expect 0 tb check --read-data

# What was open is whole.
cat <&7 >"$work/got"
same "$work/want" "$work/got"
equal "$(stat -c %s "$work/want")" "$(stat -L -c %s /dev/fd/7)" 'size of what is open'
cat <&8 >"$work/got"
same "$work/want-table" "$work/got"

# It cannot be opened any more.
absent() {
	[ "$(probe errno read "$held")" = ENOENT ]
}
soon 10 absent || fail "a forgotten document gives $(probe errno read "$held")"
equal "$(echo "$stays latest" | tr ' ' '\n' | sort | paste -sd ' ')" \
	"$(entries "$mnt/shop/orders/shard-00")" 'dates that are left'

# The readers have gone round since, and none has met an error of input or output.
for name in ls cat rsync; do
	n=$(wc -l <"$work/$name-rounds")
	soon 60 rounds $name $((n + 2)) || fail "$name does not come round any more"
done
touch "$work/stop"
wait "${readers[@]}"
if grep -hE 'Input/output|error in IPC|Unknown error' "$work"/*-said; then
	fail 'a reader met an error'
fi

# What stays is as it was, bytes and numbers.
for day in $stays; do
	find "$mnt" -path "*/$day/*" -name '*.json' -printf '%P %i %s %T@\n'
done | sort >"$work/now"
same "$work/inodes" "$work/now"
for day in $stays; do
	for directory in "$mnt"/*/*/shard-*/"$day"; do
		diff -r "$work/good/${directory#"$mnt/"}" "$directory" || fail "$directory is not as it was"
	done
done

# The space of what nobody holds any more is free.
exec 7<&- 8<&-
# shellcheck disable=SC2317 # called by soon
let_go() {
	! find "/proc/$daemon/fd" -lname '*(deleted)' -printf '%l\n' | grep -q '\.pack'
}
soon 20 let_go || fail 'the mount keeps removed packs open'
if grep -nE 'damaged|missing|pack' "$work/mount.log"; then
	fail 'the mount took it for damage'
fi

# A catalogue that is made again from what is left shows the same under the mount.
expect 0 tb rebuild
silent err
as_before() {
	for day in $stays; do
		find "$mnt" -path "*/$day/*" -name '*.json' -printf '%P %i %s %T@\n'
	done | sort >"$work/now" && cmp -s "$work/inodes" "$work/now"
}
soon 20 as_before || same "$work/inodes" "$work/now"
equal "$(echo "$stays latest" | tr ' ' '\n' | sort | paste -sd ' ')" \
	"$(entries "$mnt/shop/orders/shard-00")" 'dates after a rebuild'
mount_stop
