#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# traceroute shows the appliance as a hop, by the address on the asking side, with UDP, ICMP and TCP.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
topo_standard
appliance_start

# trace METHOD TO HOP
trace() {
	local method=$1 to=$2 hop=$3 out
	out=$(on client traceroute -n -q 2 -w 2 -m 6 "$method" "$to")
	printf '%s\n' "$out"
	equal "traceroute $method $to: its hops" \
		"$(awk 'NR > 1 { print $2 }' <<<"$out" | paste -sd' ')" "$hop $to"
}
for method in -U -I -T; do
	trace $method 198.51.100.2 192.0.2.1
	trace $method 2001:db8:2::2 2001:db8:1::1
done
appliance_stop
