#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [KERNEL...]: boots Debian's kernels in virtual machines (software emulation: no KVM needed, no
# root), runs a smoke suite of the agent in each, and prints a line per kernel and check. A kernel is a
# series (6.1), a release (6.1.0-56-cloud-amd64), or the path of an image (./bzImage). Downloads are kept in
# ${XDG_CACHE_HOME:-$HOME/.cache}/otel-bpf-tests; the last runs' outputs and consoles in build/tests/vm.
# JOBS=N machines at a time (2), each with LIVES=N lives of the chaos test (200).
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${BUILD:-build}
out=$build/tests/vm
jobs=${JOBS:-2}
lives=${LIVES:-200}
here=tests/vm
[ $# -gt 0 ] || set -- 5.10 6.1 6.12 6.16 6.18 7.1 7.2

missing=""
for tool in qemu-system-x86_64 cpio python3; do
	command -v $tool >/dev/null || missing="$missing $tool"
done
[ -x /bin/busybox ] || [ -x /usr/bin/busybox ] || missing="$missing busybox"
[ "$(uname -m)" = x86_64 ] || missing="$missing an-x86-64-machine"
if [ -n "$missing" ]; then
	echo "  SKIP all kernels: not here:$missing (packages: $here/packages.txt)"
	echo "0 passed, 0 failed, $# skipped"
	exit 0
fi
busybox=$(command -v busybox || echo /bin/busybox)
if ldd "$busybox" >/dev/null 2>&1; then
	echo "  SKIP all kernels: $busybox is not static (packages: $here/packages.txt)"
	echo "0 passed, 0 failed, $# skipped"
	exit 0
fi

# ---- What the machines start with: busybox, the agent, the programs, and their libraries ----

make_initramfs() {
	local root=$out/root program file library
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,root,otel-bpf,etc}
	cp "$busybox" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	cp $here/guest.sh "$root/init"
	cp "$build/otel-bpf" "$build/examples/kitchen" "$root/otel-bpf/"
	for program in $here/programs/smoke tests/kernel/programs/{barrel,chaos,chaos_check,serve}; do
		${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Iusdt -o "$root/otel-bpf/${program##*/}" \
			"$program.c" -lpthread || return 1
	done
	for file in "$root"/otel-bpf/*; do
		ldd "$file" | grep -o '/[^ )]*'
	done | sort -u | while read -r library; do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) | gzip -1 >"$out/initramfs"
	rm -rf "$root"
}

# boot IMAGE FOLDER CHECKS [COMMANDLINE]: leaves the guest's files and its console in FOLDER.
boot() {
	rm -rf "$2"
	mkdir -p "$2"
	timeout 600 nice -n 10 qemu-system-x86_64 -accel tcg -cpu max -m 1024 -smp 2 -nodefaults \
		-no-user-config -display none -no-reboot -serial "file:$2/console" \
		-serial "file:$2/archive" -kernel "$1" -initrd "$out/initramfs" \
		-append "console=ttyS0 panic=-1 quiet no_timer_check vm.checks=$3 vm.lives=$lives ${4:-}" </dev/null 2>"$2/qemu"
	tar -x -z -f "$2/archive" -C "$2" 2>/dev/null && rm "$2/archive"
}

# one KERNEL IMAGE: the whole suite, and the result as check.py says it.
one() {
	boot "$2" "$out/$1" kitchen,load,books,family,death,detach,restart,chaos
	# A second time: on preemptible kernels BPF programs of uprobes interrupt each other. But one that is refused.
	if ! grep -q '^125$' "$out/$1/kitchen.status" 2>/dev/null; then
		boot "$2" "$out/$1-preempt" preempt,books,chaos preempt=full
	fi
	python3 -B $here/check.py "$1" "$out/$1" "$out/$1-preempt" >"$out/$1.result"
}

mkdir -p "$out"
names=()
make_initramfs || { echo "0 passed, 1 failed"; exit 1; }
for kernel; do
	case $kernel in
	*/*) name=$(basename "$kernel") ;;
	*) name=$kernel ;;
	esac
	names+=("$name")
	if [ "$name" != "$kernel" ] && image=$kernel || image=$($here/kernel.sh "$kernel" 2>"$out/$name.why"); then
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
		one "$name" "$image" &
	else
		echo "  SKIP $name: $(tail -n 1 "$out/$name.why")" >"$out/$name.result"
	fi
done
wait
for name in "${names[@]}"; do cat "$out/$name.result"; done | tee "$out/results"
passed=$(grep -c '^  ok' "$out/results")
failed=$(grep -c '^  FAIL' "$out/results")
skipped=$(grep -c '^  SKIP' "$out/results")
line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
