#!/bin/bash
# A damaged pack gives EIO for the documents in the damaged part and for no others, never wrong bytes,
# and check --read-data names it.
# Promises: 4.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$third"
expect 0 tb check --read-data
mount_start
cp -a "$mnt" "$work/good"
mount_stop

# The largest pack: a byte in its first third is in the middle of a frame.
pack=$(find "$repo/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
size=$(stat -c %s "$pack")
oracle flip "$pack" $((size / 3))

mount_start
oracle intact "$work/good" "$mnt" >"$work/files"
good=$(head -n 1 "$work/files")
sed 1d "$work/files" | sort >"$work/bad"
bad=$(wc -l <"$work/bad")
# A frame is about 16 KiB of documents of 400 to 700 bytes.
[ "$bad" -ge 1 ] && [ "$bad" -le 100 ] || fail "$bad documents are damaged by one byte"
equal 6082 $((good + bad - $(find "$work/good" -name .table.json | wc -l))) 'documents looked at'
equal 1 "$(sed 's|/[^/]*$||' "$work/bad" | sort -u | wc -l)" 'shards with damage'
# A damaged document is still listed, and the error stays the same error.
damaged=$(head -n 1 "$work/bad")
equal EIO "$(probe errno read "$mnt/$damaged")" 'a second read'
expect 1 cp "$mnt/$damaged" "$work/copy"
expect 1 tb cat "$damaged"
silent out
complaint 'pack|damage|corrupt'
mount_stop

expect 1 tb check --read-data
cat "$work/out" "$work/err" >"$work/said"
says said "$(basename "$pack" | grep -oE '[0-9]+' | sed 's/^0*//' | head -n 1)"
says said "${damaged%%/*}"

# A pack that is gone, or cut: EIO for what it held, nothing else suffers.
mv "$pack" "$work/pack"
mount_start
equal EIO "$(probe errno read "$mnt/$damaged")" 'a document of a missing pack'
table=${damaged%/shard-*}
for other in shop/coupons shop/keys; do
	[ "$other" = "$table" ] || diff -r "$mnt/$other" "$work/good/$other"
done
mount_stop
expect 1 tb check
head -c $((size / 2)) "$work/pack" >"$pack"
expect 1 tb check
mount_start
equal EIO "$(probe errno read "$mnt/$damaged")" 'a document of a cut pack'
mount_stop

# The damage undone, all is well.
oracle flip "$work/pack" $((size / 3))
cp "$work/pack" "$pack"
expect 0 tb check --read-data

# A catalogue that leads to another document: its name is there and gives EIO, never the other's bytes.
cp "$repo/catalog.db" "$work/catalog.db"
place=$(sqlite3 "$repo/catalog.db" "SELECT pack_id || ' AND ordinal = ' || ordinal FROM versions v
	WHERE EXISTS (SELECT 1 FROM versions w WHERE w.pack_id = v.pack_id AND w.ordinal = v.ordinal + 1)
	ORDER BY pack_id, ordinal LIMIT 1 OFFSET 5")
sqlite3 "$repo/catalog.db" "UPDATE versions SET ordinal = ordinal + 1 WHERE pack_id = $place"
mount_start
oracle intact "$work/good" "$mnt" >"$work/files"
sed 1d "$work/files" | sort >"$work/bad"
equal 1 "$(sed 's|.*/||' "$work/bad" | sort -u | wc -l)" 'names with damage'
damaged=$(head -n 1 "$work/bad")
equal EIO "$(probe errno read "$mnt/$damaged")" 'a document that the catalogue misplaces'
find "$mnt/${damaged%/*}" -name "${damaged##*/}" -type f | grep -q . || fail 'it is not listed'
expect 23 rsync -a "$mnt/${damaged%/*}/" "$work/copied"
equal "$(find "$work/good/${damaged%/*}" -type f | wc -l)" $(($(find "$work/copied" -type f | wc -l) + 1)) \
	'files copied around it'
expect 1 tb cat "$damaged"
silent out
complaint 'disagree'
expect 3 tb ls "${damaged%/*}" /
complaint 'disagree'
mount_stop
expect 1 tb check
cp "$work/catalog.db" "$repo/catalog.db"

# A damaged catalogue is said to be one, and no empty tree is shown.
head -c 4096 /dev/zero | tr '\0' 'x' | dd of="$repo/catalog.db" conv=notrunc status=none
expect 1 tb check
expect 1 tb ls
silent out
expect 1 tb mount -f "$mnt"
complaint 'catalog'
