#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A packet that leaves by the interface that it came in by is forwarded; its sender is told of the
# better way, where the configuration says so and only then.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
visord_only "redirects by configuration"
topo_standard
ip_on client address add 192.0.2.3/24 dev eth0
ip_on appliance route add 203.0.113.0/24 via 192.0.2.3
ip_on appliance -6 route add 2001:db8:f::/48 via fe80::ff:fe00:102 dev lan
probe() {
	"$PYTHON" - "$1" <<'PY'
from wire import *
client, wanted = Tap("client"), sys.argv[1] == "true"
r4 = lambda p: ICMP in p and p[ICMP].type == 5 and p[ICMP].code == 1
for packet in (IP(src=C4, dst="203.0.113.5") / UDP(dport=9) / b"x", IPv6(src=C6, dst="2001:db8:f::5") / UDP(dport=9) / b"x"):
    layer, redirect = type(packet), r4 if isinstance(packet, IP) else is_icmp6(137, 0)
    client.send(client.to_router() / packet)    # the better hop is resolved by this one
    time.sleep(1.2)
    client.drain()
    client.send(client.to_router() / packet)
    got = client.collect(lambda p: UDP in p and p.src == client.router or redirect(p), 2, 2)
    sent_on = [p for p in got if not redirect(p)]
    told = [p for p in got if redirect(p)]
    if not sent_on:
        fail("%s: not forwarded back" % layer.__name__)
    if bool(told) != wanted:
        fail("%s: %d redirects" % (layer.__name__, len(told)))
    for p in told:
        if layer is IP and (p[ICMP].gw, p[IP].src) != ("192.0.2.3", A4):
            fail("redirect to %s from %s" % (p[ICMP].gw, p[IP].src))
        raw = bytes(p[IPv6].payload) if layer is IPv6 else b""
        if layer is IPv6 and (socket.inet_ntop(10, raw[8:24]) != "fe80::ff:fe00:102" or not p[IPv6].src.startswith("fe80:")
                              or p[IPv6].hlim != 255):
            fail("redirect to %s from %s" % (socket.inet_ntop(10, raw[8:24]), p[IPv6].src))
    ok("%s: forwarded, %d redirect" % (layer.__name__, len(told)))
PY
}
appliance_start "$(config_default)
router = ( { name = \"default\"; redirects = true; } );"
probe true
appliance_reload "$(config_default)
router = ( { name = \"default\"; redirects = false; } );"
probe false
appliance_stop
