#!/bin/bash
# Confined workers and a live server, with a password and over TLS: what is copied into a mount is
# restored, and so is what a worker by hand finds. They cannot write the catalogue or a pack.
# Passwords are nowhere but in the memory of a worker, which is not dumped.
# Promises: 8, 9.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/live/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../live/lib.sh"
ulimit -S -c "$(ulimit -H -c)"

# A server with a password, and a way to it over TLS; certificates bear the name that is looked up.
secret=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
echo "$secret" >"$work/password"
echo 'something else' >"$work/wrong"
node "$live/reqlite.js" "$work/password" >"$work/reqlite.port" 2>"$work/reqlite.log" &
later kill $!
port_of "$work/reqlite.port"
address=127.0.0.1:$port
export THINKBACK_TEST_PASSWORD=$secret
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost -keyout "$work/server.key" -out "$work/ca.pem" >"$work/openssl.log" 2>&1
peer "$address" tls "$work/server.key" "$work/ca.pem"
plain=rethinkdb://$address encrypted=rethinkdb://localhost:$port

server query 'r.dbCreate("shop")' >"$work/q"
server query 'r.db("shop").tableCreate("docs")' >"$work/q"
server query 'r.db("shop").table("docs").insert(r.range(9).map((n) => ({id: n, v: "old"})).coerceTo("array"))' >"$work/q"
expect 0 "$THINKBACK" init "$repo"
expect 0 tb snapshot --password-file "$work/password" "$plain"
expect 1 tb snapshot --password-file "$work/wrong" "$plain"
server query 'r.db("shop").table("docs").update({v: "new"})' >"$work/q"
tb -v worker --once --target "$work/none" >"$work/out" 2>&1
landlock=yes
! grep -q 'no Landlock' "$work/out" || landlock=
old() {
	server query 'r.db("shop").table("docs").filter({v: "old"}).map((d) => d("id")).coerceTo("array")' |
		jq -c sort
}
equal '[]' "$(old)" 'old documents'

# confined: the worker cannot write to a file of the catalogue's, or to a pack, and dumps no core.
confined() {
	local pid fd name
	soon 30 workers >"$work/pid" || fail 'no worker gives up its privileges'
	pid=$(cat "$work/pid")
	soon 30 has_open "$pid" "$repo/catalog.db" || fail 'the worker has no catalogue open'
	equal '0 0' "$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$pid/limits")" 'size of a core dump'
	[ -n "$landlock" ] || return 0
	for fd in "/proc/$pid/fd"/*; do
		name=$(readlink "$fd") || continue
		case $name in
		"$repo/catalog.db" | "$repo/catalog.db-wal" | "$repo/packs"* | "$repo/lock")
			# The flags are octal; the last digit's low two bits are the access mode.
			equal 0 "$(awk '$1 == "flags:" { print substr($2, length($2)) % 4 }' "/proc/$pid/fdinfo/${fd##*/}")" "writing to $name"
			;;
		esac
	done
}
has_open() {
	find "/proc/$1/fd" -lname "$2" 2>/dev/null | grep -q .
}
restored() {
	[ "$(tb --json queue list | jq -s --arg s "done" 'map(select(.state == $s)) | length')" -eq "$1" ]
}

mount_start -o "target=$plain,password-file=$work/password"
cp "$mnt/shop/docs/shard-00/latest/=1.json" "$mnt/shop/docs/"
soon 60 restored 1 || fail "not restored: $(tb queue list)"
confined
mount_stop
equal '[1]' "$(old)" 'restored by the worker of a mount'

mount_start -o "target=$encrypted,password-file=$work/password,tls-cert=$work/ca.pem"
saved=$mnt/shop/docs/shard-00/latest
cp "$saved/=2.json" "$saved/=3.json" "$mnt/shop/docs/"
soon 60 restored 3 || fail "not restored: $(tb queue list)"
confined
# One that is killed has a successor, as confined.
first_worker=$(workers)
kill -KILL "$first_worker"
another() {
	workers | grep -vqx "$first_worker"
}
soon 60 another || fail 'no other worker'
cp "$saved/=4.json" "$mnt/shop/docs/"
soon 60 restored 4 || fail "not restored: $(tb queue list)"
confined
mount_stop
equal '[1,2,3,4]' "$(old)" 'restored over TLS'

# By hand, beside a mount and on its own; the databases are as before when it has ended.
mount_start -o noworker
cp "$saved/=5.json" "$mnt/shop/docs/"
expect 0 tb worker --once --target "$encrypted" --password-file "$work/password" --tls-cert "$work/ca.pem"
cp "$saved/=6.json" "$saved/=7.json" "$mnt/shop/docs/"
mount_stop
expect 0 tb worker --once --target "$plain" --password-file "$work/password"
equal 'catalog.db lock packs queue.db scratch' "$(entries "$repo")" 'what workers leave behind'
equal '[1,2,3,4,5,6,7]' "$(old)" 'restored by hand'
"$THINKBACK" -r "$repo" worker --target "$plain" --password-file "$work/password" 2>"$work/worker.log" &
by_hand=$!
later kill "$by_hand"
confined
equal "$by_hand" "$(workers)" 'confined workers'
no_process "$secret" || fail 'the password is in a command line'
kill "$by_hand"
wait "$by_hand" || fail 'the worker did not end well'
soon 20 no_process "$repo" || fail "left over: $(processes "$repo")"
equal 'catalog.db lock packs queue.db scratch' "$(entries "$repo")" 'what a worker leaves behind'

# The wrong password is refused, and neither is to be read anywhere.
mount_start -o "target=$plain,password-file=$work/wrong"
cp "$saved/=8.json" "$mnt/shop/docs/"
soon 60 grep -q 'worker: .*password' "$work/mount.log" || fail 'nothing is said of the wrong password'
mount_stop
expect 0 tb -v queue list
expect 0 tb --json queue show 8
for word in "$secret" 'something else'; do
	! grep -rlaF -- "$word" "$repo" "$work"/*.log "$work/out" "$work/err" || fail "\"$word\" was written down"
done
