#!/bin/bash
# Inode numbers: one for a version wherever it shows, the same after a remount, and found by find.
# Times and sizes are what stat, du and find expect.
# Promises: 6.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
mount_start
shard=$mnt/shop/products/shard-00

# Product 1 changed on the third day, product 2 never, product 7 is gone since the second.
equal 'same same other' "$(stat -c %i "$shard/$day1/SKU-0001.json" "$shard/$day2/SKU-0001.json" \
	"$shard/$day3/SKU-0001.json" | awk '{ print NR < 3 && (NR == 1 || $1 == last) ? "same" : "other"; last = $1 }' |
	xargs)" 'inodes of a changed document'
equal '2 2 1' "$(stat -c %h "$shard"/*Z/SKU-0001.json | xargs)" 'links of a changed document'
equal '3 3 3' "$(stat -c %h "$shard"/*Z/SKU-0002.json | xargs)" 'links of an unchanged document'
equal 1 "$(stat -c %h "$shard/$day1/SKU-0007.json")" 'links of a deleted document'
equal '2026-11-18T03-00-00Z' "$(date -u -r "$shard/$day2/SKU-0001.json" +%Y-%m-%dT%H-%M-%SZ)" 'mtime before'
equal "$day3" "$(date -u -r "$shard/$day3/SKU-0001.json" +%Y-%m-%dT%H-%M-%SZ)" 'mtime after the change'

inode=$(stat -c %i "$shard/$day1/SKU-0002.json")
find "$mnt/shop" -inum "$inode" -printf '%P\n' | sort >"$work/found"
printf '%s\n' products/shard-00/{"$day1","$day2","$day3"}/SKU-0002.json >"$work/want"
same "$work/want" "$work/found"
find "$shard/$day3" -newermt "${day3:0:10}" -name '*.json' -not -name '.*' -printf '%f\n' >"$work/found"
equal SKU-0001.json "$(cat "$work/found")" 'documents that changed on the third day'

# latest is the same directory, and the documents below it the same inodes.
equal "$(stat -c %i "$shard/$day3")" "$(stat -Lc %i "$shard/latest")" 'inode behind latest'
equal "$(stat -c %i "$shard/$day3/SKU-0002.json")" "$(stat -c %i "$shard/latest/SKU-0002.json")" 'inode through latest'

# The sum over all links counts each version once.
find "$mnt" -name '*.json' -printf '%i %n %s %T@ %m\n' | sort >"$work/before"
equal "$(find "$mnt" -type f -not -name '.*' -printf '%i\n' | sort -u | wc -l)" \
	"$(oracle counts "$first" "$second" "$third" | awk '{ n += $4 + $5 } END { print n }')" 'versions'
awk '$2 > 1 { seen[$1]++; links[$1] = $2 }
	END { for (i in seen) if (seen[i] != links[i]) { print i, seen[i], links[i]; exit 1 } }' "$work/before"
mount_stop

mount_start
find "$mnt" -name '*.json' -printf '%i %n %s %T@ %m\n' | sort >"$work/after"
same "$work/before" "$work/after"
equal "$inode" "$(stat -c %i "$shard/latest/SKU-0002.json")" 'an inode after a remount, without listing'
mount_stop
