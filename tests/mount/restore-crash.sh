#!/bin/bash
# What was answered with success survives: the mount is killed right after a close, an fsync, a rename;
# the worker is killed again and again while it works. Nothing is lost, nothing is half.
# Promises: 1, 3.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$first"
orders=$mnt/shop/orders
doc=$work/=333.json

# A writer that holds its file open and says when it has been told that all is well.
cat >"$work/writer.py" <<'END'
import os, sys, time
how, path, data = sys.argv[1], sys.argv[2], open(sys.argv[3], "rb").read()
temporary = os.path.join(os.path.dirname(path), ".temporary")
fd = os.open(temporary if how == "rename" else path, os.O_WRONLY | os.O_CREAT, 0o600)
os.write(fd, data)
if how == "fsync":
    os.fsync(fd)
elif how == "rename":
    os.rename(temporary, path)
else:
    os.close(fd)
print("told", flush=True)
time.sleep(60)
END

# kills WRITER: first the mount, then the one who writes into it.
kills() {
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null || true
	kill -KILL "$1"
	wait "$1" 2>/dev/null || true
	unmount
}
number=0
for how in close fsync rename; do
	mount_start -o noworker
	[ -s "$doc" ] || cp "$orders/shard-00/$day1/=333.json" "$doc"
	coproc writer { exec python3 "$work/writer.py" "$how" "$orders/$how.json" "$doc"; }
	# shellcheck disable=SC2154 # coproc sets it
	pid=$writer_PID
	read -r -t 20 -u "${writer[0]}" said || fail "$how: no answer"
	equal told "$said" "$how"
	kills "$pid"
	number=$((number + 1))
	equal "$number" "$(tb queue list --json --state pending | wc -l)" "restores after a kill behind $how"
	tb queue show "$number" --payload >"$work/payload"
	same "$doc" "$work/payload"
	equal "$how.json" "$(tb queue show "$number" --json | jq -r .name)" 'its name'
done

# What was not told to be well leaves nothing: no file, no temporary file in the repository.
mount_start -o noworker
python3 -c '
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(fd, b"{\"order_no\": 1, " + b" " * 1000000)
print("written", flush=True)
time.sleep(60)' "$orders/half.json" >"$work/out" &
pid=$!
soon 20 grep -q written "$work/out" || fail 'nothing written'
kills "$pid"
equal "$number" "$(tb queue list --json | wc -l)" 'restores after a kill in the middle'
equal 'catalog.db lock packs queue.db scratch' "$(find "$repo" -maxdepth 1 -mindepth 1 \
	! -name '*-wal' ! -name '*-shm' -printf '%f\n' | sort | xargs)" 'files in the repository'

# A worker that is killed at random moments: in the end all is there, once.
mount_start -o noworker
for document in "$orders/shard-00/$day1"/*.json; do
	case ${document##*/} in
	.*) ;;
	*) [ "$number" -ge 303 ] || cp "$document" "$orders/" && number=$((number + 1)) ;;
	esac
done
mount_stop
number=$(tb queue list --json --state pending | wc -l)
[ "$number" -ge 100 ] || fail "only $number restores"
for pause in 0.02 0.05 0.1 0.2 0.3 0.5; do
	"$THINKBACK" -r "$repo" worker --target "$work/target" >>"$work/worker.log" 2>&1 &
	pid=$!
	sleep "$pause"
	kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	if [ -e "$work/target/shop/orders.json" ]; then
		jq -e 'length > 0' "$work/target/shop/orders.json" >"$work/out" || fail 'half a file'
	fi
	# Nobody waits for the leases here.
	sqlite3 "$repo/queue.db" "UPDATE restores SET lease_until = 1 WHERE state = 'running'"
done
expect 0 tb worker --once --target "$work/target"
equal "$number" "$(tb queue list --json --state 'done' | wc -l)" 'restores that are done'
tb queue list --json | jq -r .id | while read -r id; do
	tb queue show "$id" --payload
done | jq -cS . | sort -u >"$work/want"
jq -cS '.[]' "$work/target/shop/orders.json" | sort >"$work/got"
same "$work/want" "$work/got"
equal '' "$(find "$work/target" -name '.*' -type f)" 'temporary files in the target'
