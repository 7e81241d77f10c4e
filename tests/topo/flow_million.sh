#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A million flows at once: each is opened by its first packet, found by its second, and counted; a
# connection that was there before goes on, and they can be flushed together.
# variants: 1
# limit: 180
# alone
. "$(dirname "$0")/lib.sh"
visord_only "flows"
topo_standard
flows=${FLOWS:-1000000}
rate=${RATE:-50000}
config_default() {
	cat <<-CONFIG
		workers = { count = $WORKERS; };
		ports = ( { name = "lan"; device = "lan"; rx_ring = 32768; tx_ring = 32768; },
			{ name = "wan"; device = "wan"; rx_ring = 32768; tx_ring = 32768; } );
		flows = { ipv4 = $((flows + 50000)); ipv6 = 1024; timeouts = { udp_new = 600; }; };
		firewall = ( { name = "edge"; default = "drop";
			rules = ( { name = "out"; in = "lan"; action = "accept"; } ); } );
		chains = ( { functions = [ "firewall:edge", "router" ]; } );
		control = { socket = "$socket"; };
	CONFIG
}
summary() { ctl --json show flows summary >"$tmp/show.json" && json "$1" <"$tmp/show.json"; }
pass() { # RUN
	tagged_receive server eth0 "$tmp/received" --count "$flows" --flows "$flows" --sources 250 --run "$1" --limit 90000
	on client "$TOOLS/tagged" send --device eth0 --to-mac 02:00:00:00:01:01 --from 192.0.2.3 --to 198.51.100.2 \
		--count "$flows" --flows "$flows" --sources 250 --run "$1" --rate "$rate" --size 64:64 >"$tmp/sent"
	wait $receiver_pid || fail "pass $1: $(cat "$tmp/received")"
	say "ok: pass $1: $(cat "$tmp/received")"
}

appliance_start
on server sysctl -q -w net.ipv4.icmp_ratelimit=1000
ip_on server route add blackhole 192.0.2.0/24 # no port is open there: nothing comes back
ip_on server route add 192.0.2.2 via 198.51.100.1
exec_on server iperf3 -s -1 >/dev/null 2>&1 &
wait_until 10 "the server listens" on server bash -c 'ss -Hltn sport = :5201 | grep -q .'
exec_on client iperf3 -c 198.51.100.2 -t 100 -b 2M >"$tmp/iperf" 2>&1 &
iperf=$!
sleep 1

pass 1
used=$(summary "d['counters']['opened']")
[ "$used" -ge "$flows" ] || fail "$used flows were opened, not $flows"
equal "evicted" "$(summary "d['counters']['evicted']")" 0
equal "refused" "$(summary "d['counters']['refused']")" 0
equal "flows that are alive" "$(summary "sum(d['states'].values()) >= $flows")" true
say "ok: $(summary "d['states']")"
misses=$(summary "d['counters']['misses']")
pass 2
[ $(($(summary "d['counters']['misses']") - misses)) -lt 100 ] || fail "second packets that found no flow"
say "ok: the second packet of each found its flow"
kill -0 $iperf || fail "the transfer has ended: $(cat "$tmp/iperf")"
say "ok: the transfer beside them goes on"
ctl flush flows proto udp | grep -q "$flows" || fail "flush: $(ctl flush flows proto udp)"
freed() { [ "$(summary "d['ipv4']['used']")" -lt 2000 ]; }
wait_until 40 "their memory is free again" freed
kill $iperf
equal "dropped for want of room" "$(drops flow_table_full)" 0
appliance_stop
