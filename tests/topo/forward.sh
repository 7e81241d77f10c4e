#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unicast IPv4 and IPv6 goes through: TTL one less, the right MAC addresses, nothing else changed.
# variants: 1 2 spread
# vm: 1 2
. "$(dirname "$0")/lib.sh"
topo_standard
appliance_start

reach_both client
expect "server: ping 192.0.2.2" reach server 192.0.2.2
expect "server: ping 2001:db8:1::2" reach server 2001:db8:1::2
expect "ping of 1400 bytes" reach client 198.51.100.2 -s 1400
expect "ping -6 of 1400 bytes" reach client 2001:db8:2::2 -s 1400

"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")
for what, packet, layer, hops in (
        ("IPv4", IP(src=C4, dst=S4, ttl=17, tos=0xb8, id=4711), IP, "ttl"),
        ("IPv6", IPv6(src=C6, dst=S6, hlim=17, tc=0xb8, fl=0x12345), IPv6, "hlim")):
    sent = client.to_router() / packet / UDP(sport=1111, dport=2222) / Raw(b"visor" * 20)
    client.send(sent)
    seen = server.expect(what + ": a UDP datagram arrives", lambda p: layer in p and UDP in p)
    if (seen.src, seen.dst) != (server.router, server.mac):
        fail("MAC addresses %s %s" % (seen.src, seen.dst))
    want = Ether(bytes(sent))
    setattr(want[layer], hops, 16)
    if layer is IP:
        del want[IP].chksum
    want.src, want.dst = server.router, server.mac
    if bytes(want) != bytes(seen):
        seen.show2()
        fail(what + ": more has changed than MAC addresses and TTL")
    ok(what + ": only MAC addresses and TTL have changed")

# A minimal frame carries padding after the IP packet, and it must not become part of it.
client.send(client.to_router() / IP(src=C4, dst=S4, len=29) / UDP(sport=5, dport=6, len=9) / b"x" /
            Padding(b"\0" * 17))
seen = server.expect("a padded frame arrives", lambda p: IP in p and p[IP].sport == 5)
if seen[IP].len != 29 or seen[UDP].len != 9:
    fail("its length is %d" % seen[IP].len)
# Everything above IP is none of a router's business.
for proto in (2 ** 8 - 3, 132, 47, 50):
    client.send(client.to_router() / IP(src=C4, dst=S4, proto=proto) / Raw(b"\x11" * 24))
    server.expect("protocol %d arrives" % proto, lambda p: IP in p and p[IP].proto == proto,
                  checksums=False)
PY
if is_visord; then
	equal "drops" "$(show drops "sum(r['count'] for r in d['drops'])")" 0
fi
appliance_stop
