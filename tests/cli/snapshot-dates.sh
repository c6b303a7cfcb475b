#!/bin/bash
# The date of a snapshot: from the archive in local time, or as --at says.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"

# dated WANT ENVIRONMENT ARGUMENT...: the date that a snapshot gets.
dated() {
	local want=$1 zone=$2
	shift 2
	rm -rf "$repo"
	expect 0 "$THINKBACK" init "$repo"
	expect 0 env TZ="$zone" "$THINKBACK" -r "$repo" snapshot -e shop.coupons "$@" "$third"
	equal "$want" "$(tb --json list | jq -r .date)" "date with TZ=$zone $*"
	expect 0 env TZ=Asia/Tokyo "$THINKBACK" -r "$repo" list
	says out "^$want"
}
dated 2026-11-20T03-00-01Z UTC
dated 2026-11-20T02-00-01Z Europe/Berlin
dated 2026-11-20T08-00-01Z America/New_York
dated 2026-11-19T21-15-01Z Asia/Kathmandu
dated 2026-05-01T12-00-00Z Europe/Berlin --at 2026-05-01T12:00:00Z
dated 2026-05-01T12-00-00Z Europe/Berlin --at=2026-05-01T12-00-00Z
dated 2026-05-01T10-00-00Z Europe/Berlin --at 2026-05-01T12:00:00
dated 2026-05-01T10-00-00Z Europe/Berlin --at '2026-05-01 12:00:00'
dated 2026-04-30T22-00-00Z Europe/Berlin --at 2026-05-01
dated 2026-01-01T00-00-00Z Europe/Berlin --at @1767225600

for wrong in yesterday 2026-13-01 2026-02-30T00:00:00Z '' 2026-05-01T12:00:00ZZ @; do
	expect 2 tb snapshot --at "$wrong" "$third"
	says err 'is no date'
done

# A directory of rethinkdb export is a source too; its date has to be told.
rm -rf "$repo"
expect 0 "$THINKBACK" init "$repo"
mkdir "$work/export"
tar --force-local -xzf "$third" -C "$work/export" --strip-components=1
expect 0 tb snapshot --at 2026-11-20T03:00:01Z "$work/export"
tb --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/export-list"
rm -rf "$repo"
repository "$third"
tb --json list | jq -c 'del(.verified, .snapshot, .stored_bytes)' >"$work/archive-list"
same "$work/archive-list" "$work/export-list"
