#!/bin/bash
# Listings hold for every reader: stable cookies, tiny buffers, d_ino, unusual names, odd offsets.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
mount_start

for directory in . shop shop/orders shop/orders/shard-00 "shop/orders/shard-00/$day2" \
	"shop/keys/shard-00/latest/" "telemetry/events/shard-01/$day3" "shop/empty/shard-00/$day1" \
	shop/orders/.restore shop/orders/.restore/pending; do
	path=$mnt/$directory
	entries=$(find "$path" -mindepth 1 -maxdepth 1 | wc -l)
	equal $((entries + 2)) "$(probe seek "$path")" "entries of $directory, seeking to every cookie"
	equal $((entries + 2)) "$(probe inodes "$path")" "entries of $directory with inode numbers"
	ls -fa "$path" >"$work/want"
	for bytes in 280 300 1000 32768; do
		probe getdents "$path" "$bytes" >"$work/got"
		same "$work/want" "$work/got"
	done
	find "$path" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort >"$work/with-find"
	sort "$work/want" | grep -vxE '\.\.?' >"$work/with-ls" || true
	same "$work/with-find" "$work/with-ls"
done
expect 1 probe getdents "$mnt/shop/keys/shard-00/$day1" 24
says err 'Invalid argument'

# Names of every kind of key: found one by one, read at every offset.
while IFS= read -r name; do
	probe read "$mnt/shop/keys/shard-00/latest/$name"
	[ "${#name}" -gt 0 ] && [ "$(printf %s "$name" | wc -c)" -le 255 ] || fail "name $name"
done < <(find "$mnt/shop/keys/shard-00/latest/" -mindepth 1 -printf '%f\n')
equal '{"id":"","kind":"string"}' "$(cat "$mnt/shop/keys/shard-00/latest/%.json")" 'the empty key'
equal '{"id":true,"kind":"bool"}' "$(cat "$mnt/shop/keys/shard-00/latest/=true.json")" 'the key true'
equal '"true"' "$(jq -c .id "$mnt/shop/keys/shard-00/latest/true.json")" 'the key "true"'
equal '"1"' "$(jq -c .id "$mnt/shop/keys/shard-00/latest/1.json")" 'the key "1"'
equal '1' "$(jq -c .id "$mnt/shop/keys/shard-00/latest/=1.json")" 'the key 1'

# Each copy of the tree by another reader is the same tree.
mkdir "$work/cp" "$work/tar"
cp -R "$mnt/shop/keys/shard-00/$day1/." "$work/cp"
tar -C "$mnt/shop/keys/shard-00/$day1" -cf - . | tar -C "$work/tar" -xf -
diff -r "$work/cp" "$work/tar"
diff -r "$work/cp" "$mnt/shop/keys/shard-00/$day1"
mount_stop
