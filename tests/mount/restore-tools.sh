#!/bin/bash
# Exactly once: every tool adds one restore to the queue and nothing else in any state; over one that
# waits it adds none and replaces the bytes. The bytes are compared with what the queue has stored.
# shellcheck disable=SC2016 # commands for bash -c
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
mount_start -o noworker
orders=$mnt/shop/orders
name='=333.json'
to=$orders/$name
doc=$work/$name
cp "$orders/shard-00/$day1/$name" "$doc"
jq -c '.extra = [range(3000)]' "$doc" >"$work/long.json"
export doc to orders name work

# rows: the number of restores in any state. newest: number, state and name of the last one.
rows() {
	tb queue list --json | wc -l
}
newest() {
	tb queue list --json | tail -n 1 | jq -r '"\(.id) \(.state) \(.name)"'
}
# holds ID FILE: the queue has stored these bytes.
holds() {
	tb queue show "$1" --payload >"$work/payload"
	same "$2" "$work/payload"
}

# new WHAT COMMAND: one restore more, with the bytes of $doc.
new() {
	local before id state label
	before=$(rows)
	bash -c "$2" >"$work/out" 2>"$work/err" </dev/null || fail "$1: $(cat "$work/err")"
	equal $((before + 1)) "$(rows)" "restores after $1"
	read -r id state label < <(newest)
	equal "pending $name" "$state $label" "state and name after $1"
	holds "$id" "$doc"
	equal "$name" "$(find "$orders" -maxdepth 1 -type f -printf '%f ' | xargs)" "files after $1"
	expect 0 tb queue cancel "$id"
	soon 2 test ! -e "$to" || fail "$1: it is still there after it was cancelled"
}
new cp 'cp "$doc" "$to"'
new 'cp -p' 'cp -p "$doc" "$to"'
new 'cp -a' 'cp -a "$doc" "$to"'
new 'cp --attributes-only does not count' 'cp --attributes-only "$doc" "$to" && cp "$doc" "$to"'
new mv 'cp "$doc" "$work/m.json" && mv "$work/m.json" "$to"'
new 'mv within' 'cp "$doc" "$orders/.m.json" && mv "$orders/.m.json" "$to"'
new install 'install -m 640 "$doc" "$orders/"'
new rsync 'rsync "$doc" "$orders/"'
new 'rsync -a' 'rsync -a "$doc" "$orders/"'
new 'rsync --inplace' 'rsync -a --inplace "$doc" "$orders/"'
new 'rsync --delay-updates' 'rsync -a --delay-updates "$doc" "$orders/"'
new 'rsync --fsync' 'rsync -a --fsync "$doc" "$orders/"'
new 'tar x' 'tar -C "$work" -cf - "$name" | tar -C "$orders" -xf -'
new 'cat >' 'cat "$doc" >"$to"'
new 'cat >>' 'cat "$doc" >>"$to"'
new 'a group' '{ head -c 20 "$doc"; tail -c +21 "$doc"; } >"$to"'
new 'a subshell' '(head -c 20 "$doc"; tail -c +21 "$doc") >"$to"'
new 'appended in two steps' 'exec 7>>"$to"; head -c 20 "$doc" >&7; tail -c +21 "$doc" >&7; exec 7>&-'
new tee 'tee "$to" <"$doc"'
new dd 'dd if="$doc" of="$to" bs=7'
new 'dd conv=fsync' 'dd if="$doc" of="$to" conv=fsync'
new 'dd oflag=sync' 'dd if="$doc" of="$to" bs=64 oflag=sync'
new 'write and rename' 'cat "$doc" >"$orders/.x.tmp" && mv "$orders/.x.tmp" "$to"'
new 'write, fsync, rename' 'python3 -c "
import os
fd = os.open(os.environ[\"to\"] + \".tmp\", os.O_WRONLY | os.O_CREAT)
os.write(fd, open(os.environ[\"doc\"], \"rb\").read())
os.fsync(fd)
os.rename(os.environ[\"to\"] + \".tmp\", os.environ[\"to\"])
os.fsync(fd)
os.close(fd)"'
new 'mapped memory' 'python3 -c "
import mmap, os
data = open(os.environ[\"doc\"], \"rb\").read()
fd = os.open(os.environ[\"to\"], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, len(data))
m = mmap.mmap(fd, len(data))
m[:] = data
m.flush()
m.close()
os.close(fd)"'
new 'vim :w' 'vim -es -u NONE -c "w! $to" -c "q!" "$doc"'

# over WHAT COMMAND: over a longer one that waits: no restore more, the same number, the new bytes.
over() {
	local before id
	cp "$work/long.json" "$to"
	read -r id _ < <(newest)
	before=$(rows)
	bash -c "$2" >"$work/out" 2>"$work/err" </dev/null || fail "$1: $(cat "$work/err")"
	equal "$before" "$(rows)" "restores after $1"
	equal "$id pending $name" "$(newest)" "the one that waits after $1"
	holds "$id" "$doc"
	same "$doc" "$to"
	expect 0 tb queue cancel "$id"
}
over cp 'cp "$doc" "$to"'
over install 'install -m 640 -T "$doc" "$orders/.i" && mv "$orders/.i" "$to"'
over rsync 'rsync "$doc" "$orders/"'
over 'rsync --inplace' 'rsync --inplace "$doc" "$orders/"'
over 'rsync --no-whole-file' 'rsync --no-whole-file "$doc" "$orders/"'
over 'tar x --overwrite' 'tar -C "$work" -cf - "$name" | tar -C "$orders" --overwrite -xf -'
over 'cat >' 'cat "$doc" >"$to"'
over 'sed -i' 'sed -i "s/,\"extra\":.*/}/" "$to"'
over 'dd conv=fsync' 'dd if="$doc" of="$to" conv=fsync'
for copies in yes no auto; do
	over "vim, backupcopy=$copies" \
		"vim -es -u NONE -c 'set backupcopy=$copies' -c '%s/,\"extra\":.*/}/' -c wq \"\$to\""
done
# Nothing written: nothing queued, nothing changed.
idle() {
	local before
	before=$(tb queue list --json | sha256sum)
	bash -c "$2" >"$work/out" 2>"$work/err" </dev/null || fail "$1: $(cat "$work/err")"
	equal "$before" "$(tb queue list --json | sha256sum)" "the queue after $1"
}
idle touch 'touch "$to"; rm "$to"'
idle 'an empty file' ': >"$to"; rm "$to"'
cp "$doc" "$to"
idle 'touch of one that waits' 'touch "$to"'
idle 'chmod and chown of one that waits' 'chmod 600 "$to"; chown "$(id -u)" "$to"'
idle 'an open for writing' 'exec 7<>"$to"; exec 7>&-'
idle 'an open for appending' 'exec 7>>"$to"; exec 7>&-'
idle 'reading it' 'cat "$to"; head -c 3 "$to"; stat "$to"'
idle 'an empty file over it' ': >"$to"'
idle 'sync of it' 'sync "$to"'
rm "$to"

# Many at once, from many processes, each exactly once.
before=$(rows)
for i in 1 2 3 4 5 6 7 8; do
	(for j in 1 2 3 4 5 6 7 8 9 10; do cp "$doc" "$orders/many-$i-$j.json" || exit 1; done) &
	jobs[i]=$!
done
for i in 1 2 3 4 5 6 7 8; do
	wait "${jobs[i]}" || fail "cp in job $i"
done
equal $((before + 80)) "$(rows)" 'restores after 80 copies at once'
equal 80 "$(tb queue list --json --state pending | jq -r .name | sort -u | wc -l)" 'names that wait'

# A large one, through a file: 40 MB in one go.
jq -c . "$doc" | python3 -c '
import sys
line = sys.stdin.read()
for i in range(40000000 // len(line)):
    sys.stdout.write(line)' >"$work/large.json"
cp "$work/large.json" "$orders/"
read -r id _ < <(newest)
holds "$id" "$work/large.json"
same "$work/large.json" "$orders/large.json"
mount_stop
expect 0 tb check
