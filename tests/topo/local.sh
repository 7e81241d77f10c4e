#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The host's own traffic stays the kernel's: its addresses on either side answer ping and TCP, also
# addresses that come and go while visord runs; ARP and ND work; fragments for it are put together.
# variants: 1 2
# quick
. "$(dirname "$0")/lib.sh"
topo_standard
appliance_start
for to in 192.0.2.1 198.51.100.1 2001:db8:1::1 2001:db8:2::1; do
	expect "ping of the appliance at $to" reach client $to
done
expect "ping of it with 4000 bytes" reach client 192.0.2.1 -s 4000
expect "ping -6 of it with 4000 bytes" reach client 2001:db8:1::1 -s 4000
on client ping -n -q -c 1 -W 2 fe80::ff:fe00:101%eth0 >/dev/null || fail "its link-local address"

(exec_on appliance "$PYTHON" -m http.server --bind :: --directory "$TOPO" 8080 >/dev/null 2>&1) &
wait_until 10 "the appliance's own server listens" on appliance sh -c 'ss -Hltn | grep -q 8080'
for to in 198.51.100.1 '[2001:db8:2::1]'; do
	expect "TCP to the appliance at $to" on client curl -gsf -m 5 -o /dev/null "http://$to:8080/lib.sh"
done
refute "an address that it has not" on client ping -n -q -c 1 -W 0.5 203.0.113.5
ip_on appliance address add 203.0.113.5/32 dev lo
ip_on appliance address add 2001:db8:5::5/128 dev lo
wait_until 5 "a new address answers" on client ping -n -q -c 1 -W 0.5 203.0.113.5
wait_until 5 "a new IPv6 address answers" on client ping -n -q -c 1 -W 0.5 2001:db8:5::5
ip_on appliance address del 203.0.113.5/32 dev lo
ip_on appliance -6 address del 2001:db8:5::5/128 dev lo
sleep 0.3
refute "removed again" on client ping -n -q -c 1 -W 0.5 203.0.113.5
refute "removed again, IPv6" on client ping -n -q -c 1 -W 0.5 2001:db8:5::5
expect "the appliance pings a host" reach appliance 198.51.100.2
expect "the appliance pings a host, IPv6" reach appliance 2001:db8:2::2
reach_both "and routes"
appliance_stop
