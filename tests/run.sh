#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the suites named (all without a name), each with its output as it comes, and adds up what
# passed. A suite ends with a line "N passed, N failed" or "N passed, N failed, N skipped"; the unit
# tests are cmocka programs. The last line is the sum.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
passed=0 failed=0 skipped=0 summary=""

# add NAME STATUS SECONDS: takes the closing line out of the suite's log.
add() {
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$build/tests/$1.log" | tail -n 1)
	if [ -z "$line" ]; then
		line="0 passed, 1 failed"
		echo "$1: ended without its closing line, status $2"
	elif [ "$2" -ne 0 ] && [ "${line#*, 0 failed}" != "$line" ]; then
		echo "$1: status $2 although nothing failed"
		line="${line%% passed*} passed, 1 failed"
	fi
	p=${line%% passed*} rest=${line#* passed, }
	f=${rest%% failed*} s=0
	case $rest in *skipped*) s=${rest#* failed, } s=${s%% skipped*} ;; esac
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	summary="$summary$(printf '  %-10s %5d passed %3d failed %3d skipped %4d s' "$1" "$p" "$f" "$s" "$3")
"
}

# suite NAME COMMAND...
suite() {
	name=$1 began=$(date +%s)
	shift
	echo "== $name"
	mkdir -p "$build/tests"
	# The status of the command, although tee is what the shell waits for.
	{ { "$@" 2>&1; echo $? >"$build/tests/$name.status"; } | tee "$build/tests/$name.log"; }
	add "$name" "$(cat "$build/tests/$name.status")" $(($(date +%s) - began))
}

unit() {
	p=0 f=0
	# shellcheck disable=SC2016 # the inner shell expands these
	printf '%s\n' "$build"/tests/unit/*_test |
		xargs -P "$(nproc)" -I '{}' sh -c '"$1" >"$1.log" 2>&1; echo $? >"$1.status"' - '{}'
	for t in "$build"/tests/unit/*_test; do
		[ -x "$t" ] || continue
		out=$(cat "$t.log")
		status=$(cat "$t.status")
		# Quiet when all is well: a line for each program.
		n=$(printf '%s\n' "$out" | sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' | tail -n 1)
		b=$(printf '%s\n' "$out" | sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s), listed below.*/\1/p' | tail -n 1)
		if [ "$status" -ne 0 ]; then
			printf '%s\n' "$out"
			[ -n "$b" ] || b=1
		fi
		printf '  %-14s %s passed\n' "$(basename "$t" _test)" "${n:-0}"
		p=$((p + ${n:-0})) f=$((f + ${b:-0}))
	done
	echo "$p passed, $f failed"
	[ $f -eq 0 ]
}

[ $# -gt 0 ] || set -- unit compile docs kernel interop sanitize
for s in "$@"; do
	case $s in
	unit) suite unit unit ;;
	compile) suite compile tests/compile/run.sh ;;
	docs) suite docs python3 tests/compile/docs_test.py ;;
	kernel) suite kernel python3 tests/kernel/run.py ;;
	interop) suite interop tests/interop/run.sh ;;
	sanitize) suite sanitize tests/sanitize.sh ;;
	*)
		echo "there is no suite $s" >&2
		exit 2
		;;
	esac
done
echo "== all"
printf '%s' "$summary"
if [ $skipped -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
