#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# IPv4 options and IPv6 extension headers: carried along; source routes are refused.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
visord_only "the kernel's policy on source routes is another"
topo_standard
appliance_start
"$PYTHON" - <<'PY'
from scapy.layers.inet import IPOption
from scapy.layers.inet6 import IPv6ExtHdrRouting
from wire import *
client, server = Tap("client"), Tap("server")
u = UDP(sport=1, dport=9) / (b"x" * 20)


def carried(what, options):
    client.send(client.to_router() / IP(src=C4, dst=S4, options=[IPOption(options)]) / u)
    seen = server.expect(what + " is carried", lambda p: IP in p and UDP in p)
    got = bytes(seen)[34:14 + seen[IP].ihl * 4]
    if len(got) != len(options) or got[:1] != options[:1]:
        fail("%s: options %s became %s" % (what, options.hex(), got.hex()))
    return got


got = carried("record route", b"\x07\x0b\x04" + b"\0" * 8 + b"\x01")
if got[2:3] == b"\x08" and got[3:7] != socket.inet_aton(B4):
    fail("another address than the one it leaves by was recorded: " + got.hex())
carried("a timestamp", b"\x44\x0c\x05\x00" + b"\0" * 8)
if carried("a router alert", b"\x94\x04\x00\x00") != b"\x94\x04\x00\x00":
    fail("changed")
carried("no-operation and end", b"\x01\x01\x01\x00")
carried("an unknown option", b"\x9e\x04\x12\x34")
for what, options in (("loose source route", b"\x83\x07\x04" + socket.inet_aton("203.0.113.9") + b"\0"),
                      ("strict source route", b"\x89\x07\x04" + socket.inet_aton("203.0.113.9") + b"\0")):
    client.send(client.to_router() / IP(src=C4, dst=S4, options=[IPOption(options)]) / u)
    server.refute(what + " is not forwarded", lambda p: IP in p and UDP in p)
for what, options in (("an option of length 0", b"\x07\x00\x04\x00"), ("an option that runs over", b"\x44\x28\x05\x00")):
    client.send(client.to_router() / IP(src=C4, dst=S4, options=[IPOption(options)]) / u)
    client.expect(what + ": parameter problem", is_icmp4(12))
    server.refute(what + " is not forwarded", lambda p: IP in p and UDP in p)

for what, header in (("hop-by-hop options", IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])),
                     ("a router alert", IPv6ExtHdrHopByHop(options=[RouterAlert()])),
                     ("destination options", IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])),
                     ("a fragment header", IPv6ExtHdrFragment(id=1, m=0, offset=0))):
    sent = client.to_router() / IPv6(src=C6, dst=S6) / header / u
    client.send(sent)
    seen = server.expect("IPv6: %s: carried" % what, lambda p: IPv6 in p and UDP in p)
    if bytes(seen)[54:] != bytes(sent)[54:]:
        fail("changed")
client.send(client.to_router() / IPv6(src=C6, dst=S6) / IPv6ExtHdrRouting(type=0, addresses=["2001:db8:9::9"]) / u)
client.expect("routing header type 0: parameter problem", is_icmp6(4))
server.refute("and it is not forwarded", lambda p: IPv6 in p and UDP in p)
PY
expect_drops source_route 3
expect_drops ip_options 2
appliance_stop
