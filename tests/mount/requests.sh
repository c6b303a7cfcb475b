#!/bin/bash
# What the kernel asks a mount: libfuse's own log of requests counts them. Where nothing can be
# written, opening and closing ask nothing, a document is asked for once, and a listing brings all
# attributes. Where something can be, a document costs an open, and its bytes are asked for once.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
repository "$first"
directory=$mnt/shop/products/shard-00/$day1
find_args=(-type f -name '*.json' -not -name '.*')

# asked OPCODE: how often, since the last forget_asked.
forget_asked() {
	seen=$(wc -l <"$work/mount.log")
}
asked() {
	sed "1,${seen}d" "$work/mount.log" | awk -v what="opcode: $1 " 'index($0, what) { n++ } END { print n + 0 }'
}
at_most() {
	[ "$2" -le "$1" ] || fail "$3: $2, at most $1 expected"
}

mount_start -o ro,debug
forget_asked
find "$directory" "${find_args[@]}" -size +0 >"$work/names"
documents=$(wc -l <"$work/names")
[ "$documents" -gt 10 ] || fail "only $documents documents to read"
# The directories above, and .table.json.
at_most 8 "$(asked LOOKUP)" 'lookups of a listing with sizes'
at_most 8 "$(asked GETATTR)" 'getattrs of a listing with sizes'
for pass in 1 2; do
	forget_asked
	tr '\n' '\0' <"$work/names" | xargs -0 cat >"$work/pass$pass"
	at_most 1 "$(asked OPEN)" "opens of pass $pass"
	at_most 1 "$(asked FLUSH)" "flushes of pass $pass"
	equal 0 "$(asked RELEASE)" "releases of pass $pass"
	equal 0 "$(asked GETATTR)" "getattrs of pass $pass"
	equal $((pass == 1 ? documents : 0)) "$(asked READ)" "reads of pass $pass"
done
cmp "$work/pass1" "$work/pass2"
forget_asked
ls -l "$directory" >/dev/null
at_most 2 $(($(asked GETXATTR) + $(asked LISTXATTR))) 'questions for extended attributes'
mount_stop

mount_start -o noworker,debug
for pass in 1 2; do
	forget_asked
	tr '\n' '\0' <"$work/names" | xargs -0 cat >"$work/pass$pass"
	equal "$documents" "$(asked OPEN)" "opens of pass $pass where files can be copied in"
	equal 0 "$(asked FLUSH)" "flushes of pass $pass where files can be copied in"
	equal $((pass == 1 ? documents : 0)) "$(asked READ)" "reads of pass $pass, likewise"
done
cmp "$work/pass1" "$work/pass2"
mount_stop
