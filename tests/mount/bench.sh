#!/bin/bash
# The benchmark runs: few documents, one round, without peers. What it measures is not looked at, but
# all that is asked for is measured, and every subject has to serve the same bytes.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir "$work/bench"
expect 0 tests/bench/run -n 200 --no-peers --rounds 1 --keep-caches --build "$BUILD" \
	--work "$work/bench" --target "$work/bench" --out "$work/result" \
	--only read,random,find,rsync,dates,ready
for measure in 'read all, cold' 'read all, second time' 'read 5000 at random, cold' \
	'find -size \+1k, cold' 'rsync -a to an empty directory' 'rsync -aH of dates, -o ro' \
	'mount to first listing'; do
	says result/bench.txt "^$measure\$"
done
for subject in 'thinkback -o ro' thinkback null directory; do
	equal 5 "$(grep -cE "^  $subject  +[0-9.]+ m?s" "$work/result/bench.txt")" "times of $subject"
done
python3 - "$work/result" <<'END'
import json, sys, xml.dom.minidom
told = json.load(open(sys.argv[1] + "/bench.json", encoding="utf-8"))
assert told["documents"] == 200 and len(told["results"]) == 8, told
xml.dom.minidom.parse(sys.argv[1] + "/bench.svg")
END
equal '' "$(ls "$work/bench")" 'left behind'
