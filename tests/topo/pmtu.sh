#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Path MTU discovery works through the appliance: ping with "do not fragment", IPv6, a route's own
# MTU, and TCP whose ends know nothing of the small link in the middle.
#   client ──1500── appliance ──1400── middle ──1500── far
# variants: 1 2
# vm: 1
# quick
. "$(dirname "$0")/lib.sh"
topo_standard
host_add far
ip link add eth1 netns "${ns_prefix}server" type veth peer name eth0 netns "${ns_prefix}far"
on far ethtool -K eth0 tx off >/dev/null 2>&1
on server ethtool -K eth1 tx off >/dev/null 2>&1
on server sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip_on server link set eth1 up
ip_on server address add 203.0.113.1/24 dev eth1
ip_on server address add 2001:db8:3::1/64 dev eth1 nodad
ip_on far link set eth0 up
ip_on far address add 203.0.113.2/24 dev eth0
ip_on far address add 2001:db8:3::2/64 dev eth0 nodad
ip_on far route add default via 203.0.113.1
ip_on far -6 route add default via 2001:db8:3::1
ip_on server link set eth0 mtu 1400
ip_on server route replace default via 198.51.100.1
ip_on server -6 route replace default via 2001:db8:2::1
ip_on appliance link set wan mtu 1400
ip_on appliance route add 203.0.113.0/24 via 198.51.100.2
ip_on appliance -6 route add 2001:db8:3::/64 via 2001:db8:2::2
appliance_start

# learns TO SIZE MTU: a ping that is too big is told so, and the host remembers it.
learns() {
	local out
	out=$(on client ping -n -c 2 -i 0.2 -W 1 -M 'do' -s "$2" "$1" || true)
	printf '%s\n' "$out"
	grep -qiE "(frag needed and DF set|packet too big).*mtu ?= ?$3" <<<"$out" ||
		fail "$1 with $2 bytes: the MTU $3 is not announced"
	grep -q "mtu $3" <<<"$(ip_on client route get "$1")" || fail "the host has not learnt the MTU"
	say "ok: $1: learns $3"
}
expect "203.0.113.2: 1400 bytes cross" reach client 203.0.113.2 -M 'do' -s 1372
expect "2001:db8:3::2: 1400 bytes cross" reach client 2001:db8:3::2 -M 'do' -s 1352
learns 203.0.113.2 1373 1400
learns 2001:db8:3::2 1353 1400

# A route's own MTU counts as well.
ip_on appliance route replace 203.0.113.0/24 via 198.51.100.2 mtu 1300
ip_on appliance -6 route replace 2001:db8:3::/64 via 2001:db8:2::2 mtu 1300
sleep 0.3
ip_on client route flush cache
ip_on client -6 route flush cache
expect "route MTU: 1300 bytes cross" reach client 203.0.113.2 -M 'do' -s 1272
learns 203.0.113.2 1273 1300
learns 2001:db8:3::2 1253 1300

# TCP, both directions: far announces an MSS for 1500 and learns better.
ip_on client route flush cache
ip_on client -6 route flush cache
for to in 203.0.113.2 2001:db8:3::2; do
	for reverse in '' -R; do
		(exec_on far iperf3 -s -1 -B $to >"$tmp/iperf.log" 2>&1) &
		wait_until 10 "iperf3 listens" on far sh -c "ss -Hltn | grep -q 5201"
		on client timeout 40 iperf3 -c $to -n 8M --json $reverse >"$tmp/iperf.json" ||
			fail "iperf3 $reverse to $to: $(cat "$tmp/iperf.json")"
		equal "TCP of 8 MiB ${reverse:+back }across the small link, $to" \
			"$(json "d['end']['sum_received']['bytes'] >= 4 << 20" <"$tmp/iperf.json")" true
		wait $!
	done
done
expect_drops too_big 6
appliance_stop
