#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What happens to a zero-copy port while its driver holds our frames: cable out and in, link down and
# up, the queues closed and bound again, kill -9 and a new daemon, the driver unbound and bound. Each
# time all queues are in zero-copy again, traffic flows without loss, and no frame is missing.
# variants: 1 2
# limit: 240
VISOR_TEST_APPLIANCE=guest
. "$(dirname "$0")/../topo/lib.sh"
topo_standard
appliance_start
run=0
state_is() { [ "$(port_state "$1")" = "$2" ]; }
carrier_is() { [ "$(show ports "[p['carrier'] for p in d if p['name'] == '$1'][0]")" = "$2" ]; }
answers() { on client ping -n -q -c 1 -W 1 198.51.100.2 && on client ping -n -q -c 1 -W 1 2001:db8:2::2; }
# lossless WHAT: 2,000 packets of 16 flows, each arrives once, intact and in order. The rings of 2,048
# have room for all of them, should the emulator stop for a while.
lossless() {
	wait_until 15 "$1: traffic flows" answers
	run=$((run + 1))
	tagged_receive server eth0 "$tmp/received" --count 2000 --flows 16 --idle 3000 --run $run
	on client "$TOOLS/tagged" send --device eth0 --to-mac 02:00:00:00:01:01 --from 192.0.2.2 \
		--to 198.51.100.2 --count 2000 --flows 16 --rate 2000 --run $run >/dev/null
	wait "$receiver_pid" || fail "$1: $(cat "$tmp/received")"
	say "ok: $1: 2,000 packets, none lost"
	queues_are zerocopy
}
traffic() {
	(exec_on client ping -n -q -i 0.01 -W 1 198.51.100.2 >/dev/null 2>&1) &
	traffic_pid=$!
}
addresses() {
	ip_on appliance address replace 198.51.100.1/24 dev wan
	ip_on appliance -6 address replace 2001:db8:2::1/64 dev wan nodad
}

lossless "at first"
if [ "$QUEUES" = 2 ]; then
	equal "queues of lan that had packets" "$(show ports "sum(1 for q in d[0]['queues'] if q['rx_packets'])")" 2
	equal "queues of wan that sent packets" "$(show ports "sum(1 for q in d[1]['queues'] if q['tx_packets'])")" 2
	equal "workers in use" "$(show ports "len(set(q['worker'] for p in d for q in p['queues']))")" 2
fi
traffic

say "the cable out and in"
carrier 2 off
wait_until 5 "the port has no carrier" carrier_is wan false
equal "the port stays bound" "$(port_state wan)" up
sleep 0.5
carrier 2 on
wait_until 5 "the port has its carrier" carrier_is wan true
lossless "cable in"

say "the link down and up"
ip_on appliance link set wan down
wait_until 5 "the port is down" state_is wan down
sleep 0.5
ip_on appliance link set wan up
addresses
wait_until 10 "the port is up" state_is wan up
lossless "link up"

say "the queues closed and bound again"
ports=(lan)
expect "a reload without wan" appliance_reload
ports=(lan wan)
expect "a reload with wan" appliance_reload
wait_until 10 "the port is up" state_is wan up
lossless "bound again"

say "the program is taken off"
ip_on appliance link set dev wan xdp off
wait_until 10 "it is noticed" log_has 'XDP program was taken off'
wait_until 10 "the port is up" state_is wan up
lossless "attached again"

say "kill -9 under traffic, and a new daemon"
appliance_kill
appliance_start
lossless "a new daemon"

say "the driver unbound and bound"
card_unbind wan
wait_until 5 "the port is absent" state_is wan absent
equal "the other port" "$(port_state lan)" up
card_bind wan
ip_on appliance link set wan up
addresses
wait_until 10 "the port is up" state_is wan up
lossless "driver bound"

kill $traffic_pid
wait $traffic_pid 2>/dev/null || true
appliance_stop
expect "when the kernel has let go of a queue can be told" on appliance "$TOOLS/queue_release" wan
