#!/bin/bash
# check finds every byte that was changed, says in which file, and records when all was well.
# shellcheck source=tests/support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
repository "$first" "$second"
equal null "$(tb --json list | jq -r .verified | sort -u)" 'verified before a check'
expect 0 tb check
equal null "$(tb --json list | jq -r .verified | sort -u)" 'verified after a check without reading'
expect 0 tb check --read-data
says out 'no problems'
tb --json list | jq -r .verified | grep -c "^20" >"$work/verified"
equal "$(tb --json list | wc -l)" "$(cat "$work/verified")" 'snapshots verified'
expect 0 tb --json check --read-data
equal 0 "$(jq .problems "$work/out")" 'problems'
equal "$(oracle counts "$first" "$second" | awk '{ n += $4 + $5 } END { print n }')" \
	"$(jq .versions "$work/out")" 'versions'

cp -a "$repo" "$work/whole"
mapfile -t files < <(find "$repo/packs" -type f -printf '%s %p\n' | sort -n | cut -d' ' -f2-)
# One byte at the start, the end, and in between, of the smallest, a middle and the largest file.
for file in "${files[0]}" "${files[${#files[@]} / 2]}" "${files[-1]}"; do
	size=$(stat -c %s "$file")
	for offset in 0 9 $((size / 4)) $((size / 2)) $((size - 40)) $((size - 1)); do
		oracle flip "$file" "$offset"
		expect 1 tb check --read-data
		[ "$(wc -l <"$work/err")" -ge 1 ] || fail "byte $offset of $file: nothing said"
		expect 1 tb --json check --read-data
		equal true "$(jq -s 'map(select(.event == "check"))[0].problems > 0' "$work/out")" "byte $offset of $file"
		oracle flip "$file" "$offset"
	done
	mv "$file" "$work/away"
	expect 1 tb check
	mv "$work/away" "$file"
	cp "$file" "$work/away"
	printf x >>"$file"
	expect 1 tb check
	cp "$work/away" "$file"
done
expect 0 tb check --read-data
diff -r "$repo/packs" "$work/whole/packs"
# Files that nobody knows are told of, or left alone: never a crash.
printf 'x' >"$repo/packs/unknown"
"$THINKBACK" -r "$repo" check >"$work/out" 2>&1 || [ $? -eq 1 ] || fail 'check on a foreign file'
