#!/bin/bash
# Every document of three dates is there under its name with exactly its bytes, size, date, links and
# inode, and it is what the server itself sent.
# Promises: 7.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
mount_start

# Each version of a document is one inode, at however many dates it shows.
equal "$(oracle counts "$first" "$second" "$third" |
	awk '{ documents += $3; versions += $4 + $5 } END { print documents, versions }')" \
	"$(oracle mounted "$mnt" "$first" "$second" "$third")" 'documents and inodes'

# As the server sent them: the same bytes, but for doubles that it prints with more digits than needed.
while read -r table primary want; do
	shards=("$mnt/${table/.//}"/shard-*/"$day3")
	equal "$want" "$(oracle wire "$data/wire/$table.jsonl" "$primary" "${shards[@]}")" \
		"same and equal documents of $table"
done <<-END
	shop.coupons id 1 0
	shop.keys id 51 1
	shop.orders order_no 872 1173
	shop.products id 399 0
	telemetry.devices serial 478 0
	telemetry.events uuid 36 164
END
mount_stop
