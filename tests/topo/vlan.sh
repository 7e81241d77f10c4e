#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A port carries untagged traffic, 802.1Q VLANs and a doubly tagged (802.1ad) one, all at once, and
# routes between all of them; a tag that nobody asked for is dropped.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
visord_only "VLAN interfaces of a port"
topo_standard
# net HOST DEVICE V4 V6 LAST
net() {
	ip_on "$1" address add "$3.$5/24" dev "$2"
	ip_on "$1" address add "$4:$5/64" dev "$2" nodad
}
vlan_device appliance wan wan.100 100
vlan_device server eth0 eth0.100 100
vlan_device appliance wan wan.q 7 200
vlan_device server eth0 eth0.q 7 200
net appliance wan.100 203.0.113 2001:db8:100: 1
net server eth0.100 203.0.113 2001:db8:100: 2
net appliance wan.q 192.168.7 2001:db8:7: 1
net server eth0.q 192.168.7 2001:db8:7: 2
# Each network of the server answers by the way that it was asked.
for i in "100 203.0.113 2001:db8:100: eth0.100" "7 192.168.7 2001:db8:7: eth0.q"; do
	read -r table v4 v6 device <<<"$i"
	ip_on server rule add from "$v4.2" table "$table"
	ip_on server -6 rule add from "$v6:2" table "$table"
	ip_on server route add default via "$v4.1" dev "$device" table "$table"
	ip_on server -6 route add default via "$v6:1" dev "$device" table "$table"
done
port_keys[wan]='interfaces = ( { name = "v100"; vlan = 100; device = "wan.100"; },
	{ name = "q7"; vlan = 7; outer_vlan = 200; device = "wan.q"; } );'
appliance_start "$(config_default | sed 's/ports = \[ "lan", "wan" \]/ports = [ "lan", "wan", "v100", "q7" ]/')"

reach_both untagged
for to in 203.0.113.2 2001:db8:100::2 192.168.7.2 2001:db8:7::2; do
	expect "ping $to" reach client $to
	expect "ping $to, 1472 bytes of IP" reach client $to -s 1400
done
expect "from one VLAN into the other" on server ping -n -q -c 3 -i 0.1 -W 2 -I 203.0.113.2 192.0.2.2

"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")
client.send(client.to_router() / IP(src=C4, dst="203.0.113.2") / UDP(dport=9) / b"x")
seen = server.expect("one tag", lambda p: UDP in p and Dot1Q in p, checksums=False)
if seen.type != 0x8100 or seen[Dot1Q].vlan != 100 or seen[Dot1Q].type != 0x0800:
    fail(seen.summary())
client.send(client.to_router() / IPv6(src=C6, dst="2001:db8:7::2") / UDP(dport=9) / b"x")
raw = bytes(server.expect("two tags", lambda p: b"\x00\xc8\x81\x00\x00\x07\x86\xdd" in bytes(p), checksums=False))
if raw[12:22].hex() != "88a800c88100000786dd":
    fail("the frame begins " + raw[12:22].hex())
server.send(server.to_router() / Dot1Q(vlan=300) / IP(src=S4, dst=C4) / UDP(dport=9) / b"x",
            server.to_router(type=0x88a8) / Dot1Q(vlan=201, type=0x8100) / Dot1Q(vlan=7) /
            IP(src=S4, dst=C4) / UDP(dport=9) / b"x")
client.refute("unknown tags lead nowhere", lambda p: UDP in p)
server.send(server.to_router() / Dot1Q(vlan=0, prio=5) / IP(src=S4, dst=C4) / UDP(dport=9) / b"x")
client.expect("a priority tag (VLAN 0) is untagged traffic", lambda p: UDP in p)
PY
expect_drops vlan_unknown 2
equal "visorctl knows the VLAN interfaces" \
	"$(show interfaces "sorted(i['name'] for i in d['interfaces'])" | tr -d '" ')" "[lan,q7,v100,wan]"
appliance_stop
