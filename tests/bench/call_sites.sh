#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How long attaching takes, and how much text a call site adds, in programs of 10 and of 10,000 call
# sites: call_sites.sh [BUILD]
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
dir=$build/bench/call_sites
mkdir -p "$dir"

# generate SITES FILE: functions of one span with one attribute and one event each.
generate() {
	awk -v n="$1" 'BEGIN {
		print "#include <otel/trace.h>"
		print "static otel_tracer tracer = OTEL_TRACER(\"sites\", \"1\");"
		for (i = 0; i < n; i++)
			printf "void site%d(int i) { OTEL_SPAN(span, &tracer, \"site %d\"); otel_set(span, otel_int(\"i\", i)); otel_event(span, \"e\"); }\n", i, i
		print "int main(void) { site0(1); return 0; }"
	}' >"$2"
}

text() { size "$1" | awk 'NR == 2 { print $1 }'; }

for n in 10 10000; do
	generate $n "$dir/sites$n.c"
	cc -std=gnu11 -O2 -Iusdt -o "$dir/sites$n" "$dir/sites$n.c"
	# The same functions without their calls: otel/trace.h has a switch for that.
	cc -std=gnu11 -O2 -Iusdt -DOTEL_BPF_DISABLE -o "$dir/empty$n" "$dir/sites$n.c"
	for _ in 1 2 3 4 5; do
		"$build/otel-bpf" run -v -e none -- "$dir/sites$n" 2>&1 |
			sed -n 's/.*attached to .* in \([0-9.]*\) ms/\1/p'
	done | sort -n | awk -v n=$n '{ v[NR] = $1 } END { printf "%6d call sites: attached in %s ms (median of %d)\n", n, v[int((NR + 1) / 2)], NR }'
done | tee "$dir/attached"
awk '{ ms[$1] = $6 } END { printf "10000 call sites take %.1f times as long as 10; target: as long\n", ms[10000] / ms[10] }' "$dir/attached"
small=$(($(text "$dir/sites10") - $(text "$dir/empty10")))
large=$(($(text "$dir/sites10000") - $(text "$dir/empty10000")))
echo "text: $(((large - small) / 9990)) bytes for each span with one attribute and one event, target: one call sequence for each of its four calls; $((small - (large - small) / 999)) once"
