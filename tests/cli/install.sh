#!/bin/bash
# make install puts everything in its place under DESTDIR, and uninstall takes exactly that away.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
[ -x "$BUILD/thinkback" ] || fail "no program in $BUILD"

# The steps of make install, with the program under test.
installer() {
	env PREFIX=/opt/tb DESTDIR="$work/root" BINDIR=/opt/tb/bin SBINDIR=/opt/tb/sbin \
		MANDIR=/opt/tb/share/man DOCDIR=/opt/tb/share/doc/thinkback UNITDIR=/etc/systemd/system \
		SYSCONFDIR=/etc BINARY="$BUILD/thinkback" "$root/fs/install" "$1"
}
mkdir -p "$work/root/opt/tb/share/man/man1" "$work/root/etc/systemd/system"
: >"$work/root/opt/tb/share/man/man1/other.1"
expect 0 installer install
silent err
installed=$work/root/opt/tb
for file in bin/thinkback sbin/mount.thinkback share/man/man1/thinkback.1 share/man/man5/thinkback-pack.5 \
	share/man/man5/thinkback-catalog.5 share/man/man7/thinkback-names.7 share/doc/thinkback/README.md \
	share/bash-completion/completions/thinkback share/zsh/site-functions/_thinkback \
	share/fish/vendor_completions.d/thinkback.fish; do
	[ -s "$installed/$file" ] || fail "$file is not installed"
done
expect 0 "$installed/bin/thinkback" --version
for unit in thinkback-mount@.service thinkback-snapshot@.service thinkback-snapshot@.timer; do
	file=$work/root/etc/systemd/system/$unit
	[ -s "$file" ] || fail "$unit is not installed"
	! grep -E 'BINDIR|SYSCONFDIR' "$file" || fail "$unit has a placeholder"
	[[ $unit == *.timer ]] || grep -q '/opt/tb/bin/thinkback' "$file" || fail "$unit starts something else"
done
equal 0 "$(find "$work/root" -type f -perm /022 | wc -l)" 'files that others may write'

expect 0 installer install
expect 0 installer uninstall
silent err
equal "$installed/share/man/man1/other.1" "$(find "$work/root" -type f)" 'files left after uninstall'
expect 0 installer uninstall
expect 2 installer something

# The variables of the Makefile reach it.
expect 0 make -n -C "$root" install DESTDIR=/d PREFIX=/usr SYSCONFDIR=/etc
says out "PREFIX='/usr' DESTDIR='/d' BINDIR='/usr/bin' MANDIR='/usr/share/man'"
