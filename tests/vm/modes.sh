#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A device that refuses zero-copy (wan: a virtio-net without iommu_platform) beside one that grants it:
# mode "auto" falls back to copy and says why, in the log and in `show ports`; "zerocopy" does not
# start the port, and says so; "copy" is obeyed. Frames cross between the two modes.
# variants: 2
# limit: 240
VISOR_TEST_APPLIANCE=guest
. "$(dirname "$0")/../topo/lib.sh"
guest_nic[2]=$GUEST_NIC_COPY
MIXED_MODES=1
topo_standard
run=0
state_is() { [ "$(port_state "$1")" = "$2" ]; }
# lossless FROM TO ADDRESSES NUMBER: 2,000 packets by lan and wan, each once, intact and in order.
lossless() {
	run=$((run + 1))
	tagged_receive "$2" eth0 "$tmp/received" --count 2000 --flows 16 --idle 3000 --run $run
	# shellcheck disable=SC2086  # two of them
	on "$1" "$TOOLS/tagged" send --device eth0 --to-mac "02:00:00:00:0$4:01" $3 \
		--count 2000 --flows 16 --rate 2000 --run $run >/dev/null
	wait "$receiver_pid" || fail "$1 to $2: $(cat "$tmp/received")"
	say "ok: $1 to $2: 2,000 packets, none lost"
}
both_ways() {
	reach_both "$1"
	lossless client server "--from 192.0.2.2 --to 198.51.100.2" 1
	lossless server client "--from 2001:db8:2::2 --to 2001:db8:1::2" 2
}
why() { show ports "sorted(set(q['why'] for p in d if p['name'] == '$1' for q in p['queues']))"; }

say "auto"
appliance_start
queues_are zerocopy lan
queues_are copy wan
equal "why lan is in zero-copy" "$(why lan)" '[""]'
expect "why wan is not" grep -q 'zero-copy refused by the driver' <<<"$(why wan)"
expect "the log says it" log_has 'port wan: .*, copy: zero-copy refused by the driver'
both_ways "zero-copy and copy"
appliance_stop

say "zerocopy"
port_keys[wan]='mode = "zerocopy";' port_keys[lan]='mode = "zerocopy";'
appliance_run
wait_until 20 "the port that cannot is not started" state_is wan failed
wait_until 20 "the port that can is" state_is lan up
queues_are zerocopy lan
equal "queues of wan" "$(show ports "len(d[1]['queues'])")" 0
expect "the log says why" log_has 'error: port wan: wan queue 0: zero-copy refused by the driver: .*; set mode'
equal "show ports too" "$(show ports "d[1]['reason']")" \
	'wan queue 0: zero-copy refused by the driver: Invalid argument; set mode = "auto" or "copy"'
# Attaching resets the link of many a card: it is not done again for every try.
program() { ip_on appliance -d link show dev wan | sed -n 's/.*prog.xdp id \([0-9]*\).*/\1/p'; }
before=$(program)
sleep 3.5
equal "the program on wan after two more tries" "$(program)" "$before"
equal "what is on it" "$(show ports "d[1]['xdp']")" "native, dispatcher"
refute "nothing is forwarded to it" reach client 198.51.100.2 -c 1
say "a reload with another mode opens it"
port_keys[wan]='mode = "copy";' port_keys[lan]='mode = "copy";'
expect "reload" appliance_reload
wait_until 20 "the port that could not is up" ports_up
queues_are copy wan
queues_are copy lan
equal "why wan is in copy mode" "$(why wan)" '["copy mode was asked for"]'
both_ways "copy and copy"
appliance_stop
