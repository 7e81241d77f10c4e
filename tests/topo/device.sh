#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What may happen to a device: down and up, another MAC address, another MTU, deleted and made anew
# under traffic, renamed. The daemon stays, the port comes back, the other port never notices.
# variants: 1 2
# limit: 120
. "$(dirname "$0")/lib.sh"
visord_only "ports"
topo_standard
appliance_start
reach_both "at first"
traffic() {
	(exec_on client ping -n -q -i 0.01 -W 1 198.51.100.2 >/dev/null 2>&1) &
	traffic_pid=$!
}
state_is() { [ "$(port_state "$1")" = "$2" ]; }
answers() { on client ping -n -q -c 1 -W 1 198.51.100.2 && on client ping -n -q -c 1 -W 1 2001:db8:2::2; }
traffic

say "down and up"
ip_on appliance link set wan down
wait_until 5 "the port is down" state_is wan down
equal "the other port" "$(port_state lan)" up
ip_on appliance link set wan up
ip_on appliance -6 address replace 2001:db8:2::1/64 dev wan nodad
wait_until 10 "the port is up" state_is wan up
wait_until 10 "traffic flows again" answers

say "another MAC address"
on appliance sysctl -q -w net.ipv4.conf.wan.arp_notify=1 net.ipv6.conf.wan.ndisc_notify=1
ip_on appliance link set wan address 02:00:00:00:02:99
wait_until 10 "traffic flows with another MAC address" answers
mac_seen() { [ "$(on server ip neigh show 198.51.100.1 | awk '{ print $5 }')" = 02:00:00:00:02:99 ]; }
wait_until 10 "the server has learnt it" mac_seen

say "another MTU"
ip_on appliance link set wan mtu 1300
too_big() {
	local out
	on client ip route flush cache
	out=$(on client ping -n -c 1 -W 1 -M 'do' -s 1350 198.51.100.2 2>&1 || true)
	grep -q 'mtu *= *1300' <<<"$out"
}
wait_until 10 "the new MTU is announced" too_big
ip_on appliance link set wan mtu 1500

say "deleted, and made anew under the same name"
ip_on appliance link del wan
wait_until 5 "the port is absent" state_is wan absent
equal "the other port" "$(port_state lan)" up
ip link add eth0 netns "${ns_prefix}server" address 02:00:00:00:02:02 numrxqueues "$QUEUES" \
	numtxqueues "$QUEUES" type veth peer name wan netns "${ns_prefix}appliance" \
	address 02:00:00:00:02:01 numrxqueues "$QUEUES" numtxqueues "$QUEUES"
on server ethtool -K eth0 tx off gro on >/dev/null 2>&1
ip_on appliance address add 198.51.100.1/24 dev wan
ip_on appliance address add 2001:db8:2::1/64 dev wan nodad
ip_on appliance link set wan up
ip_on server address add 198.51.100.2/24 dev eth0
ip_on server address add 2001:db8:2::2/64 dev eth0 nodad
ip_on server link set eth0 up
ip_on server route add default via 198.51.100.1
ip_on server -6 route add default via 2001:db8:2::1
wait_until 10 "the port is up again" state_is wan up
wait_until 10 "traffic flows by the new device" answers

say "renamed away and back"
ip_on appliance link set wan down
ip_on appliance link set wan name other
wait_until 5 "the port is absent" state_is wan absent
ip_on appliance link set other name wan
ip_on appliance link set wan up
ip_on appliance -6 address replace 2001:db8:2::1/64 dev wan nodad
wait_until 10 "the port is up after renaming" state_is wan up
wait_until 10 "traffic flows after renaming" answers

say "the program is taken off"
ip_on appliance link set dev wan xdp off
wait_until 10 "the program is on again" log_has 'XDP program was taken off'
wait_until 10 "traffic flows" answers
kill $traffic_pid
appliance_stop
refute "no frame was lost" log_has 'frames came back'
