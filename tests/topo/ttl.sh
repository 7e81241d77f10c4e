#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A TTL or hop limit that runs out is answered with Time Exceeded, from the address that the packet
# came in by, quoting the packet; and some packets are never answered at all.
# variants: 1 2
# vm: 1
# quick
. "$(dirname "$0")/lib.sh"
topo_standard
appliance_start
"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")


def quoted(reply, sent, offset, header):
    """The bytes after the ICMP header are the packet that was sent."""
    was, now = bytes(sent)[14:], bytes(reply)[14 + offset:]
    n = min(len(was), len(now))
    if was[:n] != now[:n] or n < header:
        reply.show2()
        fail("the quoted packet is not what was sent")


for ttl in (1, 0):
    sent = client.to_router() / IP(src=C4, dst=S4, ttl=ttl, id=7) / UDP(sport=9, dport=9) / (b"a" * 100)
    client.send(sent)
    if not is_visord and ttl == 0:
        continue
    reply = client.expect("TTL %d: Time Exceeded" % ttl, is_icmp4(11, 0))
    if (reply[IP].src, reply[IP].dst, reply.dst) != (A4, C4, client.mac) or reply[IP].ttl < 64:
        fail("from %s to %s" % (reply[IP].src, reply[IP].dst))
    quoted(reply, sent, 28, 28)
    sent = client.to_router() / IPv6(src=C6, dst=S6, hlim=ttl) / UDP(sport=9, dport=9) / (b"a" * 1400)
    client.send(sent)
    reply = client.expect("hop limit %d: Time Exceeded" % ttl, is_icmp6(3, 0))
    if (reply[IPv6].src, reply[IPv6].dst) != (A6, C6):
        fail("from %s to %s" % (reply[IPv6].src, reply[IPv6].dst))
    quoted(reply, sent, 48, 48)
    if not 1200 < reply[IPv6].plen + 40 <= 1280:
        fail("an ICMPv6 error of %d bytes: as much as fits in 1280" % (reply[IPv6].plen + 40))
server.refute("nothing of it went on", lambda p: UDP in p)

client.send(client.to_router() / IP(src=C4, dst=S4, ttl=2) / UDP() / b"x")
if server.expect("TTL 2 goes on", lambda p: IP in p and UDP in p)[IP].ttl != 1:
    fail("TTL")
client.send(client.to_router() / IPv6(src=C6, dst=S6, hlim=2) / UDP() / b"x")
if server.expect("hop limit 2 goes on", lambda p: IPv6 in p and UDP in p)[IPv6].hlim != 1:
    fail("hop limit")
client.send(client.to_router() / IP(src=C4, dst=S4, ttl=1) / ICMP() / b"ping")
client.expect("an echo request is no error and is answered", is_icmp4(11, 0))
client.send(client.to_router() / IP(src=C4, dst=A4, ttl=1) / ICMP(id=5) / b"ping")
client.expect("TTL 1 is enough to reach the appliance itself", is_icmp4(0))
client.send(client.to_router() / IPv6(src=C6, dst=B6, hlim=1) / ICMPv6EchoRequest(id=5))
client.expect("hop limit 1 too, at the far side's address", is_icmp6(129))

# RFC 1812 4.3.2.7, RFC 4443 2.4 (e): no error about these.
inner4, inner6 = IP(src=S4, dst=C4) / UDP(), IPv6(src=S6, dst=C6) / UDP()
never = [
    ("an ICMP error", IP(src=C4, dst=S4, ttl=1) / ICMP(type=3, code=1) / inner4),
    ("a later fragment", IP(src=C4, dst=S4, ttl=1, frag=100, proto=17) / (b"x" * 64)),
    ("an ICMPv6 error", IPv6(src=C6, dst=S6, hlim=1) / ICMPv6DestUnreach(code=4) / inner6),
]
for what, packet in never:
    client.send(client.to_router() / packet)
    client.refute("no error about " + what, lambda p: is_icmp4(11)(p) or is_icmp6(3)(p))
client.send(client.to_router(dst="ff:ff:ff:ff:ff:ff") / IP(src=C4, dst=S4, ttl=1) / UDP() / b"x",
            client.to_router(dst="ff:ff:ff:ff:ff:ff") / IPv6(src=C6, dst=S6, hlim=1) / UDP() / b"x")
client.refute("no error about a link-layer broadcast", lambda p: is_icmp4(11)(p) or is_icmp6(3)(p))
first = IPv6(src=C6, dst=S6, hlim=1) / IPv6ExtHdrFragment(offset=0, m=1, id=9, nh=17) / UDP() / (b"x" * 64)
client.send(client.to_router() / first)
client.expect("a first fragment is answered", is_icmp6(3, 0))
client.send(client.to_router() / IPv6(src=C6, dst=S6, hlim=1) /
            IPv6ExtHdrFragment(offset=80, m=0, id=9, nh=58) / (b"x" * 64))
if is_visord:
    client.refute("a later IPv6 fragment is not", is_icmp6(3))
PY
expect_drops ttl_exceeded 10
appliance_stop
