#!/bin/bash
# A repository that nobody can write to, for its file system or its modes forbid it: everything that
# only reads does its work, what would write says so, and nothing is changed.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$first" "$second"
tb --json list >"$work/listed"
mkdir "$work/frozen"

# reads COMMAND...: what only reads works, through that command.
reads() {
	"$@" --json list >"$work/got" || fail "list: $?"
	same "$work/listed" "$work/got"
	expect 0 "$@" check --read-data
	expect 0 "$@" queue
	expect 0 "$@" ls shop
	rm -rf "$work/target"
	mkdir -m 777 "$work/target"
	expect 0 "$@" restore "$work/target/all"
	equal 399 "$(jq -s '.[] | length' "$work/target/all/shop/products.json")" 'products'
	expect 0 "$@" export -e shop.products "$work/target/one.tar.gz"
}

# refuses TEXT COMMAND...: what writes is refused with that text.
refuses() {
	local text=$1
	shift
	expect 1 "$@" snapshot "$third"
	complaint "$text"
	expect 1 "$@" rebuild
	complaint "$text"
}

# Whoever has all rights can write where nobody may: then this is for nobody to see.
as_nobody=()
if [ "$(id -u)" -eq 0 ]; then
	echo "- a read-only file system"
	mount --bind "$repo" "$work/frozen"
	later umount "$work/frozen"
	mount -o remount,ro,bind "$work/frozen"
	reads "$THINKBACK" -r "$work/frozen"
	refuses 'Read-only file system' "$THINKBACK" -r "$work/frozen"
	as_nobody=(runuser -u nobody --)
fi

echo "- modes that let nobody write"
cp -a "$repo" "$work/closed"
[ "$(id -u)" -ne 0 ] || chown -R nobody "$work/closed"
chmod -R a-w "$work/closed"
chmod 711 "$work"
find "$work/closed" -printf '%P %s %T@\n' | sort >"$work/before"
reads "${as_nobody[@]}" "$THINKBACK" -r "$work/closed"
refuses 'Permission denied|can only be read' "${as_nobody[@]}" "$THINKBACK" -r "$work/closed"
find "$work/closed" -printf '%P %s %T@\n' | sort >"$work/after"
same "$work/before" "$work/after"
chmod -R u+w "$work/closed"
