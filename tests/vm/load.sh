#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# More packets than the guest can take, both ways at once, on zero-copy ports with small rings and the
# fewest frames that a configuration may have: these are enough, also while the driver's own ring is
# full. So is a daemon that is stopped, whose rings fill up and run dry. Afterwards every packet is
# accounted for, traffic flows without loss, every frame is back; and the kernel has copied no packet.
# variants: 1 2
# limit: 240
VISOR_TEST_APPLIANCE=guest
. "$(dirname "$0")/../topo/lib.sh"
topo_standard
port_keys[lan]='rx_ring = 256; tx_ring = 256;' port_keys[wan]=${port_keys[lan]}
config_more='memory = { frames = 1; };'
config_default >"$tmp/few.cfg"
few=$({ "$BUILD/visord" --check "$tmp/few.cfg" 2>&1 || true; } | sed -n 's/.*expected at least \([0-9]*\) .*/\1/p')
config_more="memory = { frames = $few; };"
appliance_start
reach_both "at first"
run=0
floods=()
# flood FROM ADDRESSES NUMBER: as fast as it goes.
flood() {
	# shellcheck disable=SC2086  # two of them
	(exec_on "$1" "$TOOLS/tagged" send --device eth0 --to-mac "02:00:00:00:0$3:01" $2 \
		--count 40000 --flows 64 --size 64:1400 --run 99 >/dev/null) &
	floods+=($!)
}
# lossless FROM TO ADDRESSES NUMBER: 2,000 packets, each once, intact and in order. Rings of 256 do
# lose some while the emulator stands still, so there are three tries.
lossless() {
	local try
	for try in 1 2 3; do
		run=$((run + 1))
		tagged_receive "$2" eth0 "$tmp/received" --count 2000 --flows 16 --idle 3000 --run $run
		# shellcheck disable=SC2086  # two of them
		on "$1" "$TOOLS/tagged" send --device eth0 --to-mac "02:00:00:00:0$4:01" $3 \
			--count 2000 --flows 16 --rate 1000 --run $run >/dev/null
		if wait "$receiver_pid"; then
			say "ok: $1 to $2: 2,000 packets, none lost, try $try"
			return
		fi
		say "try $try: $(cat "$tmp/received")"
	done
	fail "$1 to $2 is not without loss"
}
# The functions that receive and send in copy mode, and the one that receives in zero-copy.
trace_on() {
	on appliance sh -c 'mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
		cd /sys/kernel/tracing || exit 1
		echo "__xsk_rcv __xsk_rcv_zc* xsk_generic_rcv __xsk_generic_xmit" >set_ftrace_filter
		echo 4096 >buffer_size_kb
		echo function >current_tracer'
}
# traced PATTERN: how often such functions were called.
traced() { on appliance sh -c "grep -cE ': ($1)' /sys/kernel/tracing/trace || true"; }

for round in 1 2; do
	flood client "--from 192.0.2.2 --to 198.51.100.2" 1
	flood server "--from 2001:db8:2::2 --to 2001:db8:1::2" 2
	wait "${floods[@]}"
	floods=()
	wait_until 10 "the counters come to rest" settled
	say "round $round: $(show drops "[d['received'], d['transmitted'], d['dropped'], d['waiting']]")" \
		"$(show ports "[[q[k] for k in ('fill_ring_empty', 'fill_starved', 'tx_full', 'rx_dropped', 'kicks', 'kick_errors')] for p in d for q in p['queues']]")"
	reach_both "round $round, after the flood"
done
say "a daemon that is stopped while the rings fill and run dry"
pid=$(on appliance pidof visord)
on appliance kill -STOP "$pid"
flood client "--from 192.0.2.2 --to 198.51.100.2" 1
flood server "--from 2001:db8:2::2 --to 2001:db8:1::2" 2
wait "${floods[@]}"
floods=()
on appliance kill -CONT "$pid"
wait_until 10 "the counters come to rest" settled
say "$(show ports "[[q[k] for k in ('rx_ring_full', 'fill_ring_empty', 'rx_dropped')] for p in d for q in p['queues']]")"
expect "RX rings were full, or fill rings empty" test "$(show ports \
	"sum(q['rx_ring_full'] + q['rx_dropped'] + q['fill_ring_empty'] for p in d for q in p['queues'])")" -gt 50
reach_both "afterwards"
equal "times that a fill ring wanted frames and there were none" "$(show ports \
	"sum(q['fill_starved'] for p in d for q in p['queues'])")" 0
equal "kicks that the kernel refused" "$(show ports "sum(q['kick_errors'] + q['rx_invalid'] + q['tx_invalid'] for p in d for q in p['queues'])")" 0
trace_on
lossless client server "--from 192.0.2.2 --to 198.51.100.2" 1
lossless server client "--from 2001:db8:2::2 --to 2001:db8:1::2" 2
zero_copied=$(traced '__xsk_rcv_zc') copied=$(traced '__xsk_rcv <|xsk_generic_rcv|__xsk_generic_xmit')
[ "$zero_copied" -ge 4000 ] || fail "the trace has $zero_copied packets, it should have 4,000"
equal "packets that the kernel copied, of $zero_copied" "$copied" 0
appliance_stop
