#!/bin/bash
# Every program that writes a document into a table directory enqueues exactly one restore with exactly
# its bytes, and leaves no other trace; what is scratch never becomes a restore.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
mount_start -o noworker
orders=$mnt/shop/orders
saved=$orders/shard-00/$day1
cp "$saved/=333.json" "$saved/=666.json" "$saved/=999.json" "$work"
doc=$work/=333.json

# pending: the names and numbers of all that waits.
pending() {
	tb --json queue list | jq -r 'select(.state == "pending") | .name' | xargs
}
# queued NAME FILE: this restore alone waits, with these bytes; it is taken back.
queued() {
	equal "$1" "$(pending)" "waiting after ${3:-this}"
	same "$2" "$orders/$1"
	same "$2" "$orders/.restore/pending/$1"
	equal "$1" "$(find "$orders" -maxdepth 1 -type f -printf '%f\n')" "files in the table directory"
	equal "$(stat -c %s "$2")" "$(stat -c %s "$orders/$1")" 'its size'
	rm "$orders/$1"
	equal '' "$(pending)" "waiting after it was taken back"
	[ ! -e "$orders/$1" ] || fail "$1 is still there"
}

cp "$doc" "$orders/"
queued '=333.json' "$doc" cp
cp -p "$doc" "$orders/"
queued '=333.json' "$doc" 'cp -p'
cp -a "$doc" "$orders/"
queued '=333.json' "$doc" 'cp -a'
cp "$saved/=333.json" "$orders/"
queued '=333.json' "$doc" 'cp inside the mount'
cp "$doc" "$work/copy.json"
mv "$work/copy.json" "$orders/"
queued copy.json "$doc" mv
[ ! -e "$work/copy.json" ] || fail 'mv left its source'
install -m 600 "$doc" "$orders/"
queued '=333.json' "$doc" install
cat "$doc" >"$orders/=333.json"
queued '=333.json' "$doc" 'cat >'
head -c 100 "$doc" >"$work/head"
tail -c +101 "$doc" >"$work/tail"
python3 -c 'import sys
with open(sys.argv[1], "wb", buffering=0) as f:
	f.write(open(sys.argv[2], "rb").read())
	f.write(open(sys.argv[3], "rb").read())' "$orders/=333.json" "$work/head" "$work/tail"
queued '=333.json' "$doc" 'two writes'
# Two programs that write one after the other: what the first one leaves is not whole, and that is no
# fault of it; the shell has opened the file and closes it when all is there.
{ cat "$work/head" && cat "$work/tail"; } >"$orders/=333.json"
queued '=333.json' "$doc" 'two programs'
echo "$(<"$doc")" >"$orders/=333.json"
queued '=333.json' "$doc" 'echo >'
dd if="$doc" of="$orders/=333.json" bs=50 conv=fsync status=none
queued '=333.json' "$doc" 'dd conv=fsync'
tee "$orders/=333.json" <"$doc" >/dev/null
queued '=333.json' "$doc" tee
tar -C "$work" -cf - =333.json | tar -C "$orders" -xf -
queued '=333.json' "$doc" 'tar x'
tar -C "$work" -cf - =333.json | tar -C "$orders" --overwrite -xf -
queued '=333.json' "$doc" 'tar x --overwrite'
python3 -c 'import shutil, sys; shutil.copy2(sys.argv[1], sys.argv[2])' "$doc" "$orders"
queued '=333.json' "$doc" 'shutil.copy2'
for options in -t -a --inplace --whole-file --delay-updates --partial-dir=.partial --fsync --preallocate '-c -p'; do
	# shellcheck disable=SC2086 # words
	rsync $options "$doc" "$orders/" 2>"$work/err" || fail "rsync $options: $(cat "$work/err")"
	queued '=333.json' "$doc" "rsync $options"
done
mkdir "$work/tmp"
rsync -a --temp-dir="$work/tmp" "$doc" "$orders/"
queued '=333.json' "$doc" 'rsync --temp-dir'
temporary=$(mktemp "$orders/.tmpXXXXXX")
cat "$doc" >"$temporary"
equal '' "$(pending)" 'waiting while it has a temporary name'
same "$doc" "$temporary"
mv "$temporary" "$orders/=333.json"
queued '=333.json' "$doc" 'mktemp and mv'
cp "$doc" "$work/plain.json"
vim -es -u NONE -c 'w! '"$orders/=333.json" -c 'q!' "$work/plain.json" </dev/null >/dev/null 2>&1 || true
queued '=333.json' "$doc" 'vim :w'

# Replaced while it waits: still one restore, with the later bytes.
cp "$doc" "$orders/one.json"
cp "$work/=666.json" "$orders/one.json"
queued one.json "$work/=666.json" 'cp over it'
cp "$work/=666.json" "$orders/one.json"
rsync "$work/=333.json" "$orders/one.json"
queued one.json "$doc" 'rsync over it'
cp "$doc" "$orders/one.json"
sed -i 's/"paid":[a-z]*/"paid":true/' "$orders/one.json"
sed 's/"paid":[a-z]*/"paid":true/' "$doc" >"$work/edited"
queued one.json "$work/edited" 'sed -i'
cp "$doc" "$orders/one.json"
vim -es -u NONE -c '%s/"paid":[a-z]*/"paid":true/e' -c 'wq' "$orders/one.json" </dev/null >/dev/null 2>&1 || true
queued one.json "$work/edited" 'vim in place'
cp "$doc" "$orders/one.json"
mv "$orders/one.json" "$orders/two.json"
queued two.json "$doc" 'mv of a waiting one'
cp "$doc" "$orders/one.json"
before=$(tb --json queue list | jq -r 'select(.state == "pending") | .updated')
python3 -c 'import sys; open(sys.argv[1], "r+b").close(); open(sys.argv[1], "rb").read()' "$orders/one.json"
equal "$before" "$(tb --json queue list | jq -r 'select(.state == "pending") | .updated')" 'an open without a write'
queued one.json "$doc" 'an open without a write'

# One object a line, and an array: many documents in one restore.
cat "$work"/=[369]*.json >"$work/lines"
cp "$work/lines" "$orders/lines.json"
equal 3 "$(tb --json queue list | jq 'select(.state == "pending") | .documents')" 'documents in lines'
queued lines.json "$work/lines" 'three lines'
jq -s . "$work/lines" >"$work/array"
cp "$work/array" "$orders/array.json"
equal 3 "$(tb --json queue list | jq 'select(.state == "pending") | .documents')" 'documents in an array'
queued array.json "$work/array" 'an array'

# What is scratch stays scratch: seen by who wrote it, no restore, gone when it is deleted.
for name in .hidden.json .=333.json.Ab12Cd sedAb12Cd 4913 notes.txt =333.json~ .=333.json.swp =333.json.swp; do
	cp "$doc" "$orders/$name"
	equal '' "$(pending)" "waiting after $name"
	same "$doc" "$orders/$name"
	rm "$orders/$name"
	equal ENOENT "$(probe errno stat "$orders/$name")" "$name"
done
touch "$orders/empty.json"
equal '' "$(pending)" 'waiting after touch'
rm -f "$orders/empty.json"
mkdir "$orders/.~tmp~"
rmdir "$orders/.~tmp~"
touch "$orders"
chmod 755 "$orders"

# A file that was longer before: no old tail.
cp "$work/lines" "$orders/one.json"
cp "$doc" "$orders/one.json"
queued one.json "$doc" 'a shorter one over a longer one'

# Nothing of all this touched the backups.
oracle mounted "$mnt" "$first" "$second" "$third" >"$work/out"
mount_stop
expect 0 tb check --read-data
