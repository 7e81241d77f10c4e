#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What cannot be delivered is answered as RFC 1812 and RFC 4443 have it: no route, unreachable,
# prohibited, no such neighbour; a blackhole says nothing.
# variants: 1 2
# vm: 1
. "$(dirname "$0")/lib.sh"
topo_standard
ip_on appliance route add unreachable 203.0.113.0/28
ip_on appliance route add prohibit 203.0.113.16/28
ip_on appliance route add blackhole 203.0.113.32/28
ip_on appliance -6 route add unreachable 2001:db8:f0::/48
ip_on appliance -6 route add prohibit 2001:db8:f1::/48
ip_on appliance -6 route add blackhole 2001:db8:f2::/48
appliance_start
"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")


def answered(what, packet, match, timeout=3.0):
    client.drain(0.01)
    sent = client.to_router() / packet / UDP(sport=1000, dport=2000) / (b"z" * 32)
    client.send(sent)
    reply = client.expect(what, match, timeout)
    if reply.payload.src not in (A4, A6) or bytes(sent)[34 if IP in sent else 54:] not in bytes(reply):
        reply.show2()
        fail("%s: from %s" % (what, reply.payload.src))


answered("no route: network unreachable", IP(src=C4, dst="203.0.113.200"), is_icmp4(3, 0))
answered("unreachable: host unreachable", IP(src=C4, dst="203.0.113.1"), is_icmp4(3, 1))
answered("prohibit: administratively prohibited", IP(src=C4, dst="203.0.113.17"), is_icmp4(3, 13))
answered("no neighbour: host unreachable", IP(src=C4, dst="198.51.100.77"), is_icmp4(3, 1), 8)
answered("IPv6 no route", IPv6(src=C6, dst="2001:db8:ff::1"), is_icmp6(1, 0))
answered("IPv6 unreachable", IPv6(src=C6, dst="2001:db8:f0::1"),
         lambda p: is_icmp6(1, 0)(p) or is_icmp6(1, 3)(p))
answered("IPv6 prohibit: administratively prohibited", IPv6(src=C6, dst="2001:db8:f1::1"), is_icmp6(1, 1))
answered("IPv6 no neighbour: address unreachable", IPv6(src=C6, dst="2001:db8:2::77"), is_icmp6(1, 3), 8)
client.drain(0.1)
client.send(client.to_router() / IP(src=C4, dst="203.0.113.33") / UDP() / b"x",
            client.to_router() / IPv6(src=C6, dst="2001:db8:f2::1") / UDP() / b"x")
client.refute("a blackhole says nothing", lambda p: is_icmp4(3)(p) or is_icmp6(1)(p))
# An error about an error, however unroutable, is none.
client.send(client.to_router() / IP(src=C4, dst="203.0.113.200") / ICMP(type=11) / IP(src=S4, dst=C4) / UDP(),
            client.to_router() / IP(src=C4, dst="203.0.113.200", frag=5, proto=17) / (b"x" * 32),
            client.to_router() / IPv6(src=C6, dst="2001:db8:ff::1") / ICMPv6TimeExceeded() /
            IPv6(src=S6, dst=C6) / UDP())
client.refute("no error about an error or a later fragment", lambda p: is_icmp4(3)(p) or is_icmp6(1)(p))
PY
# What ping makes of it.
pings() { on client ping -n -c 1 -W 3 "$1" || true; }
expect "ping: Destination Net Unreachable" grep -q 'From 192.0.2.1.*Net Unreachable' <<<"$(pings 203.0.113.200)"
expect "ping: Packet filtered" grep -q 'From 192.0.2.1.*Packet filtered' <<<"$(pings 203.0.113.20)"
expect "ping -6: No route" grep -q 'From 2001:db8:1::1.*No route' <<<"$(pings 2001:db8:ff::1)"
expect_drops no_route 4
expect_drops blackhole 2
expect_drops unreachable 2
expect_drops prohibit 3
expect_drops neighbour_failed 2
appliance_stop
