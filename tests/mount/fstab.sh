#!/bin/bash
# The mount(8) helper: options for mount and systemd are dropped, ours are passed on, and it comes back
# when the mount answers.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$third"
mkdir -p "$work/bin" "$work/sbin" "$mnt"
cp "$root/fs/mount.thinkback" "$work/sbin"
later fusermount3 -u -z "$mnt"

# What it makes of its arguments.
cat >"$work/bin/thinkback" <<-'END'
	#!/bin/sh
	printf '%s\n' "$@"
END
chmod +x "$work/bin/thinkback"
# passes WANT ARGUMENT...: the command line that comes out.
passes() {
	local want=$1
	shift
	expect 0 "$work/sbin/mount.thinkback" "$@"
	silent err
	equal "$want" "$(xargs <"$work/out")" "$*"
}
passes '-r /repo mount /mnt' /repo /mnt
passes '-r /repo mount /mnt' /repo /mnt -o rw
passes '-r /repo mount -o ro /mnt' /repo /mnt -o ro
passes '-r /repo mount -o ro,allow_other /mnt' /repo /mnt -o rw,ro,noauto,user,_netdev,nofail,allow_other
passes '-r /repo mount -o allow_other /mnt' /repo /mnt -o defaults,x-systemd.automount,x-gvfs-hide,allow_other,x-a=b
passes '-r /repo mount -o ro,allow_other /mnt' /repo /mnt -sn -o ro -v -o allow_other,nosuid,nodev,noexec
expect 0 "$work/sbin/mount.thinkback" /repo /mnt -f -o ro
silent out
expect 2 "$work/sbin/mount.thinkback" /repo
expect 2 "$work/sbin/mount.thinkback" /repo /mnt -x
expect 2 "$work/sbin/mount.thinkback" /repo /mnt surplus

# The real thing.
ln -sf "$THINKBACK" "$work/bin/thinkback"
expect 0 env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$work/sbin/mount.thinkback" "$repo" "$mnt" -o defaults,noauto,ro
silent err
is_mounted || fail 'not mounted'
grep -q " $mnt fuse.thinkback ro," /proc/self/mounts || fail "$(grep "$mnt" /proc/self/mounts)"
equal 'shop telemetry' "$(entries "$mnt")" 'databases'
unmount
expect 1 "$work/sbin/mount.thinkback" "$work" "$mnt" -o ro
complaint 'repository'
