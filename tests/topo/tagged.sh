#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A million tagged packets (240,000 with two workers) cross at a moderate rate, half of them
# IPv6: none lost, none twice, none
# changed, none out of order within its flow; and the account balances to the packet.
# variants: 1 2 spread
# limit: 180
# alone
. "$(dirname "$0")/lib.sh"
topo_standard
# a machine that is busy with other things may stop a worker for a while: rings for 200 ms
for port in lan wan; do port_keys[$port]="rx_ring = 8192; tx_ring = 8192;"; done
rate=${RATE:-$([ "$WORKERS" = 1 ] && echo 40000 || echo 15000)}
appliance_start
reach_both "before"
on server sysctl -q -w net.ipv4.icmp_ratelimit=1000 net.ipv6.icmp.ratelimit=1000 # no port is open there
count=${COUNT:-$([ "$WORKERS$SPREAD" = 1false ] && echo 500000 || echo 120000)}
for to in 198.51.100.2 2001:db8:2::2; do
	case $to in *:*) from=2001:db8:1::2 id=6 ;; *) from=192.0.2.2 id=4 ;; esac
	tagged_receive server eth0 "$tmp/received" --count "$count" --flows 64 --run $id --limit 100000
	on client "$TOOLS/tagged" send --device eth0 --to-mac 02:00:00:00:01:01 --from $from --to $to \
		--count "$count" --flows 64 --run $id --rate "$rate" --size 64:600 >"$tmp/sent"
	wait $receiver_pid || fail "$to: $(cat "$tmp/received")"
	say "ok: $to: $(cat "$tmp/received")"
done
equal "packets dropped" "$(show drops "d['dropped']")" 0
appliance_stop
