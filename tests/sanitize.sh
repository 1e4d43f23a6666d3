#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The agent with AddressSanitizer and UBSan (unit tests, fuzzing, the kitchen, many spans), with
# ThreadSanitizer, and under valgrind; programs that include our headers with all three sanitizers.
# As root, after make; makes the sanitized builds itself, below $BUILD.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
work=$build/tests/sanitize
kitchen=$build/examples/kitchen
spans=${SPANS:-50000}
passed=0 failed=0 skipped=0
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1

complaint='ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer|runtime error:'

# check NAME COMMAND...: it must succeed, and no sanitizer may have a complaint.
check() {
	name=$1
	shift
	"$@" >"$work/log" 2>&1
	status=$?
	if [ $status -eq 0 ] && ! grep -qE "$complaint" "$work/log"; then
		echo "  ok    $name"
		passed=$((passed + 1))
		return
	fi
	echo "  FAIL  $name: status $status"
	head -n 60 "$work/log" | sed 's/^/        /'
	failed=$((failed + 1))
}

skip() {
	echo "  SKIP  $1: $2"
	skipped=$((skipped + 1))
}

# all_exporters AGENT: the kitchen, with every way out, one of which nobody listens to. What is spooled
# for that one, the next agent finds.
all_exporters() {
	"$1" run -v -e "console=-,otlp_file=/dev/null,otlp=http://127.0.0.1:1/v1/traces" \
		--spool "$work/spool" -- "$kitchen"
}

# with_agent PROGRAM PARAMETER...: alone, then recorded.
with_agent() {
	rm -f "$work/spans.jsonl"
	"$@" && "$build/otel-bpf" run -v -e "otlp_file=$work/spans.jsonl" -- "$@"
}

# many AGENT_DIRECTORY SPANS RATE: the producer and the receiver are not sanitized. The agent is slow:
# the ring has room for all.
many() {
	mkdir -p "$1/tests/interop"
	cp "$work/producer" "$work/receiver" "$1/tests/interop" &&
		"$python" tests/interop/throughput.py --spans "$2" --rate "$3" --ring-size 64M "$1"
}

compilers=$(for c in gcc clang; do command -v $c >/dev/null && echo $c; done)

# Prints what compiles the programs that include our headers, by all compilers, with all sanitizers: a line each.
header_compilations() {
	for compiler in $compilers; do
		for sanitizers in address,undefined thread; do
			folder=$work/$compiler-$sanitizers
			mkdir -p "$folder"
			for source in compile/api interop/producer kernel/programs/sharing ../examples/kitchen/kitchen; do
				echo "$compiler -std=gnu11 -O1 -g -Iusdt -fsanitize=$sanitizers -fno-sanitize-recover=all" \
					"tests/$source.c -o $folder/$(basename $source) -lpthread"
			done
		done
	done
}

compile_header_programs() {
	header_compilations | xargs -P "$(nproc)" -I '{}' sh -c '{}'
}

# header_programs COMPILER SANITIZERS
header_programs() {
	folder=$work/$1-$2
	check "all of the API, $1, $2" with_agent "$folder/api"
	check "its spans" python3 tests/compile/spans.py "$work/spans.jsonl" api
	check "the kitchen, $1, $2" with_agent "$folder/kitchen"
	check "one span in many threads, $1, $2" with_agent "$folder/sharing"
	check "many spans, $1, $2" with_agent "$folder/producer" 20000 50000
}

# leaks PROGRAM [PARAMETER PARAMETER]: all memory must be given back, reachable or not.
leaks() {
	valgrind --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all --error-exitcode=9 \
		--suppressions=tests/valgrind.supp "$build/otel-bpf" run -v \
		-e "console=-,otlp_file=/dev/null,otlp=http://127.0.0.1:1/v1/traces" --spool "$work/spool" \
		-- "$1" ${2:+"$2" "$3"} &&
		grep -q 'All heap blocks were freed' "$work/log"
}

mkdir -p "$work"
cc -O2 -std=gnu11 -D_GNU_SOURCE -o "$work/receiver" tests/interop/receiver.c &&
	cc -O2 -std=gnu11 -D_GNU_SOURCE -Iusdt -o "$work/producer" tests/interop/producer.c -lpthread || exit 1

echo "-- agent, AddressSanitizer and UBSan"
asan=$build/sanitize
check "builds" make -s -j"$(nproc)" CFLAGS="-O1 -g" SANITIZE=address,undefined BUILD="$asan" tests
check "unit tests" env BUILD="$asan" tests/run.sh unit
check "fuzzing, for a moment" make -s fuzz FUZZ_SECONDS=2
if [ "$(id -u)" -ne 0 ]; then
	skip "all that records" "this is not root"
else
	python=$(tests/interop/python_env.sh) || exit 1
	check "the kitchen, all exporters" all_exporters "$asan/otel-bpf"
	check "$spans spans, paced and flat out" many "$asan" "$spans" 25000

	echo "-- agent, ThreadSanitizer"
	tsan=$build/sanitize-thread
	check "builds" make -s -j"$(nproc)" CFLAGS="-O1 -g" SANITIZE=thread BUILD="$tsan" "$tsan/otel-bpf"
	check "the kitchen, all exporters" all_exporters "$tsan/otel-bpf"
	check "$((spans / 5)) spans, paced and flat out" many "$tsan" $((spans / 5)) 10000

	echo "-- programs with otel/trace.h"
	check "builds" compile_header_programs
	for compiler in $compilers; do
		header_programs "$compiler" address,undefined
		header_programs "$compiler" thread
	done

	echo "-- agent, valgrind"
	if command -v valgrind >/dev/null; then
		check "no leak, no error: the kitchen" leaks "$kitchen"
		check "no leak, no error: $((spans / 10)) spans" leaks "$work/producer" $((spans / 10)) 5000
	else
		skip "leaks" "valgrind is not installed"
	fi
fi
if [ $skipped -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
