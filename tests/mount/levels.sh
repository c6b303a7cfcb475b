#!/bin/bash
# Every level of the tree lists exactly what is there, and what is not there is ENOENT.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
mount_start

equal 'shop telemetry' "$(entries "$mnt")" 'databases'
equal 'coupons empty keys orders products' "$(entries "$mnt/shop")" 'tables of shop'
equal 'devices events' "$(entries "$mnt/telemetry")" 'tables of telemetry'
equal 'shard-00 shard-01' "$(entries "$mnt/shop/orders")" 'shards of orders'
equal 'shard-00 shard-01 shard-02' "$(entries "$mnt/telemetry/events")" 'shards of events'
for table in shop/keys shop/orders shop/products telemetry/events telemetry/devices; do
	for shard in "$mnt/$table"/shard-*; do
		equal "$day1 $day2 $day3 latest" "$(entries "$shard")" "dates of $shard"
		equal "$day3" "$(readlink "$shard/latest")" "latest of $shard"
	done
done
equal "$day1 $day2 latest" "$(entries "$mnt/shop/empty/shard-00")" 'dates of empty'
equal "$day2" "$(readlink "$mnt/shop/empty/shard-00/latest")" 'latest of empty'
equal "$day3 latest" "$(entries "$mnt/shop/coupons/shard-00")" 'dates of coupons'
equal '.table.json' "$(ls -A "$mnt/shop/empty/shard-00/$day1")" 'an empty table'
equal '.table.json WELCOME10.json' "$(entries "$mnt/shop/coupons/shard-00/latest/")" coupons

# What is found by name but not listed.
for hidden in .restore .restore/pending .restore/done .restore/failed; do
	[ -d "$mnt/shop/orders/$hidden" ] || fail "$hidden is no directory"
done
equal 'done failed pending' "$(entries "$mnt/shop/orders/.restore")" '.restore'
equal '' "$(ls -A "$mnt/shop/orders/.restore/failed")" 'a queue that nothing was put into'

for absent in shop2 shop/orders2 shop/orders/shard-02 shop/orders/shard-0 shop/orders/shard-000 \
	"shop/orders/shard-00/2026-11-18T03-00-01Z" shop/orders/shard-00/oldest shop/.restore .restore \
	"shop/orders/shard-00/$day1/=333333.json" "shop/orders/shard-00/$day1/333.json" \
	"shop/orders/shard-00/$day1/=333" "shop/orders/shard-00/$day1/=0333.json" \
	"shop/orders/shard-00/$day1/=333.0.json" "shop/orders/shard-00/$day2/=333.json" \
	"shop/orders/shard-01/$day1/=333.json" "shop/orders/shard-00/$day1/.table"; do
	equal ENOENT "$(probe errno stat "$mnt/$absent")" "$absent"
done
equal ENOTDIR "$(probe errno stat "$mnt/shop/orders/shard-00/$day1/=333.json/x")" 'a path below a document'
equal ENAMETOOLONG "$(probe errno stat "$mnt/shop/orders/$(printf '%0256d' 1)")" 'a name of 256 bytes'

# Nobody needs to be root to look, and nobody can write where documents are.
equal 'r--r--r-- r-xr-xr-x' "$(stat -c %A "$mnt/shop/orders/shard-00/$day1/=333.json" \
	"$mnt/shop/orders/shard-00/$day1" | cut -c 2- | xargs)" 'permissions'

find "$mnt" -type d >"$work/directories"
while read -r directory; do
	[ "$(stat -c %h "$directory")" -ge 1 ] || fail "$directory has no link"
	equal "$(stat -c %i "$directory")" "$(stat -c %i "$directory/.")" "inode of $directory/."
	[ "$directory" = "$mnt" ] ||
		equal "$(stat -c %i "${directory%/*}")" "$(stat -c %i "$directory/..")" "inode of $directory/.."
done <"$work/directories"
equal "$(sort -u "$work/directories" | wc -l)" "$(find "$mnt" -type d -printf '%i\n' | sort -u | wc -l)" \
	'directories with one inode each'

# The configuration of a table at a date is one line of JSON.
for table in "$mnt"/*/*/shard-*/*/.table.json; do
	[[ $table == */latest/* ]] && continue
	jq -e . "$table" >"$work/out" || fail "$table is no JSON"
	equal 1 "$(wc -l <"$table")" "lines of $table"
	probe read "$table"
done
config=$mnt/shop/orders/shard-01/$day2/.table.json
equal 'order_no' "$(jq -r .primary_key "$config")" 'primary key of orders'
equal 'true' "$(jq '.write_hook != null and (.indexes | length) > 0' "$config")" 'hook and indexes of orders'
mount_stop
