#!/bin/bash
# The examples of the manual and of the README are true: every line of them runs, in a directory that
# stands for the root. Lines that name a server are left out: tests/live runs such commands.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir -p "$work/bin"
ln -s "$THINKBACK" "$work/bin/thinkback"
export PATH=$work/bin:$PATH

# run_examples ROOT MOUNTPOINT FILE: run the commands in a world of its own below ROOT.
run_examples() {
	mkdir -p "$1"/{srv,mnt/backups,var/backups/rethinkdb,elsewhere,tmp}
	cp "$first" "$second" "$third" "$1/var/backups/rethinkdb"
	mnt=$1/${2#/}
	later fusermount3 -u -z "$mnt"
	{
		echo 'set -eu'
		sed -E "s#(^|[ =>'])/(srv|mnt|var|elsewhere|tmp)/#\1$1/\2/#g" "$3"
	} >"$1.script"
	bash -x "$1.script" >"$work/out" 2>"$1.log" </dev/null || fail "an example fails"
	! is_mounted || fail 'the last example does not unmount'
}

awk '/^\.Sh/ { on = /EXAMPLES/ } /^\.Ed/ { literal = 0 } on && literal { print } /^\.Bd/ { literal = 1 }' \
	"$root/man/thinkback.1" >"$work/manual"
grep -vE '^(\$ |    )' "$work/manual" >"$work/odd" || true
silent odd
[ "$(grep -c '^\$ ' "$work/manual")" -ge 15 ] || fail 'the manual has few examples'
sed 's/^\$ //; s/\\e$/\\/' "$work/manual" | grep -vF rethinkdb:// >"$work/commands"
run_examples "$work/one" /mnt/backups "$work/commands"
says out '^2026-11-18T03-00-00Z +shop.orders'
says out '"order_no":333,'
says out '/SKU-0001.json$'
says out '=333.json'
equal 3 "$("$THINKBACK" -r "$work/one/elsewhere/again" --json list shop.orders | wc -l)" 'snapshots of the copy'
# The restores that were copied in are carried out by the worker of the mount or the next one.
"$THINKBACK" -r "$work/one/srv/backups" worker --once --target "$work/one/srv/restores" >/dev/null
equal 1 "$(jq length "$work/one/srv/restores/shop/orders.json")" 'orders restored'
equal 400 "$(jq length "$work/one/srv/restores/shop/products.json")" 'products restored'

awk '/^## / { on = /Five minutes|Try/ } on && /^    / { print substr($0, 5) }' "$root/README.md" >"$work/readme"
for line in 'make demo' 'make test' 'make && sudo make install' 'rethinkdb import -d'; do
	grep -qF "$line" "$work/readme" || fail "the README does not show $line"
done
grep -vE '^(make|rethinkdb) |rethinkdb://' "$work/readme" >"$work/commands"
run_examples "$work/two" /tmp/mnt "$work/commands"
says out '^2026-11-18T03-00-00Z +shop.orders'
says out '"id":"SKU-0001".*"price":0,'
says out 'SKU-0001.json'
diff -r "$work/one/elsewhere/shop" "$work/two/elsewhere/shop"
