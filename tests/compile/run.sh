#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Compiles api.c and api.cpp with every compiler that Debian has and that is installed, without a warning;
# links it with every linker, in the ways that have broken notes and semaphores before; looks at
# each image with readelf, runs it under the agent, and compares its spans with what they must be.
#
#     BUILD=build tests/compile/run.sh
#     tests/compile/run.sh JOB...        one of the jobs that it lists with V=1
set -u
here=$(dirname "$0")
cd "$here/../.." || exit 1
here=tests/compile
build=${BUILD:-build}
work=$build/tests/compile
flags="-Iusdt -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual -Wnull-dereference -Werror -Wno-unused-command-line-argument -ffunction-sections -fdata-sections"
gc=-Wl,--gc-sections

# ---- What a job is made of ----------------------------------------------------------------------

# run COMMAND...: it must succeed and say nothing.
run() {
	said=$("$@" 2>&1)
	status=$?
	[ $status -eq 0 ] && [ -z "$said" ] && return 0
	printf '%s\n%s\n' "$*" "$said" | head -n 30
	return 1
}

has() {
	command -v "$1" >/dev/null
}

# Can programs run under the agent here?
can_run() {
	[ -x "$build/otel-bpf" ] && [ "$(id -u)" -eq 0 ]
}

# image FILE: six notes of provider otel that point into code, .stapsdt.base and the semaphores, and
# one note of our own that is allocated.
image() {
	readelf -nSW "$1" | awk -v file="$1" '
		function bad(what) { print file ": " what; wrong = 1 }
		/^ *\[ *[0-9]+\] \./ {
			sub(/^ *\[ *[0-9]+\] /, "")
			address[$1] = $3; size[$1] = $5; flags[$1] = $7
			if ($1 == ".note.otel-bpf") ours++
		}
		/^  otel-bpf / { notes++ }
		/Provider: / { otel = /Provider: otel$/ }
		otel && /Name: / { names[$2]++; count++ }
		otel && /Location: / {
			gsub(/,|0x/, "")
			if (substr($4, length($4) - 7) != substr(address[".stapsdt.base"], length(address[".stapsdt.base"]) - 7))
				bad("base " $4 ", but .stapsdt.base is at " address[".stapsdt.base"])
			if ($6 ~ /^0*$/) bad("no semaphore")
			if ($2 ~ /^0*$/) bad("no location")
		}
		END {
			split("flush span_start span_end span_attribute span_event span_status", wanted)
			for (i in wanted) if (names[wanted[i]] != 1)
				bad(names[wanted[i]] + 0 " notes of otel:" wanted[i])
			if (count != 6) bad(count + 0 " stapsdt notes")
			if (ours != 1 || notes != 1) bad(notes + 0 " otel-bpf notes in " ours + 0 " sections")
			if (flags[".note.otel-bpf"] !~ /A/) bad(".note.otel-bpf is not allocated")
			if (!(".stapsdt.base" in address)) bad("no .stapsdt.base")
			if (!(".probes" in address)) bad("no .probes")
			exit wrong
		}'
}

# What the agent says to it, but for that api.c writes to a span that has ended, as it means to.
run_under_agent() {
	"$build/otel-bpf" run -e "otlp_file=$1.json" -- "$1" 2>"$1.err"
	status=$?
	grep -v ': a span was written to after its end, which changes nothing$' "$1.err"
	return $status
}

# spans PROGRAM PART...: alone it does what it should; with the agent, its spans are these, too.
spans() {
	program=$1
	shift
	run "$program" || return 1
	can_run || return 0
	run run_under_agent "$program" &&
		run python3 $here/spans.py "$program.json" "$@"
}

# ---- Jobs; each works in a directory of its own, $out -------------------------------------------

# shellcheck disable=SC2086 # $flags is a list of words
{
	# A C or C++ file, compiled only.
	c() {
		run "$@" $flags -c $here/api.c -o "$out/api.o"
	}
	cpp() {
		run "$@" $flags -x c++ -c $here/api.c -o "$out/api.o"
	}

	hpp() {
		run "$@" $flags -c $here/api.cpp -o "$out/api.o"
	}

	# propagation.c, too, and it does what it should, also if nothing remains of it.
	carries() {
		for switch in "" -DOTEL_BPF_DISABLE; do
			run "$@" $flags $switch $here/propagation.c -o "$out/propagation" &&
				run "$out/propagation" || return 1
		done
	}

	# refuses FILE COMPILER...: each LINE of it is an error, in which the compiler says what the comment does;
	# without one all compiles.
	refuses() {
		file=$here/$1
		shift
		run "$@" $flags -c -o "$out/refused.o" "$file" || return 1
		sed -n 's|^#elif LINE == \([0-9]*\) /\* \(.*\) \*/$|\1 \2|p' "$file" >"$out/lines"
		[ "$(wc -l <"$out/lines")" -gt 1 ] || return 1
		while read -r line words; do
			if "$@" $flags -DLINE="$line" -c -o "$out/refused.o" "$file" >"$out/said" 2>&1 ||
				! grep error "$out/said" | grep -qE "$words"; then
				echo "line $line: $(head -n 3 "$out/said")"
				return 1
			fi
		done <"$out/lines"
	}

	# otel/trace.hpp says what it needs, and no more.
	too_old() {
		! "$@" $flags -c -o "$out/api.o" $here/api.cpp >"$out/said" 2>&1 &&
			grep error "$out/said" | head -n 1 | grep 'needs C++17'
	}

	# What an object needs from elsewhere: libc, and nothing without a name of its own.
	symbols() {
		c "$@" || return 1
		nm -u "$out/api.o" | awk '{ print $NF }' | grep -vxE '(_*errno_location|__tls_get_addr|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail)|fprintf|stderr|mem(cpy|set|cmp|move|chr)|str(len|cmp|ncmp)|clock_gettime|dl_iterate_phdr|(m|mun)map|madvise|syscall|environ|__cxa_thread_atexit_impl|__dso_handle|getauxval|pthread_(self|getattr_np|attr_(getstack|destroy))' >"$out/new"
		[ ! -s "$out/new" ] || {
			echo "new undefined symbols: $(paste -sd ' ' "$out/new")"
			return 1
		}
	}

	# While nobody listens the list of a start is not built, and nothing looks for a parent in it.
	folds() {
		run "$@" $flags -c $here/folds.c -o "$out/folds.o" && ! nm "$out/folds.o" | grep otel_hand_on_
	}

	# Nothing remains of the calls.
	nothing() {
		c "$@" -DOTEL_BPF_DISABLE || return 1
		! nm "$out/api.o" | grep -iE 'otel_bpf|phdr|mmap' && ! readelf -SW "$out/api.o" | grep -E 'otel|stapsdt|probes'
	}

	one() {
		run "$@" $flags $gc $here/api.c -o "$out/api" && image "$out/api" && spans "$out/api" api
	}
	# The same, for a machine that this is not.
	foreign() {
		run "$@" $flags $gc $here/api.c -o "$out/api" && image "$out/api"
	}
	stripped() {
		run "$@" $flags $gc $here/api.c -o "$out/api" && strip "$out/api" && image "$out/api" &&
			spans "$out/api" api
	}

	# two CC CXX FLAGS...: C and C++ in one program.
	two() {
		cc=$1 cxx=$2
		shift 2
		run "$cc" $flags "$@" -DPART=inc -DOTHER=incpp -c $here/api.c -o "$out/c.o" &&
			run "$cxx" $flags "$@" -x c++ -DPART=incpp -DWITHOUT_MAIN -c $here/api.c -o "$out/cpp.o" &&
			run "$cxx" $gc "$@" "$out/c.o" "$out/cpp.o" -o "$out/api" &&
			image "$out/api" && spans "$out/api" inc inc/incpp
	}

	# objects CXX FLAGS...: otel/trace.hpp, alone.
	objects() {
		run "$@" -std=c++17 $flags $gc $here/api.cpp -o "$out/api" && image "$out/api" && spans "$out/api" hpp
	}

	# mixed CC CXX FLAGS...: called from a program in C, in a library with hidden symbols, with and without
	# OTEL_BPF_DISABLE elsewhere in the same program.
	mixed() {
		cc=$1 cxx=$2
		shift 2
		run "$cxx" -std=c++17 $flags $gc "$@" -fPIC -fvisibility=hidden -shared -DPART=hpp -DOTHER=hppoff -DWITHOUT_MAIN \
			$here/api.cpp -o "$out/libapi.so" &&
			run "$cxx" -std=c++17 $flags "$@" -DPART=hppoff -DWITHOUT_MAIN -DOTEL_BPF_DISABLE -c $here/api.cpp -o "$out/off.o" &&
			run "$cc" $flags "$@" -DPART=inc -DOTHER=hpp -c $here/api.c -o "$out/c.o" &&
			run "$cxx" $gc "$@" "$out/c.o" "$out/off.o" -o "$out/api" "$out/libapi.so" "-Wl,-rpath,$PWD/$out" -rdynamic &&
			image "$out/api" && image "$out/libapi.so" && spans "$out/api" inc inc/hpp
	}

	# library CC CXX FLAGS...: an executable and a library with hidden symbols.
	library() {
		cc=$1 cxx=$2
		shift 2
		run "$cxx" $flags $gc "$@" -x c++ -fPIC -fvisibility=hidden -shared -DPART=inlib -DWITHOUT_MAIN \
			$here/api.c -o "$out/libapi.so" &&
			run "$cc" $flags $gc "$@" -DPART=inexe -DOTHER=inlib $here/api.c -o "$out/api" \
				"$out/libapi.so" "-Wl,-rpath,$PWD/$out" &&
			image "$out/api" && image "$out/libapi.so" && spans "$out/api" inexe inexe/inlib
	}

	# Files with and without OTEL_BPF_DISABLE in one program, either way round.
	disabled() {
		run "$@" $flags -DPART=on -DOTHER=off -c $here/api.c -o "$out/1.o" &&
			run "$@" $flags -DPART=off -DWITHOUT_MAIN -DOTEL_BPF_DISABLE -c $here/api.c -o "$out/2.o" &&
			run "$@" $gc "$out/1.o" "$out/2.o" -o "$out/onoff" &&
			image "$out/onoff" && spans "$out/onoff" on &&
			run "$@" $flags -DPART=off -DOTHER=on -DOTEL_BPF_DISABLE -c $here/api.c -o "$out/3.o" &&
			run "$@" $flags -DPART=on -DWITHOUT_MAIN -c $here/api.c -o "$out/4.o" &&
			run "$@" $gc "$out/3.o" "$out/4.o" -o "$out/offon" &&
			image "$out/offon" && spans "$out/offon" on
	}
}

# job N JOB...: runs one and says how it went.
if [ "${1:-}" = --job ]; then
	out=$work/$2
	# shellcheck disable=SC2086 # the words of a line
	set -- $3
	mkdir -p "$out"
	if said=$("$@" 2>&1); then
		printf 'ok   %s\n' "$*"
		rm -rf "$out"
	else
		printf 'FAIL %s\n%s\n' "$*" "$said"
	fi
	exit 0
elif [ $# -gt 0 ]; then
	out=$work/single
	rm -rf "$out"
	mkdir -p "$out"
	"$@"
	exit
fi

# ---- All of them --------------------------------------------------------------------------------

# The oldest and the newest compilers at every level of optimisation, with something else that
# changes the code; those between at two.
compilations() {
	while read -r compiler; do
		has "$compiler" || continue
		case $compiler in
		*++*) kind=cpp a=c++11 b=c++20 z=gnu++17 ;;
		*) kind=c a=c99 b=gnu11 z=c17 ;;
		esac
		case $compiler in
		g++-11 | clang++-13) echo "hpp $compiler -std=c++17 -O0 -fPIC" ;;
		esac
		[ $kind = c ] || echo "hpp $compiler -std=$b -O2 -fPIE -fvisibility=hidden"
		echo "$kind $compiler -std=$a -O0 -fPIC"
		echo "$kind $compiler -std=$b -O2 -fPIE -fvisibility=hidden"
		echo "$kind $compiler -std=$z -O2 -fno-pie -DOTEL_BPF_DISABLE"
		case $compiler in
		gcc-11 | g++-12 | *-13 | *-19)
			echo "$kind $compiler -std=$b -O0 -DOTEL_BPF_DISABLE"
			echo "$kind $compiler -std=$z -O1 -fno-pie -fno-omit-frame-pointer"
			echo "$kind $compiler -std=$z -O3 -fPIC -fvisibility=hidden"
			echo "$kind $compiler -std=$a -Os -fPIE -g"
			;;
		esac
	done <<-EOL
		gcc-11
		gcc-12
		clang-13
		clang-14
		clang-15
		clang-16
		clang-17
		clang-18
		clang-19
		musl-gcc
		aarch64-linux-gnu-gcc
		g++-11
		g++-12
		clang++-13
		clang++-14
		clang++-15
		clang++-16
		clang++-17
		clang++-18
		clang++-19
		aarch64-linux-gnu-g++
	EOL
}

links() {
	for compiler in gcc-11 gcc-12 clang-13 clang-19; do
		has $compiler || continue
		echo "symbols $compiler -O0 -fPIC"
		echo "nothing $compiler -O2"
		echo "one $compiler -O0"
		echo "disabled $compiler -O2"
	done
	for compiler in gcc-11 gcc-12 clang-13 clang-19 g++-11 clang++-19; do
		has $compiler || continue
		case $compiler in
		*++*)
			echo "refuses refused.c $compiler -std=c++17 -x c++"
			echo "refuses refused.cpp $compiler -std=c++17"
			;;
		*)
			echo "refuses refused.c $compiler -std=c11"
			echo "refuses refused.c $compiler -std=c99"
			;;
		esac
	done
	for compiler in gcc-11 gcc-12 clang-13 clang-19 musl-gcc aarch64-linux-gnu-gcc; do
		has $compiler || continue
		echo "folds $compiler -O2"
		echo "folds $compiler -std=c99 -Os"
	done
	for compiler in g++-11 g++-12 clang++-13 clang++-19; do
		has $compiler || continue
		echo "folds $compiler -std=c++17 -O2 -x c++"
		echo "too_old $compiler -std=c++14"
	done
	for linker in bfd gold lld mold; do
		has ld.$linker || continue
		echo "two gcc g++ -O1 -fuse-ld=$linker"
		echo "two clang clang++ -O1 -fuse-ld=$linker"
		echo "library gcc clang++ -O1 -fuse-ld=$linker"
		echo "one clang -O1 -static -fuse-ld=$linker"
		echo "one gcc -O1 -no-pie -fno-pie -fuse-ld=$linker"
		echo "stripped gcc -O0 -fuse-ld=$linker"
		echo "objects g++ -O1 -fuse-ld=$linker"
		[ $linker = bfd ] || echo "one gcc -O1 -fuse-ld=$linker -Wl,--icf=all"
	done
	for compiler in gcc clang "gcc -fsanitize=address,undefined" "clang -fsanitize=address,undefined" musl-gcc; do
		has "${compiler%% *}" || continue
		echo "carries $compiler -std=c11 -O0"
		echo "carries $compiler -std=c11 -O2"
	done
	for compiler in g++ clang++ "g++ -fsanitize=address,undefined"; do
		has "${compiler%% *}" || continue
		echo "carries $compiler -std=c++17 -O0 -x c++"
		echo "carries $compiler -std=c++20 -O3 -x c++"
	done
	echo "mixed gcc g++ -O2"
	echo "mixed clang clang++ -O1"
	echo "objects g++ -O0 -static"
	echo "objects clang++ -O3 -no-pie -fno-pie"
	echo "objects g++ -O2 -flto=auto -fuse-ld=bfd"
	echo "library clang g++ -O1"
	echo "one gcc -O2 -static-pie"
	echo "one gcc -O2 -masm=intel"
	echo "one clang -O2 -fno-integrated-as"
	echo "two gcc g++ -O2 -flto=auto -fuse-ld=bfd"
	echo "two gcc g++ -O2 -flto=auto -flto-partition=max -fuse-ld=bfd"
	echo "two gcc g++ -O2 -flto=auto -fuse-ld=gold"
	has mold && echo "two gcc g++ -O2 -flto=auto -fuse-ld=mold"
	echo "library gcc g++ -O2 -flto=auto"
	echo "disabled gcc -O2 -flto=auto"
	echo "one gcc -O2 -flto=auto -static"
	if has ld.lld; then
		echo "two clang clang++ -O2 -flto=thin -fuse-ld=lld"
		echo "two clang clang++ -O2 -flto=full -fuse-ld=lld"
		echo "library clang clang++ -O2 -flto=thin -fuse-ld=lld"
		echo "objects clang++ -O2 -flto=thin -fuse-ld=lld"
		echo "disabled clang -O2 -flto=full -fuse-ld=lld"
	fi
	if has musl-gcc; then
		echo "one musl-gcc -O2"
		echo "one musl-gcc -O0 -static"
		echo "one musl-gcc -O2 -static -no-pie"
		echo "disabled musl-gcc -O2 -static"
	fi
	if has aarch64-linux-gnu-gcc; then
		echo "foreign aarch64-linux-gnu-gcc -O2"
		echo "foreign aarch64-linux-gnu-gcc -O2 -static"
		echo "foreign aarch64-linux-gnu-gcc -O0 -no-pie -fno-pie"
		has ld.lld && has clang && has aarch64-linux-gnu-g++ &&
			echo "foreign clang --target=aarch64-linux-gnu -O2 -fuse-ld=lld"
	fi
}

rm -rf "$work"
mkdir -p "$work"
for tool in gcc-11 gcc-12 clang-13 clang-14 clang-15 clang-16 clang-19 musl-gcc aarch64-linux-gnu-gcc \
	g++-11 g++-12 clang++-19 aarch64-linux-gnu-g++ ld.bfd ld.gold ld.lld ld.mold; do
	has $tool || echo "not installed: $tool"
done
can_run || echo "not run under the agent: $build/otel-bpf is not there, or this is not root"
{
	links # first: they take longest
	compilations
} | awk '{ print NR; print }' >"$work/jobs"
# One more than there are processors: some wait for an agent.
xargs -P $(($(nproc) + 1)) -n 2 -d '\n' "$here/run.sh" --job <"$work/jobs" >"$work/results"
if [ "${V:-0}" = 1 ]; then
	cat "$work/results"
else
	grep -v '^ok   ' "$work/results"
fi
passed=$(grep -c '^ok   ' "$work/results")
failed=$(($(wc -l <"$work/jobs") / 2 - passed))
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
