#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What others make of what we export: OpenTelemetry's own classes, span by span, and the real
# Collector. As root, after make.
#
#     BUILD=build tests/interop/run.sh [SPANS]
#
# SPANS: how many (100000); 1000000 is what make throughput runs, and takes a few minutes.
set -u
cd "$(dirname "$0")/../.." || exit 1
here=tests/interop
build=${BUILD:-build}
programs=$build/tests/interop
spans=${1:-100000}
passed=0 failed=0 skipped=0

# suite NAME COMMAND...: adds up the closing lines "N passed, N failed", or unittest's.
suite() {
	name=$1
	shift
	echo "-- $name"
	"$@" >"$programs/$name.log" 2>&1
	status=$?
	cat "$programs/$name.log"
	line=$(tail -n 1 "$programs/$name.log")
	case $line in
	[0-9]*" passed, "*" failed")
		p=${line%% passed*} f=${line#* passed, }
		f=${f%% failed*}
		;;
	OK*)
		p=$(sed -n 's/^Ran \([0-9]*\) test.*/\1/p' "$programs/$name.log") f=0
		;;
	*) p=0 f=1 ;;
	esac
	[ $status -eq 0 ] || [ "$f" -gt 0 ] || f=1
	passed=$((passed + p)) failed=$((failed + f))
}

skip() {
	echo "-- $1"
	echo "  SKIP  $2"
	skipped=$((skipped + 1))
}

# The agent's objects; not those of sources that were there once.
objects() {
	find exporter userspace -name '*.c' ! -name main.c | sed "s|.*|$build/&|; s|c\$|o|"
}

# program NAME ARGUMENT...: compiles one of ours.
program() {
	name=$1
	shift
	${CC:-cc} -O2 -g -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Iusdt -Iexporter -o "$programs/$name" "$here/$name.c" "$@" ||
		exit 1
}

mkdir -p "$programs"
program receiver
program producer -lpthread
# shellcheck disable=SC2046 # a list of files, and one of words
program encode_dump -Iuserspace/intake $(objects) \
	$(pkg-config --cflags --libs libbpf libelf libcurl zlib libmicrohttpd) -lpthread -lm
python=$($here/python_env.sh) || {
	echo "  cannot install OpenTelemetry's Python packages"
	echo "0 passed, 1 failed"
	exit 1
}

suite encodings "$python" $here/encode_test.py "$programs/encode_dump"
suite semconv "$python" $here/semconv_test.py
if [ "$(id -u)" -ne 0 ]; then
	skip metrics "this is not root"
	skip seeds "this is not root"
	skip bad "this is not root"
	skip w3c "this is not root"
	skip throughput "this is not root"
	skip flap "this is not root"
	skip collector "this is not root"
else
	suite metrics "$python" $here/metrics_test.py "$build"
	suite seeds "$python" $here/seeds/run.py
	suite bad "$python" $here/bad_test.py "$build"
	suite w3c python3 $here/w3c/run.py
	suite throughput "$python" $here/throughput.py --spans "$spans" "$build"
	suite flap "$python" $here/flap.py "$build"
	collector=$($here/collector_build.sh 2>"$programs/collector_build.log")
	case $? in
	0) suite collector "$python" $here/collector.py --spans "$spans" "$collector" "$build" ;;
	77) skip collector "$(cat "$programs/collector_build.log")" ;;
	*)
		cat "$programs/collector_build.log"
		failed=$((failed + 1))
		;;
	esac
fi
if [ $skipped -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
