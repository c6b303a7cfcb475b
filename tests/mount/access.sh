#!/bin/bash
# Who can get at what: the modes of all that is made, whatever the umask; whom a mount shows its files,
# and as whose; which repositories are not trusted. Much of it takes two users: only root has them.
# Promises: 10, 11, 12.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
chmod 711 "$work"

# narrow WHAT PATH...: nothing in there is for others than its owner.
narrow() {
	local what=$1
	shift
	equal '' "$(find "$@" -type f ! -perm 600 -o -type d ! -perm 700)" "$what"
}
for mask in 000 777; do
	umask "$mask"
	expect 0 "$THINKBACK" init "$work/repo-$mask"
	repo=$work/repo-$mask
	expect 0 tb snapshot "$first" "$second"
	expect 0 tb export --at "$day1" "$work/$mask.tar.gz"
	expect 0 tb restore -e shop "$work/restored-$mask"
	expect 0 tb rebuild
	expect 0 tb check --repair --read-data
	umask 022
	narrow "modes under umask $mask" "$repo" "$work/$mask.tar.gz" "$work/restored-$mask"
done
umask 022

# As the user says who mounts.
mount_start
shard=$mnt/shop/orders/shard-00
equal "$(id -u) $(id -g)" "$(stat -c '%u %g' "$shard")" 'owner and group of a directory'
equal '555 555 444' "$(stat -c %a "$shard" "$shard/$day1" "$shard/$day1/=333.json" | paste -sd ' ')" 'modes'
mount_stop
mount_start -o gid=34,umask=037
equal "$(id -u) 34 540 $(id -u) 34 440" \
	"$(stat -c '%u %g %a' "$shard/$day1" "$shard/$day1/=333.json" | paste -sd ' ')" 'under -o gid,umask'
mount_stop
for wrong in uid=x uid=-1 uid=4294967295 gid= gid=99999999999 umask=1000 umask=9 umask=; do
	expect 2 tb mount -o "$wrong" "$mnt"
	says err 'thinkback: '
done
[ "$(id -u)" -eq 0 ] || exit 0

# as USER COMMAND...: as that user, in no other group than its own.
as() {
	setpriv --reuid="$1" --regid="$1" --clear-groups "${@:2}"
}
document=$shard/$day1/=333.json
mount_start
expect 2 as 65534 ls "$mnt"
expect 1 as 65534 cat "$document"
says err 'Permission denied'
mount_stop
mount_start -o allow_other,uid=1233,gid=1234,umask=027
expect 1 as 65534 cat "$document"
says err 'Permission denied'
expect 0 as 1233 cat "$document"
expect 0 as 1234 cat "$document"
expect 1 as 1234 cp "$document" "$mnt/shop/orders/"
mount_stop
mount_start -o allow_other
expect 0 as 65534 cat "$document"
expect 1 as 65534 cp "$document" "$mnt/shop/orders/"
equal '' "$(tb queue list --json)" 'what another user has copied in'
mount_stop

# Of another user, or behind a link of another user's; each command looks.
chown -R 12345:12345 "$repo"
for command in list check rebuild "snapshot $third" 'queue list' "mount $mnt" 'worker --once' 'ls /'; do
	# shellcheck disable=SC2086 # a command and its arguments
	expect 1 tb $command
	complaint 'belongs to the user with number 12345, not to 0; use it all the same: thinkback --any-owner'
done
expect 0 tb --any-owner list
chown -R 0:0 "$repo"
ln -s "$repo" "$work/link"
expect 0 "$THINKBACK" -r "$work/link" list
chown -h 12345 "$work/link"
expect 1 "$THINKBACK" -r "$work/link" list
complaint 'is a link made by another user'
