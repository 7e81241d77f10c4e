#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What stays attached when, and what it does then: the steering module alone, without a daemon, on
# a kernel that forwards. Attached plainly, generic, or through libxdp's dispatcher.
# variants: plain generic shared
# limit: 120
variant=${1:-${WORKERS:-plain}}
export WORKERS=1 QUEUES=1 VISOR_TEST_FORWARDER=none # this is not about visord
. "$(dirname "$0")/lib.sh"
driver=$TOOLS/steer_driver
[ -x "$driver" ] || skip "$driver is not built"
host_add appliance
attach client lan 192.0.2 2001:db8:1:
attach server wan 198.51.100 2001:db8:2:
on appliance sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
mkdir "$tmp/bpf"
mount -t bpf bpf "$tmp/bpf"
own=(--own 192.0.2.1 --own 192.0.2.255 --own 198.51.100.1 --own 2001:db8:1::1 --own 2001:db8:2::1)
driver_pid=

# drive ARGUMENTS…: start the driver and wait until it is ready; its lines are in $tmp/driver.
drive() {
	: >"$tmp/driver"
	(exec_on appliance "$driver" "${own[@]}" "$@" >"$tmp/driver" 2>>"$tmp/driver.log") &
	driver_pid=$!
	wait_until 10 "the driver is ready" grep -q '^ready' "$tmp/driver"
}
drive_kill() {
	kill -KILL "$driver_pid"
	wait "$driver_pid" 2>/dev/null || true
}
drive_end() {
	kill -TERM "$driver_pid"
	wait_exit "$driver_pid" 10
	equal "the driver's exit status" "$wait_status" 0
}
# refused WHAT PATTERN ARGUMENTS…
refused() {
	local what=$1 pattern=$2
	shift 2
	refute "$what: refused" on appliance sh -c '"$@" >'"$tmp/driver"' 2>>'"$tmp/driver.log" \
		sh "$driver" "${own[@]}" "$@"
	expect "$what: says why" grep -E "$pattern" "$tmp/driver"
}
ours() { awk -v d="$1" '$1 == "attached" && $2 == d { print $3 }' "$tmp/driver"; }
described() { sed -n "s/^attached $1 [0-9]* //p" "$tmp/driver"; }
counter() { awk -v d="$1" -v i="$2" '$1 == "counters" && $2 == d { print $(i + 2) }' "$tmp/driver"; }
detached() { [ "$(ip_on appliance link show dev lan | grep -c 'prog/xdp')" = 0 ]; }
pins() { find "$tmp/bpf" -path '*/dispatch-*' -type f | wc -l; }

passes() { expect "$1: the kernel forwards" reach client 198.51.100.2; }
blocks() {
	refute "$1: IPv4 is not forwarded" on client ping -n -q -c 2 -i 0.1 -W 0.3 198.51.100.2
	refute "$1: IPv6 is not forwarded" on client ping -n -q -c 2 -i 0.1 -W 0.3 2001:db8:2::2
}
host_reachable() {
	ip_on client neighbour flush dev eth0
	expect "$1: the host answers" reach client 192.0.2.1
	expect "$1: the host answers on its other address" reach client 198.51.100.1
	expect "$1: the host answers over IPv6" reach client 2001:db8:1::1
}

killed_with_drop() {
	local id
	drive --fallback drop "$@" lan
	equal "$mode: attached as" "$(described lan)" "$mode"
	id=$(ours lan)
	blocks "$mode, drop, no socket"
	host_reachable "$mode, drop, no socket"
	drive_kill
	blocks "$mode, drop, killed"
	host_reachable "$mode, drop, killed"
	drive --fallback drop "$@" lan
	equal "$mode, drop, restarted: the same program" "$(ours lan)" "$id"
	kill -USR1 "$driver_pid"
	wait_until 5 "the fallback has changed" reach client 198.51.100.2
	passes "$mode, changed to kernel while it runs"
	drive_end
	expect "$mode, kernel, ended: nothing stays attached" detached
	equal "$mode, kernel, ended: pins left" "$(pins)" 0
}

killed_with_kernel() {
	local id
	drive --fallback kernel "$@" lan
	id=$(ours lan)
	passes "$mode, kernel, no socket"
	drive_kill
	passes "$mode, kernel, killed"
	host_reachable "$mode, kernel, killed"
	drive --fallback drop "$@" lan
	equal "$mode, drop after kernel: the same program" "$(ours lan)" "$id"
	blocks "$mode, drop after kernel"
	drive_end
	blocks "$mode, drop, ended"
	host_reachable "$mode, drop, ended"
	expect "$mode: --detach" on appliance "$driver" --detach lan
	expect "$mode: --detach has detached" detached
	equal "$mode: --detach: pins left" "$(pins)" 0
	refute "$mode: --detach again" on appliance "$driver" --detach lan
}

# To the socket goes what would be forwarded, and nothing else.
socket_receives() {
	drive --socket "$@" lan
	blocks "$mode, a socket takes the packets"
	host_reachable "$mode, with a socket"
	drive_end
	[ "$(counter lan 4)" -ge 4 ] || fail "$mode: the socket received $(counter lan 4)"
	[ "$(counter lan 1)" -ge 9 ] || fail "$mode: $(counter lan 1) packets counted as local"
	say "ok: $mode: socket $(counter lan 4), local $(counter lan 1), other $(counter lan 2)"
}

detached_by_hand() {
	drive "$@" lan
	ip_on appliance link set dev lan "$off" off
	wait_until 5 "$mode: the loss is noticed" grep -q '^lost lan' "$tmp/driver"
	drive_end
	equal "$mode, detached by hand: pins left" "$(pins)" 0
}

two_ports_share_addresses() {
	own=(--own 192.0.2.1)
	drive --fallback drop "$@" lan
	drive_kill
	# wan is new, lan comes with the addresses of its earlier life: both learn all, lan forgets.
	own=(--own 198.51.100.1 --own 2001:db8:2::1 --own 2001:db8:1::1)
	drive --fallback drop "$@" lan wan
	expect "$mode: lan has learned" reach client 198.51.100.1
	expect "$mode: wan has it too" reach server 198.51.100.1
	refute "$mode: lan has forgotten" on client ping -n -q -c 2 -i 0.1 -W 0.3 192.0.2.1
	drive_end
	expect "$mode: detach lan" on appliance "$driver" --detach lan
	expect "$mode: detach wan" on appliance "$driver" --detach wan
	own=(--own 192.0.2.1 --own 198.51.100.1 --own 2001:db8:1::1 --own 2001:db8:2::1)
}

# The map `visor_config` of the program: its ABI becomes another release's.
abi_change() {
	local map='' id
	for id in $(bpftool -j prog show id "$1" | json "' '.join(str(m) for m in d['map_ids'])"); do
		[ "$(bpftool -j map show id "$id" | json "d['name']")" != visor_config ] || map=$id
	done
	# magic, ABI 99, XDP_DROP, no flags
	bpftool map update id "$map" key 0 0 0 0 value hex 52 54 53 56 63 00 00 00 01 00 00 00 00 00 00 00
}

program_gone() { ! bpftool prog show id "$1" >/dev/null 2>&1; }

# A flood runs while one program replaces the other, and not a packet may get through.
replaced_without_a_gap() {
	local what=$1 old before
	shift
	drive --fallback drop "${mode_options[@]}" lan
	old=$(ours lan)
	drive_kill
	[ "$what" != "another ABI" ] || abi_change "$old"
	before=$(on server cat /sys/class/net/eth0/statistics/rx_packets)
	(exec_on client ping -n -q -f -W 1 -w 2 198.51.100.2 >"$tmp/flood") &
	local flood=$!
	sleep 0.3
	drive --fallback drop "${mode_options[@]}" "$@" lan
	[ "$(ours lan)" != "$old" ] || fail "$mode, $what: the program was not replaced"
	wait "$flood" || true
	equal "$mode, $what: got through meanwhile" \
		"$(grep -oE '[0-9]+ received' "$tmp/flood")" "0 received"
	[ "$(($(on server cat /sys/class/net/eth0/statistics/rx_packets) - before))" -lt 10 ] ||
		fail "$mode, $what: packets reached the server"
	host_reachable "$mode, $what"
	wait_until 5 "$mode, $what: the old program has gone" program_gone "$old"
	kill -USR1 "$driver_pid"
	wait_until 5 "the fallback has changed" reach client 198.51.100.2
	drive_end
	expect "$mode, $what: detached" detached
	equal "$mode, $what: pins left" "$(pins)" 0
}

device_deleted() {
	drive --fallback drop "$@" lan
	ip_on appliance link del lan
	wait_until 5 "$mode: the loss is noticed" grep -q '^lost lan' "$tmp/driver"
	drive_end
	equal "$mode: a deleted device leaves pins" "$(pins)" 0
	link_add client eth0 lan
	ip_on appliance address add 192.0.2.1/24 dev lan
	ip_on appliance address add 2001:db8:1::1/64 dev lan nodad
	ip_on client address add 192.0.2.2/24 dev eth0
	ip_on client address add 2001:db8:1::2/64 dev eth0 nodad
	ip_on client route add default via 192.0.2.1
	ip_on client -6 route add default via 2001:db8:1::1
}

other=$TOOLS/pass.bpf.o
others_packets() { bpftool -j map dump name other_pac 2>/dev/null || bpftool -j map dump name other_packets; }
other_count() { others_packets | json "d[0]['formatted']['value'] if 'formatted' in d[0] else int.from_bytes(bytes(int(x, 16) for x in d[0]['value']), 'little')"; }
loader() { on appliance xdp-loader "$@"; }

refuses_a_plain_program_of_others() {
	on appliance sh -c "mount -t bpf bpf /sys/fs/bpf
		bpftool prog load '$other' /sys/fs/bpf/other && bpftool net attach xdp name other_pass dev lan"
	refused "$mode: another's program" "^refused lan 16 lan: .*'other_pass' \(id [0-9]+\).*xdp off" lan
	expect "$mode: it is still attached" on appliance sh -c "bpftool net show dev lan | grep -q lan"
	ip_on appliance link set dev lan xdp off
}

shares_with_another() {
	local before id
	loader load -m native lan "$other"
	drive --fallback drop lan
	equal "shared: attached as" "$(described lan)" "native, dispatcher"
	before=$(other_count)
	blocks "shared, drop"
	host_reachable "shared, drop"
	[ "$(other_count)" -ge $((before + 9)) ] || fail "the other program does not run"
	say "ok: the other program runs too"
	id=$(ours lan)
	drive_kill
	# The other one leaves and comes back: the dispatcher is built anew, and ours stays in it.
	loader unload lan -i "$(loader status lan | awk '/other_pass/ { for (i = 1; i <= NF; i++) if ($i == "other_pass") print $(i + 1) }')"
	blocks "shared, alone again"
	loader load -m native lan "$other"
	blocks "shared, together again"
	drive lan
	equal "shared: the same program" "$(ours lan)" "$id"
	drive_end
	passes "shared: ours has left"
	expect "shared: the other one is still there" sh -c "ip netns exec ${ns_prefix}appliance xdp-loader status lan | grep other_pass"
	refute "shared: ours has left" sh -c "ip netns exec ${ns_prefix}appliance xdp-loader status lan | grep visor_steer"
	refused "shared, in another mode" "other XDP programs are attached in native mode" --generic lan
	loader unload lan --all
}

# A restart that does not see the bpffs: the program is found all the same, and cannot be taken out.
without_the_bpffs_again() {
	local id
	drive --fallback drop lan
	id=$(ours lan)
	drive_kill
	unset LIBXDP_BPFFS
	drive --fallback drop lan
	equal "shared, no bpffs: the same program" "$(ours lan)" "$id"
	blocks "shared, no bpffs"
	kill -USR1 "$driver_pid"
	wait_until 5 "the fallback has changed" reach client 198.51.100.2
	drive_end
	passes "shared, no bpffs: everything passes"
	expect "the log says that it stays" grep -q 'stays attached, passing everything' "$tmp/driver.log"
	refute "shared, no bpffs: --detach" on appliance "$driver" --detach lan
	export LIBXDP_BPFFS=$tmp/bpf
	expect "shared: --detach" on appliance "$driver" --detach lan
	expect "shared: detached" detached
}

no_scary_messages() {
	# The driver logs at debug level; what the libraries print is there and nowhere else.
	refute "nothing louder than debug" grep -vE 'debug: |^<7>|stays attached' "$tmp/driver.log"
	refute "no sanitizer has complained" grep -E 'Sanitizer|runtime error' "$tmp/driver.log"
}

everywhere() {
	killed_with_drop "$@"
	killed_with_kernel "$@"
	socket_receives "$@"
	two_ports_share_addresses "$@"
	detached_by_hand "$@"
	replaced_without_a_gap "another ABI"
	[ "$mode" = "generic, plain" ] || replaced_without_a_gap "multi-buffer packets" --frags
	device_deleted "$@"
}

plain() {
	mode="native, plain" off=xdp mode_options=()
	everywhere
	refuses_a_plain_program_of_others
	refused "native mode on a device without it" "^refused lo 95 lo: .*no native XDP.*generic" lo
}

generic() {
	mode="generic, plain" off=xdpgeneric mode_options=(--generic)
	everywhere --generic
	drive --fallback drop --generic lan
	drive_kill
	drive --fallback drop lan
	equal "from generic to native" "$(described lan)" "native, plain"
	blocks "from generic to native"
	drive_end
	expect "detach" on appliance "$driver" --detach lan
}

shared() {
	export LIBXDP_BPFFS=$tmp/bpf
	mode="native, dispatcher" off=xdp mode_options=()
	drive lan
	drive_end
	if [ "$(described lan)" != "$mode" ]; then
		equal "where there cannot be a dispatcher" "$(described lan)" "native, plain"
		no_scary_messages
		skip "this kernel loads no freplace programs (locked down?), so there is no dispatcher"
	fi
	everywhere
	shares_with_another
	without_the_bpffs_again
}

touch "$tmp/driver.log"
ln -s driver.log "$tmp/visord.log" # whose end is shown when something fails
case $variant in
generic | shared) "$variant" ;;
*) plain ;;
esac
no_scary_messages
