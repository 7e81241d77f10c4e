#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# When the daemon is gone, by kill -9 or in good order: with fallback "kernel" the kernel has
# everything, with "drop" nothing is forwarded though the kernel would, and the host itself can be
# reached all the time. A new daemon takes over what is attached.
# variants: 1
# vm: 1
. "$(dirname "$0")/lib.sh"
visord_only "fallback"
KERNEL_MAY_FORWARD=1
topo_standard
kernel_forwards() { on appliance sysctl -q -w net.ipv4.ip_forward="$1" net.ipv6.conf.all.forwarding="$1"; }
both() { on client ping -n -q -c 2 -i 0.1 -W 1 198.51.100.2 && on client ping -n -q -c 2 -i 0.1 -W 1 2001:db8:2::2; }
either() { on client ping -n -q -c 2 -i 0.1 -W 1 198.51.100.2 || on client ping -n -q -c 2 -i 0.1 -W 1 2001:db8:2::2; }
host_reached() { on client ping -n -q -c 1 -W 1 192.0.2.1 && on client ping -n -q -c 1 -W 1 2001:db8:1::1; }

for fallback in kernel drop; do
	port_keys[lan]="fallback = \"$fallback\";" port_keys[wan]="fallback = \"$fallback\";"
	kernel_forwards 0
	appliance_start
	expect "$fallback: visord forwards" both
	expect "$fallback: the host is reached" host_reached
	for how in KILL TERM; do
		if [ $how = KILL ]; then
			appliance_kill
		else
			kill -TERM "$visord_pid"
			wait_exit "$visord_pid" 20
		fi
		refute "$fallback, $how: without visord and the kernel nothing is forwarded" either
		kernel_forwards 1
		if [ $fallback = kernel ]; then
			expect "$fallback, $how: the kernel forwards" both
		else
			refute "$fallback, $how: nothing is forwarded" either
			expect "$fallback, $how: the program stays" xdp_attached wan
		fi
		expect "$fallback, $how: the host is reached" host_reached
		kernel_forwards 0
		appliance_start
		expect "$fallback, $how: a new visord forwards" both
	done
	appliance_stop
done
for port in lan wan; do
	expect "visord --detach $port" on appliance "$BUILD/visord" --detach $port
	refute "nothing is left on $port" xdp_attached $port
done
kernel_forwards 1
expect "and the kernel forwards" both
