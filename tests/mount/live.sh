#!/bin/bash
# A new snapshot shows up in a mount by itself, with everything that follows from it; df has figures.
# Promises: 2.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$first"
mount_start
shard=$mnt/shop/products/shard-00
equal "$day1 latest" "$(entries "$shard")" 'dates at first'
equal "$day1" "$(readlink "$shard/latest")" 'latest at first'
equal 1 "$(stat -c %h "$shard/$day1/SKU-0002.json")" 'links at first'
equal ENOENT "$(probe errno stat "$shard/$day2")" 'a date that is not there yet'
exec 5<"$shard/$day1/SKU-0007.json"

# latest_is DATE: in a process that lists nothing else.
latest_is() {
	[ "$(readlink "$shard/latest")" = "$1" ]
}
for step in "$second $day2 2" "$third $day3 3"; do
	read -r archive day links <<<"$step"
	expect 0 tb snapshot "$archive"
	soon 2 latest_is "$day" || fail "latest is $(readlink "$shard/latest") two seconds after $day was taken"
	soon 2 test -e "$shard/$day/SKU-0002.json" || fail "$day is latest but not there"
	[[ " $(entries "$shard") " == *" $day "* ]] || fail "$day is not listed"
	soon 2 test "$(stat -c %h "$shard/$day/SKU-0002.json")" -eq "$links" ||
		fail "$(stat -c %h "$shard/$day/SKU-0002.json") links instead of $links"
done
[ ! -e "$shard/latest/SKU-0007.json" ] || fail 'a deleted document is in latest'
equal SKU-0007 "$(jq -r .id <&5)" 'a document that was open all the time'
equal ENOENT "$(probe errno stat "$mnt/shop/coupons/shard-00/$day2")" 'coupons before they existed'
equal WELCOME10.json "$(ls "$mnt/shop/coupons/shard-00/latest/")" 'a table that came with the third archive'
equal "$(oracle counts "$first" "$second" "$third" |
	awk '{ documents += $3; versions += $4 + $5 } END { print documents, versions }')" \
	"$(oracle mounted "$mnt" "$first" "$second" "$third")" 'documents and inodes'

# statfs: no number of files to run out of, names of up to 255 bytes, the size of the packs.
equal '0 0 255 4096' "$(probe statfs "$mnt")" 'statfs'
df --output=itotal,iavail,ipcent "$mnt" | tail -n 1 >"$work/out"
equal '0 0 -' "$(xargs <"$work/out")" 'df -i'
packs=$(find "$repo/packs" -type f -name '*' -printf '%s\n' | awk '{ n += $1 } END { print n }')
used=$(df -B 1 --output=used "$mnt" | tail -n 1)
[ "$used" -gt $((packs / 2)) ] && [ "$used" -lt $((packs * 2 + 1048576)) ] || fail "df says $used of $packs"
grep -q " $mnt fuse.thinkback " /proc/self/mounts || fail 'the file system type is not fuse.thinkback'
exec 5<&-
mount_stop
