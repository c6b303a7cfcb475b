#!/bin/bash
# What a mount refuses: places where it must not be, options that it does not know, and every attempt
# to change what was backed up.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$third"
state before

mkdir "$repo/packs/inside" "$work/full"
for place in "$repo" "$repo/packs" "$repo/packs/inside"; do
	expect 1 tb mount "$place"
	complaint 'repository'
done
rmdir "$repo/packs/inside"
mkdir -p "$work/above"
mv "$repo" "$work/above/repo"
expect 1 "$THINKBACK" -r "$work/above/repo" mount "$work/above"
complaint 'repository'
mv "$work/above/repo" "$repo"
expect 1 tb mount "$work/nothing"
complaint 'nothing'
: >"$work/file"
expect 1 tb mount "$work/file"
complaint 'file'
expect 2 tb mount
expect 2 tb mount "$work/full" "$work/above"
expect 2 tb mount --no-such-option "$work/full"
says err 'no-such-option'
expect 2 tb mount -o no_such_option "$work/full"
says err 'no_such_option'
# A server that cannot be one; what may be a password is never shown.
for target in rethinkdb://admin:secret@h http://admin:secret@h rethinkdb://admin%3Asecret@h rethinkdb://h:x; do
	expect 2 tb mount -f -o "target=$target" "$work/full"
	says err '^thinkback: mount: target: '
	! grep secret "$work/err" || fail 'the password is shown'
done
for wrong in -otargets=rethinkdb://admin:secret@h --target=rethinkdb://admin:secret@h; do
	expect 2 tb mount -f "$wrong" "$work/full"
	says err 'target'
	! grep secret "$work/err" || fail 'the password is shown'
done
expect 2 tb mount -f -o target=rethinkdb://h,tls-client-cert=x "$work/full"
says err '--tls-client-key'
expect 1 "$THINKBACK" -r "$work/above" mount "$work/full"
complaint 'not a thinkback repository'
! grep -q "$work" /proc/self/mounts || fail 'something is mounted'

mount_start
shard=$mnt/shop/orders/shard-00
document=$shard/$day3/=1.json
expect 1 tb mount "$mnt"
complaint 'mount'
for attempt in "write $document" "create $shard/$day3/=5555.json" "unlink $document" "mkdir $shard/new" \
	"rmdir $shard/$day3" "rename $document $shard/$day3/=5555.json" "create $mnt/file" "mkdir $mnt/db" \
	"mkdir $mnt/shop/table" "create $mnt/shop/file.json" "rmdir $mnt/shop/orders" "truncate $document" \
	"unlink $shard/latest" "create $shard/file.json" "rename $shard $mnt/shop/orders/shard-09" \
	"mkdir $mnt/shop/orders/directory" "unlink $shard/$day3/.table.json"; do
	# shellcheck disable=SC2086 # paths without blanks
	got=$(probe errno $attempt)
	[[ $got == EROFS || $got == EACCES || $got == EPERM ]] || fail "$attempt: $got"
done
for attempt in "symlink target $mnt/shop/orders/link" "link $document $mnt/shop/orders/=1.json"; do
	# shellcheck disable=SC2086
	got=$(probe errno $attempt)
	[[ $got == EPERM || $got == EROFS || $got == EACCES ]] || fail "$attempt: $got"
done
equal EXDEV "$(probe errno rename "$mnt/shop/orders/shard-00/$day3/=1.json" "$mnt/shop/orders/=1.json" |
	sed 's/EROFS\|EACCES\|EPERM/EXDEV/')" 'a move out of a snapshot'
mount_stop

# A read-only mount has no inbox.
mount_start -o ro
equal EROFS "$(probe errno create "$mnt/shop/orders/=1.json")" 'an inbox in a read-only mount'
oracle mounted "$mnt" "$third" >"$work/out"
mount_stop
state after
same "$work/before" "$work/after"
