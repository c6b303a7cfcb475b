#!/bin/bash
# All of it works for an ordinary user, who mounts through fusermount3: when this runs as root, the demo
# and one scenario run again as nobody.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if [ "$(id -u)" -ne 0 ]; then
	# Then all the other scenarios have shown it already.
	exec bash "$root/tests/mount/levels.sh"
fi

# Nobody needs to be able to read the source tree, so it gets a copy of what it runs.
chmod 711 "$work"
mkdir -p "$work/tree/tests" "$work/tree/build/tests" "$work/home"
cp "$THINKBACK" "$work/tree/build/thinkback"
cp -R "$BUILD/tests/mount" "$work/tree/build/tests/mount"
cp -R "$root/tests/data" "$root/tests/mount" "$root/tests/support" "$root/tests/demo" "$work/tree/tests"
chown -R 65534:65534 "$work/tree" "$work/home"

# as_nobody COMMAND...: in a mount namespace with a /dev/fuse that anybody may open, as udev makes it.
as_nobody() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --propagation private sh -c '
		set -eu
		device=$1
		shift
		mknod "$device" c 10 229
		chmod 666 "$device"
		mount --bind "$device" /dev/fuse
		rm "$device"
		exec "$@"' sh "$work/fuse" \
		setpriv --reuid=65534 --regid=65534 --clear-groups env -i PATH="$PATH" HOME="$work/home" \
		TMPDIR="$work/home" THINKBACK="$work/tree/build/thinkback" BUILD="$work/tree/build" \
		ASAN_OPTIONS="${ASAN_OPTIONS:-}" UBSAN_OPTIONS="${UBSAN_OPTIONS:-}" \
		TSAN_OPTIONS="${TSAN_OPTIONS:-}" "$@"
}
expect 0 as_nobody id -u
equal 65534 "$(cat "$work/out")" 'the user'
cd "$work/home"
for scenario in levels writers death; do
	as_nobody bash "$work/tree/tests/mount/$scenario.sh" </dev/null || fail "$scenario.sh as nobody"
done
expect 0 as_nobody bash "$work/tree/tests/demo"
says out '^the same$'
equal '' "$(ls -A "$work/home")" 'what is left in the home directory'
