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
expect 3 tb snapshot -e shop.coupons -e shop.nothing "rethinkdb://$address"
complaint 'no source has a table shop.nothing'

# Two in one second are two dates; where the clock is behind what is there, that is said.
for _ in 1 2 3; do
	expect 0 tb --json snapshot -e shop.coupons "rethinkdb://$address"
done
equal 0 "$(tb --json list shop.coupons | jq -r .date | sort | uniq -d | wc -l)" 'dates that stand twice'
equal 6 "$(tb --json list shop.coupons | wc -l)" 'dates'
expect 0 tb snapshot --at 2099-01-01T00:00:00Z -e shop.coupons "$third"
expect 1 tb snapshot -e shop.coupons "rethinkdb://$address"
complaint 'the clock says .* already holds shop.coupons of 2099-01-01T00-00-00Z: set the clock right'
expect 0 tb forget shop.coupons 2099-01-01T00-00-00Z
expect 0 tb snapshot -e shop.coupons "rethinkdb://$address"

# What a hostile archive calls the name of an index does not reach the server as a command.
mkdir -p "$work/evil/evil"
# shellcheck disable=SC2016 # "$reql_type$" is no variable
printf '{"primary_key":"id","indexes":[{"index":[61,[[14,["shop"]],"coupons"]],"function":%s}]}\n' \
	'{"$reql_type$":"BINARY","data":"eA=="}' >"$work/evil/evil/orders.info"
printf '[{"id":1}]\n' >"$work/evil/evil/orders.json"
expect 0 tb snapshot --at 2026-11-18T00:00:00Z "$work/evil"
expect 1 tb restore -e evil "rethinkdb://$address"
complaint 'evil.orders not restored: the snapshot has an index whose name is not a string'
expect 0 tb snapshot -e shop.coupons "rethinkdb://$address"
