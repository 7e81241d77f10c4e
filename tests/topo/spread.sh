#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A one-queue port's load is spread over the workers by flow, and flows stay in order; without
# `spread` one worker does it all. The traffic leaves where it came in, by the first worker's queue:
# whatever the second hands back to the first is what it has worked on.
# variants: spread
# vm: spread
. "$(dirname "$0")/lib.sh"
visord_only "its workers"
HOST_GRO=off
topo_standard
ip_on appliance neigh replace 192.0.2.200 lladdr 02:00:00:00:01:02 dev lan nud permanent
ip_on appliance neigh replace 2001:db8:1::200 lladdr 02:00:00:00:01:02 dev lan nud permanent
ip_on appliance route add 203.0.113.0/24 via 192.0.2.200
ip_on appliance -6 route add 2001:db8:f::/48 via 2001:db8:1::200
config_more='router = ( { name = "default"; redirects = false; } );'
run=0
packets=$((40000 / SLOW))
# send FROM TO: 40,000 packets of 64 flows; how many the second worker had is left in $second.
send() {
	local before
	run=$((run + 1))
	before=$(show workers "d['workers'][1]['handed_over']")
	tagged_receive client eth0 "$tmp/received" --count $packets --flows 64 --idle 3000 --run $run
	on client "$TOOLS/tagged" send --device eth0 --to-mac 02:00:00:00:01:01 --from "$1" --to "$2" \
		--count $packets --flows 64 --rate $((10000 / SLOW)) --run $run >/dev/null
	wait "$receiver_pid" || fail "not all came in order: $(cat "$tmp/received")"
	second=$(($(show workers "d['workers'][1]['handed_over']") - before))
}
appliance_start
for i in "192.0.2.100 203.0.113.9" "2001:db8:1::100 2001:db8:f::9"; do
	# shellcheck disable=SC2086  # two words
	send $i
	if [ $second -lt $((packets / 5)) ] || [ $second -gt $((packets * 4 / 5)) ]; then
		fail "$i: the second worker had $second of $packets"
	fi
	say "ok: $i: the second worker had $second of $packets packets"
done
SPREAD=false
expect "a reload without spread" appliance_reload
send 192.0.2.100 203.0.113.9
equal "what the second worker then had" "$second" 0
appliance_stop
