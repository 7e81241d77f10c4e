#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# IPv4 packets without DF are cut to a smaller MTU as RFC 791 says; fragments pass, and are cut
# again; IPv6 is never cut here.
# variants: 1 2
# vm: 1
# quick
. "$(dirname "$0")/lib.sh"
topo_standard
ip_on appliance link set wan mtu 600
ip_on server link set eth0 mtu 600
ip_on appliance address add 2001:db8:2::1/64 dev wan nodad 2>/dev/null || true
appliance_start

"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")


def pieces(what, packet, count):
    """Send it, collect what arrives, check each piece, return them put together."""
    server.drain()
    packet = Ether(bytes(client.to_router() / packet))
    client.send(packet)
    ip = packet[IP]
    seen = server.collect(lambda p: IP in p and p[IP].id == ip.id and p[IP].src == C4, 1.5, count)
    if len(seen) != count:
        fail("%s: %d pieces, not %d" % (what, len(seen), count))
    seen.sort(key=lambda p: p[IP].frag)
    data, at = b"", ip.frag * 8
    for i, piece in enumerate(seen):
        p, last = piece[IP], i == count - 1
        body = bytes(piece)[14 + p.ihl * 4:14 + p.len]
        if p.frag * 8 != at + len(data):
            fail("%s: piece %d is at %d" % (what, i, p.frag * 8))
        if p.len > 600 or (not last and len(body) % 8):
            fail("%s: piece %d has %d bytes" % (what, i, p.len))
        if bool(p.flags.MF) != (not last or bool(ip.flags.MF)):
            fail("%s: piece %d has MF %s" % (what, i, p.flags))
        if p.ttl != ip.ttl - 1 or p.tos != ip.tos or p.proto != ip.proto or p.dst != ip.dst:
            fail("%s: piece %d has another header" % (what, i))
        again = IP(bytes(p))
        del again.chksum
        if IP(bytes(again)).chksum != p.chksum:
            fail("%s: piece %d has a wrong header checksum" % (what, i))
        data += body
    if data != bytes(packet)[14 + ip.ihl * 4:14 + ip.len]:
        fail("%s: the pieces do not add up to what was sent" % what)
    ok("%s: %d pieces" % (what, count))
    return seen


body = bytes(i * 7 & 255 for i in range(1472))
pieces("a datagram of 1500 bytes", IP(src=C4, dst=S4, id=100, tos=0x28) / UDP(dport=9) / body, 3)
pieces("one byte too many", IP(src=C4, dst=S4, id=101) / UDP(dport=9) / body[:573], 2)
pieces("just fits", IP(src=C4, dst=S4, id=102) / UDP(dport=9) / body[:572], 1)
pieces("a first fragment", IP(src=C4, dst=S4, id=103, flags="MF", proto=17) / body[:1400], 3)
pieces("a middle fragment", IP(src=C4, dst=S4, id=104, flags="MF", frag=175, proto=17) / body[:1400], 3)
pieces("a last fragment", IP(src=C4, dst=S4, id=105, frag=175, proto=17) / body[:1399], 3)
pieces("a fragment that fits", IP(src=C4, dst=S4, id=106, flags="MF", frag=10, proto=17) / body[:480], 1)

# Options: those with the copy bit go into every piece, the others into the first only (RFC 791 3.1).
router_alert, record_route = b"\x94\x04\x00\x00", b"\x07\x07\x04\x00\x00\x00\x00\x01"
from scapy.layers.inet import IPOption
options = [IPOption(record_route), IPOption(router_alert)]
seen = pieces("with options", IP(src=C4, dst=S4, id=107, options=options) / UDP(dport=9) / body[:1400], 3)
for i, piece in enumerate(seen):
    raw = bytes(piece)[34:14 + piece[IP].ihl * 4]
    if router_alert not in raw or (raw[:1] == b"\x07") != (i == 0):
        fail("options of piece %d: %s" % (i, raw.hex()))
ok("options are copied by their copy bit")

client.send(client.to_router() / IP(src=C4, dst=S4, id=108, flags="DF") / UDP(dport=9) / body)
reply = client.expect("DF is answered", is_icmp4(3, 4))
if reply[ICMP].nexthopmtu != 600:
    fail("with MTU %d" % reply[ICMP].nexthopmtu)
PY
expect "ping of 4000 bytes, cut at both ends of the way" reach client 198.51.100.2 -s 4000 -M dont
expect "the other way" reach server 192.0.2.2 -s 4000 -M dont
expect_drops fragmented 8

# IPv6: the sender learns and cuts by itself; fragments pass untouched. 1280 is the least there is.
ip_on appliance link set wan mtu 1280
ip_on server link set eth0 mtu 1280
ip_on appliance address replace 2001:db8:2::1/64 dev wan nodad
ip_on server address replace 2001:db8:2::2/64 dev eth0 nodad
ip_on server -6 route replace default via 2001:db8:2::1
! is_visord || wait_until 10 "the ports are up again" ports_up
sleep 0.3
"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")
client.send(client.to_router() / IPv6(src=C6, dst=S6) / UDP(dport=9) / (b"x" * 1300))
reply = client.expect("IPv6: Packet Too Big", is_icmp6(2, 0))
if reply[ICMPv6PacketTooBig].mtu != 1280:
    fail("with MTU %d" % reply[ICMPv6PacketTooBig].mtu)
server.refute("and nothing goes on", lambda p: UDP in p)
for i, piece in enumerate(fragment6(IPv6(src=C6, dst=S6) / IPv6ExtHdrFragment(id=77) /
                                    UDP(dport=9) / (b"y" * 2000), 1000)):
    client.send(client.to_router() / piece)
    seen = server.expect("IPv6: fragment %d passes" % i, lambda p: IPv6ExtHdrFragment in p, checksums=False)
    if bytes(seen[IPv6])[40:] != bytes(piece)[40:]:
        fail("changed")
PY
on client ping -n -q -c 2 -i 0.2 -W 1 -s 4000 2001:db8:2::2 >/dev/null || true
expect "IPv6: ping of 4000 bytes" reach client 2001:db8:2::2 -s 4000
appliance_stop
