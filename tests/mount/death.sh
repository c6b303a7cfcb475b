#!/bin/bash
# A mount whose process is killed answers ENOTCONN, never an empty directory, so that rsync --delete
# keeps the mirror; it can be taken down and mounted again. A signal ends it cleanly.
# Promises: 5.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository
mount_start
mkdir "$work/mirror"
rsync -a "$mnt/shop/" "$work/mirror/"
find "$work/mirror" | sort >"$work/want"

kill -KILL "$daemon"
wait "$daemon" || true
is_mounted || fail 'the mount went away with its process'
for path in "$mnt" "$mnt/shop" "$mnt/shop/orders/shard-00/latest" "$mnt/shop/empty/shard-00/$day1"; do
	equal ENOTCONN "$(probe errno stat "$path")" "$path of a dead mount"
	equal ENOTCONN "$(probe errno read "$path")" "$path of a dead mount, opened"
done
expect 2 ls "$mnt"
silent out
expect 23 rsync -a --delete "$mnt/shop/" "$work/mirror/"
find "$work/mirror" | sort >"$work/got"
same "$work/want" "$work/got"

soon 10 no_process "$repo" || fail "the worker of a dead mount lives: $(processes "$repo")"

unmount
mount_start
diff -r "$mnt/shop" "$work/mirror"
mount_stop

# A signal ends it, and its worker with it.
for signal in TERM INT HUP; do
	mount_start
	[ -n "$(processes "$repo")" ] || fail 'no process serves the mount'
	kill -"$signal" "$daemon"
	status=0
	wait "$daemon" || status=$?
	equal 0 "$status" "status after SIG$signal"
	! is_mounted || fail "still mounted after SIG$signal"
	equal '' "$(ls -A "$mnt")" 'the bare mountpoint'
	soon 10 no_process "$repo" || fail "left over after SIG$signal: $(processes "$repo")"
done

# But nohup keeps it, and its worker.
trap '' HUP
mount_start
trap 'exit 130' HUP
soon 20 workers >"$work/want" || fail 'no worker'
for pid in "$daemon" $(pgrep -f -- "-r $repo worker"); do
	kill -HUP "$pid"
done
sleep 1
workers >"$work/got" || fail 'the worker has ended'
same "$work/want" "$work/got"
equal 'shop telemetry' "$(entries "$mnt")" 'databases'
mount_stop

# A signal that comes before the mount has answered for the first time ends it, too.
for signal in TERM INT HUP TERM INT HUP; do
	env --default-signal=INT "$THINKBACK" -r "$repo" mount -f "$mnt" >>"$work/mount.log" 2>&1 </dev/null &
	daemon=$!
	until is_mounted; do :; done
	kill -"$signal" "$daemon"
	ended() {
		! kill -0 "$daemon" 2>/dev/null
	}
	soon 10 ended || fail "an early SIG$signal does not end the mount"
	status=0
	wait "$daemon" || status=$?
	equal 0 "$status" "status after an early SIG$signal"
	! is_mounted || fail "still mounted after an early SIG$signal"
	soon 10 no_process "$repo" || fail "left over after an early SIG$signal: $(processes "$repo")"
done

# Without -f it returns when the mount answers, and ends with the unmount.
expect 0 tb mount "$mnt"
silent out
is_mounted || fail 'mount came back without a mount'
equal 'shop telemetry' "$(entries "$mnt")" 'databases'
[ -n "$(processes "$repo")" ] || fail 'no process serves the mount'
unmount
soon 10 no_process "$repo" || fail "left over: $(processes "$repo")"
