# shellcheck shell=bash
# Snapshots of a live server: reqlite from npm, filled through the official driver.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/../live/lib.sh"

node "$live/reqlite.js" >"$work/reqlite.port" 2>"$work/reqlite.log" &
later kill $!
port_of "$work/reqlite.port"
address=127.0.0.1:$port prefix=

"$live/run" "$address"

# What an archive has brought is not stored again. (This server takes no arrays as keys and has no
# -0: of the table with all kinds of keys three are gone and one is another document.)
mkdir "$work/filled"
server fill "$work/filled" >"$work/fill.log"
repository "$third"
expect 0 tb --json snapshot -e shop "rethinkdb://$address"
silent err
for table in orders products coupons; do
	equal '0 0 0' "$(counts "shop.$table")" "new, changed, deleted of $table"
done
equal '0 1 3' "$(counts shop.keys)" 'new, changed, deleted of keys'
