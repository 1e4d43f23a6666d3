#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC3045,SC2094 # busybox has these limits; the file is not the command
# The first process in the virtual machine: runs the agent with each of the smoke programs, and sends
# what came of it to the second serial port, as an archive, which check.py reads. The kernel's command
# line says which checks (vm.checks=LIST).
export PATH=/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o size=90% tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
ulimit -l unlimited
ulimit -c 0
stty -F /dev/ttyS1 raw -echo

options=
mkdir -p /tmp/out
cd /tmp/out || poweroff -f
uname -r >release

centiseconds() {
	read -r up _ </proc/uptime
	up=${up%.*}${up#*.}
	echo "${up#"${up%%[!0]*}"}"
}

# under NAME COMMAND...: under the agent; leaves NAME.out, .err, .status, .ms, .jsonl
under() {
	name=$1
	shift
	begin=$(centiseconds)
	# Not quoted: options, or nothing.
	# shellcheck disable=SC2086
	timeout -s KILL 300 /otel-bpf/otel-bpf run -v $options -e "otlp_file=/tmp/out/$name.jsonl" -- "$@" \
		>"$name.out" 2>"$name.err" </dev/null
	echo $? >"$name.status"
	echo $((($(centiseconds) - begin) * 10)) >"$name.ms"
}

# A hundred thousand spans are too much for a serial port: their ids and attributes go.
digest() {
	grep -o '"spanId":"[0-9a-f]*"' "$1.jsonl" | sort -u | wc -l >"$1.ids"
	grep -o '"key":"n","value":{"intValue":"[0-9]*"' "$1.jsonl" | wc -l >"$1.numbers"
	# Where something is missing: per thread how many, from which number, to which.
	grep -o '"key":"thread","value":{"intValue":"[0-9]*"}},{"key":"n","value":{"intValue":"[0-9]*"' "$1.jsonl" |
		sed 's/[^0-9]/ /g' | awk '{
			count[$1]++
			if (!($1 in from) || $2 < from[$1]) from[$1] = $2
			if ($2 > to[$1]) to[$1] = $2
		} END { for (t in count) print t, count[t], from[t], to[t] }' | sort >"$1.threads"
	grep -o '"stringValue":"the same in each of them"' "$1.jsonl" | wc -l >"$1.texts"
	rm -f "$1.jsonl"
}

# await WORD FILE: waits for a line that begins with it.
await() {
	for _ in $(seq 600); do
		grep -q "^$1" "$2" && return
		usleep 100000
	done
	echo "$2 never said $1" >&2
	return 1
}

# An agent with --pin that has taken over, or has taken up what runs already: pins NAME [OPTION...]
pins() {
	name=$1
	shift
	/otel-bpf/otel-bpf attach --pin -e "otlp_file=/tmp/out/$name.jsonl" "$@" >"$name.out" 2>"$name.err" &
	agent=$!
	# What it says once it records.
	await 'otel-bpf: .* recorded' "$name.err"
}

# restarts NAME SIGNAL: agents that end by it follow one another while four threads make spans.
restarts() {
	mkfifo "$1.say"
	/otel-bpf/serve 4 <"$1.say" >"$1.answers" 2>&1 &
	program=$!
	exec 3>"$1.say"
	await ready "$1.answers" || return
	pins "$1.0" --ring-size 64M -p $program
	echo open across >&3
	await opened "$1.answers" || return
	echo work 5000 >&3
	for n in 1 2 3; do
		# Not before it has something to lose.
		await . "$1.$((n - 1)).jsonl" || return
		kill "-$2" $agent
		wait $agent
		pins "$1.$n"
	done
	echo rest >&3
	await recorded "$1.answers" || return
	echo close >&3
	await closed "$1.answers" || return
	kill -TERM $agent
	wait $agent
	exec 3>&-
	wait $program
	/otel-bpf/otel-bpf detach --pin -e "otlp_file=/tmp/out/$1.last.jsonl" >"$1.last.out" 2>"$1.last.err"
	echo $? >"$1.status"
	ls /sys/fs/bpf/otel-bpf >"$1.left" 2>/dev/null
	cat "$1".*.jsonl | grep -o '"spanId":"[0-9a-f]*"' | sort | uniq -c |
		awk '{ spans += $1; ids++ } END { print spans + 0 }
			END { print ids + 0 }' >"$1.spans"
	cat "$1".*.err >"$1.errors"
	rm -f "$1".*.jsonl
}

/otel-bpf/smoke site >site.out 2>&1
for check in $(sed -n 's/.*vm\.checks=\([a-z_,]*\).*/\1/p' /proc/cmdline | tr , ' '); do
	# The agent has refused this kernel.
	[ "$(cat kitchen.status 2>/dev/null)" != 125 ] || break
	echo "check $check" >/dev/console
	case $check in
	kitchen) under kitchen /otel-bpf/kitchen ;;
	load) # more than the ring holds
		under load /otel-bpf/smoke load 100000 2
		digest load
		;;
	preempt)
		# A process may have half of it.
		options="--ring-size 256M"
		under preempt /otel-bpf/smoke load 100000 4
		digest preempt
		;;
	family) under family /otel-bpf/smoke family ;;
	chaos)
		options="--ring-size 64M"
		mkdir -p /tmp/chaos
		CHAOS_SLOW=8 under chaos /otel-bpf/chaos drive /tmp/chaos "$(date +%N)" all "$(sed -n 's/.*vm\.lives=\([0-9]*\).*/\1/p' /proc/cmdline)"
		/otel-bpf/chaos_check /tmp/chaos/truth chaos.jsonl >chaos.check 2>&1 && rm -f chaos.jsonl
		rm -rf /tmp/chaos
		options=
		;;
	books) # three processes, and a ring for a small part of what they start
		before=$options
		options="--ring-size 64K"
		under books /otel-bpf/barrel 3 4 5000
		options=$before
		awk -v RS='"resource":' '{
			if (match($0, /"process.pid","value":."intValue":"[0-9]+/)) {
				pid = substr($0, RSTART, RLENGTH)
				sub(/.*"/, "", pid)
				spans[pid] += gsub(/"spanId":/, "")
			}
		} END { for (pid in spans) print pid, spans[pid] }' books.jsonl >books.arrived
		rm -f books.jsonl
		;;
	restart)
		restarts ordered TERM
		restarts killed KILL
		;;
	death) for how in kill abort _exit; do under "death_$how" /otel-bpf/smoke death $how; done ;;
	detach)
		under detach /otel-bpf/smoke detach
		# The agent is gone; what it had started goes on and says what it sees.
		for _ in $(seq 250); do
			grep -q unharmed detach.out && break
			usleep 100000
		done
		;;
	esac
done
dmesg | grep -E 'BUG:|Oops:|WARNING:|segfault|general protection|stall|traps:' >dmesg
tar -c -f - . | gzip -1 >/dev/ttyS1
sync
poweroff -f
