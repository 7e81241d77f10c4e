# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# tests/topo/lib.sh with the appliance in a virtual machine, whose network cards do zero-copy:
#
#   client ── tap │ QEMU │ virtio-net "lan" │ visord │ virtio-net "wan" │ QEMU │ tap ── server
#
# The hosts stay namespaces of this machine and have the taps as their interfaces. What is done `on
# appliance` is done in the guest, by the agent (tests/tools/guest.c) over an interface that the
# appliance does not see; $visord_pid is the local process that stands for visord there. QEMU runs
# in the namespace "appliance", which has nothing else, and ends with it.
#
# One emulated CPU for every queue, by software (no /dev/kvm), one host thread for all: QEMU 7.2's
# several threads corrupt their guests at random.
#
# GUEST_PORTS (3) and guest_nic[N] (the Nth card, a QEMU device) may be set before topo_standard.
# The guest driver sends zero-copy packets behind a header that is a variable of the module, and has
# the card read it from where it would be if modules lay where the kernel does: at 1 GiB, without
# KASLR. That memory is kept from use, so that the header stays the zeros that it is meant to be;
# otherwise, about one boot of twenty had all such packets refused by the tap.
#
# From the environment: GUEST_BUILD (where visord is from; BUILD), VISOR_VM_QEMU, VISOR_VM_KERNEL (a
# folder as kernel.sh makes it, which is asked otherwise).

VM=$ROOT/tests/vm/guest
GUEST_PORTS=${GUEST_PORTS:-3}
GUEST_BUILD=${GUEST_BUILD:-$BUILD}
case $GUEST_BUILD in /*) ;; *) GUEST_BUILD=$ROOT/$GUEST_BUILD ;; esac
# iommu_platform: without it, the driver refuses zero-copy.
GUEST_NIC_COPY=virtio-net-pci,disable-legacy=on,romfile=
GUEST_NIC=$GUEST_NIC_COPY,iommu_platform=on
guest_nic=()
GUEST_BOOT_LIMIT=90
SLOW=5
qemu=${VISOR_VM_QEMU:-qemu-system-x86_64}
guest=(ip netns exec "${ns_prefix}appliance" "$TOOLS/guest" run 169.254.77.2 99 --put "$tmp/visor.cfg")
[ "$FORWARDER" = visord ] || skip "in the virtual machine only visord forwards"

guest_needs() {
	local tool
	for tool in "$qemu" busybox; do
		command -v "$tool" >/dev/null ||
			skip "no $tool here (Debian: qemu-system-x86 busybox-static)"
	done
	[ -c /dev/net/tun ] || skip "no /dev/net/tun here"
	ldd "$(command -v busybox)" >/dev/null 2>&1 && skip "busybox is not static (Debian: busybox-static)"
	[ -z "${VISOR_VM_SKIP:-}" ] || skip "$VISOR_VM_SKIP"
	guest_kernel=${VISOR_VM_KERNEL:-$("$VM/kernel.sh" 2>"$tmp/reason")} || skip "$(tail -n 1 "$tmp/reason")"
}

# nic N MAC QUEUES PROPERTIES: appends to $nics.
nic() {
	local tap="tap,id=n$1,ifname=vp$1,script=no,downscript=no,vhost=off" card="$4,netdev=n$1,mac=$2"
	if [ "$3" -gt 1 ]; then
		tap+=",queues=$3" card+=",mq=on,vectors=$(($3 * 2 + 2))"
	fi
	nics+=(-netdev "$tap" -device "$card")
}

guest_qemu() {
	local nics=() i cpus=$WORKERS
	[ "$QUEUES" -le "$cpus" ] || cpus=$QUEUES
	nic 0 02:00:00:00:00:01 1 "$GUEST_NIC_COPY"
	for ((i = 1; i <= GUEST_PORTS; i++)); do
		nic $i "$(printf '02:00:00:00:%02x:01' $i)" "$QUEUES" "${guest_nic[i]:-$GUEST_NIC}"
	done
	exec ip netns exec "${ns_prefix}appliance" "$qemu" -accel tcg,thread=single -cpu qemu64 \
		-smp "$cpus" -m 1040 -nodefaults -nographic -no-reboot -serial stdio -kernel "$guest_kernel/vmlinuz" \
		-monitor "unix:$tmp/monitor,server=on,wait=off" -initrd "$tmp/initrd" -append "console=ttyS0 quiet loglevel=4 panic=-1 no_timer_check nowatchdog nokaslr memmap=8M\$1G ${GUEST_APPEND:-}" "${nics[@]}"
}

guest_says() { tr -d '\r' <"$tmp/guest.log" | grep -aE "$1"; }
# One boot of a hundred hangs before its first line; it is tried again once.
guest_boot() {
	local try end
	for try in 1 2; do
		: >"$tmp/guest.log"
		(guest_qemu >"$tmp/guest.log" 2>&1 </dev/null) &
		qemu_pid=$!
		end=$(($(date +%s) + GUEST_BOOT_LIMIT * ${SLOWER:-1}))
		until guest_says '^guest: ready' >/dev/null; do
			kill -0 $qemu_pid 2>/dev/null || break 2
			[ "$(date +%s)" -lt $end ] || break
			sleep 0.1
		done
		! guest_says '^guest: ready' >/dev/null || return 0
		kill -KILL $qemu_pid
		wait $qemu_pid 2>/dev/null || true
		! guest_says '^guest: booted' >/dev/null || break
		say "the guest hung before its first line, try $try"
	done
	cat "$tmp/guest.log" >&2
	fail "the guest does not boot"
}

guest_make() {
	local tool paths=("$BUILD/visord=$GUEST_BUILD/visord" "$BUILD/visorctl=$GUEST_BUILD/visorctl"
		"/usr/sbin/guest=$TOOLS/guest" "$TOOLS/queue_release=$TOOLS/queue_release")
	for tool in ip ethtool; do
		paths+=("/usr/sbin/$tool=$(command -v $tool)")
	done
	for tool in /usr/lib/*/bpf/xdp-dispatcher.o /usr/lib/bpf/xdp-dispatcher.o; do
		[ ! -e "$tool" ] || paths+=("$tool=$tool")
	done
	"$VM/initrd.sh" "$guest_kernel" "$tmp/initrd" "${paths[@]}"
	ip -n "${ns_prefix}appliance" link set lo up
	guest_boot
	ip -n "${ns_prefix}appliance" address add 169.254.77.1/30 dev vp0
	ip -n "${ns_prefix}appliance" link set vp0 up
	cat >"$tmp/visorctl" <<-SCRIPT
		#!/bin/sh
		exec ${guest[*]} "$BUILD/visorctl" "\$@"
	SCRIPT
	chmod +x "$tmp/visorctl"
	export VISORCTL=$tmp/visorctl
	say "the guest: $(cat "$guest_kernel/version"), $(guest_says '^guest: ready')"
}

# ---- what differs from tests/topo/lib.sh -----------------------------------------------------

on() {
	local host=$1
	shift
	if [ "$host" = appliance ]; then "${guest[@]}" "$@"; else ip netns exec "$ns_prefix$host" "$@"; fi
}
exec_on() {
	local host=$1
	shift
	[ "$host" != appliance ] || exec "${guest[@]}" "$@"
	exec ip netns exec "$ns_prefix$host" "$@"
}
ip_on() {
	local host=$1
	shift
	if [ "$host" = appliance ]; then "${guest[@]}" ip "$@"; else ip -n "$ns_prefix$host" "$@"; fi
}
host_make() {
	ip netns add "$ns_prefix$1"
	if [ "$1" = appliance ]; then guest_make; else ip_on "$1" link set lo up; fi
}
cable_make() {
	local host=$1 device=$2 port=$3 mac=$4
	ip -n "${ns_prefix}appliance" link set "vp$attached" netns "$ns_prefix$host" name "$device"
	# what a stopped emulator does not take at once is no loss
	ip_on "$host" link set "$device" address "$mac:02" txqueuelen 10000
	ip_on appliance link set "p$attached" name "$port"
}
ctl() { timeout 30 "${guest[@]}" "$BUILD/visorctl" -s "$socket" "$@"; }
visord_gone() { ! on appliance pidof visord; }
appliance_kill() {
	kill -KILL "$visord_pid"
	wait "$visord_pid" 2>/dev/null || true
	visord_pid=
	wait_until 5 "visord is gone" visord_gone
}
# queues_are MODE [PORT]: of every queue (of PORT).
queues_are() {
	local of=${2:+"if p['name'] == '$2'"}
	equal "mode of every queue${2:+ of $2}" "$(show ports \
		"sorted(set(q['mode'] for p in d $of for q in p['queues']))")" "[\"$1\"]"
}
# With MIXED_MODES set, the script itself says which ports are in zero-copy.
appliance_started() { [ -n "${MIXED_MODES:-}" ] || queues_are zerocopy; }
appliance_stopping() { appliance_started; }
# What else is worth to know of a failure: counters of all ends, and what the server sees of pings.
appliance_failed() {
	local host
	ctl --json show ports
	ip_on appliance -s link
	ip_on appliance neigh
	on appliance ethtool -S wan | grep -v ': 0$'
	on server timeout 5 tcpdump -U -n -e -i eth0 -c 100 >"$tmp/capture" 2>&1 &
	sleep 0.5
	for host in 198.51.100.2 2001:db8:2::2; do
		reach client $host -c 2
	done
	wait $!
	printf -- '---- the server sees\n'
	cat "$tmp/capture"
	for host in client server; do
		printf -- '---- %s\n' $host
		ip_on $host -s link show dev eth0
		ip_on $host neigh
	done
	printf -- '---- the console\n'
	cat "$tmp/guest.log"
}

# ---- the machine's hardware ------------------------------------------------------------------

# monitor COMMAND: what QEMU's monitor answers.
monitor() {
	"$PYTHON" - "$tmp/monitor" "$1" <<-'PY'
		import re, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.settimeout(10)
		s.connect(sys.argv[1])
		for line in (b"", sys.argv[2].encode() + b"\n"):
		    s.sendall(line)
		    seen = b""
		    while not seen.endswith(b"(qemu) "):
		        seen += s.recv(4096)
		print(b"\n".join(seen.splitlines()[1:-1]).decode())
	PY
}
# carrier NUMBER on|off: the Nth cable is plugged in or out.
carrier() { monitor "set_link n$1 $2" >/dev/null; }
# card_unbind PORT: its driver lets go of it; $card is what card_bind PORT needs to undo it.
card_unbind() {
	card=$(on appliance readlink -f "/sys/class/net/$1/device")
	card_driver=$(on appliance readlink -f "$card/driver")
	card_mac=$(on appliance cat "/sys/class/net/$1/address")
	on appliance sh -c "echo ${card##*/} >'$card_driver/unbind'"
}
card_bind() {
	on appliance nsenter -t 1 -n sh -c "echo ${card##*/} >'$card_driver/bind'
		name=\$(ip -o link | sed -n 's/^[0-9]*: \([^:@]*\).*$card_mac.*/\1/p')
		ip link set \$name name '$1' && ip link set '$1' netns \$(cat /run/guest.pid)"
}
guest_sound() {
	kill -0 "$qemu_pid" 2>/dev/null || fail "the virtual machine has ended"
	refute "the guest's kernel has not complained" guest_says 'Oops|BUG:|WARNING:|Call Trace|guest: FAILED'
}

guest_needs
