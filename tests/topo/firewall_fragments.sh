#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fragments through a stateful firewall: those of what a rule allows arrive in whatever order they
# come, of what none allows not one does, and no overlapping, tiny or second header gets by.
# variants: 1 2 spread
. "$(dirname "$0")/lib.sh"
visord_only "its firewall"
topo_standard
quiet_server
config_more='firewall = ( { name = "edge"; default = "drop"; rules = (
	{ name = "allowed"; in = "lan"; proto = "udp"; dport = 5000; action = "accept"; },
	{ name = "tcp"; in = "lan"; proto = "tcp"; dport = 5000; action = "accept"; },
	{ name = "ping"; proto = "icmp"; action = "accept"; },
	{ name = "ping6"; proto = "icmpv6"; action = "accept"; } ); } );'
config() { config_default | sed 's/functions = \[/functions = [ "firewall:edge",/'; }
appliance_start "$(config)"

"$PYTHON" - <<'PY'
import itertools
from wire import *
client, server = Tap("client"), Tap("server")
Q4, Q6 = "198.51.100.200", "2001:db8:2::200"
BODY = bytes(i * 7 & 255 for i in range(4000))
next_id = itertools.count(1000)


def cut(family, ident, start, end, more, dport=5000, proto=17, offset=None):
    """Bytes [start, end) of a datagram's payload, which begins with ports 4000 and dport."""
    whole = struct.pack("!HHHH", 4000, dport, 8 + len(BODY), 0) if proto == 17 else \
        struct.pack("!HHIIBBHHH", 4000, dport, 1, 0, 0x50, 2, 1000, 0, 0)
    part = (whole + BODY)[start:end]
    if family == 4:
        return IP(src="192.0.2.%d" % (10 + ident % 32), dst=Q4, id=ident, proto=proto, flags="MF" if more else 0, frag=start // 8) / part
    return IPv6(src="2001:db8:1::%x" % (16 + ident % 32), dst=Q6) / IPv6ExtHdrFragment(id=ident, nh=proto, m=int(more), offset=start // 8) / part


def place(packet):
    """(id, start) of a fragment."""
    if IP in packet and (packet[IP].flags.MF or packet[IP].frag):
        return packet[IP].id, packet[IP].frag * 8
    if IPv6ExtHdrFragment in packet:
        return packet[IPv6ExtHdrFragment].id, packet[IPv6ExtHdrFragment].offset * 8
    return None


def arrivals(what, fragments, ident, wanted):
    """Send them one by one; the offsets that arrive, in their order."""
    server.drain(0.01)
    for fragment in fragments:
        client.send(client.to_router() / fragment)
    seen = server.collect(lambda p: (place(p) or (None,))[0] == ident, 0.8 if len(wanted) else 0.4,
                          len(wanted) + 1)
    got = [place(p)[1] for p in seen]
    if got != wanted:
        fail("%s: %s arrived, not %s" % (what, got, wanted))


for family in 4, 6:
    v = "IPv%d: " % family
    spans = [(0, 800, True), (800, 1600, True), (1600, 2100, False)]
    for order in itertools.permutations(spans):
        ident = next(next_id)
        early = [s for s in order[:order.index(spans[0])]]
        late = [s for s in order[order.index(spans[0]) + 1:]]
        arrivals(v + "order %s" % (order,), [cut(family, ident, *s) for s in order], ident,
                 [s[0] for s in [spans[0]] + early + late])
    ok(v + "three fragments arrive in every order")
    for order in itertools.permutations(spans):
        ident = next(next_id)
        arrivals(v + "denied, order %s" % (order,), [cut(family, ident, *s, dport=5001) for s in order],
                 ident, [])
    ok(v + "none of a denied datagram does")
    ident = next(next_id)
    arrivals(v + "no first", [cut(family, ident, *s) for s in spans[1:]], ident, [])
    ok(v + "none without the first does")
    ident = next(next_id)
    arrivals(v + "duplicates", [cut(family, ident, *s) for s in (spans[0], spans[0], spans[1], spans[1], spans[2])],
             ident, [0, 800, 1600])
    ok(v + "duplicates do not")
    ident = next(next_id)
    arrivals(v + "another first", [cut(family, ident, *spans[0]), cut(family, ident, *spans[0], dport=5001),
                                   cut(family, ident, *spans[2])], ident, [0, 1600])
    ok(v + "a second header does not")
    ident = next(next_id)
    arrivals(v + "overlap", [cut(family, ident, *spans[0]), cut(family, ident, 792, 1600, True),
                             cut(family, ident, *spans[1]), cut(family, ident, *spans[2])], ident, [0])
    ok(v + "nothing after an overlap does")
    ident = next(next_id)
    arrivals(v + "overlap, then first", [cut(family, ident, *spans[1]), cut(family, ident, 808, 1600, True),
                                         cut(family, ident, *spans[0])], ident, [])
    ok(v + "nothing of a datagram that overlaps before its first comes does")
    ident = next(next_id)
    arrivals(v + "tiny", [cut(family, ident, 0, 16, True, proto=6), cut(family, ident, 16, 800, False, proto=6)],
             ident, [])
    ident = next(next_id)
    arrivals(v + "TCP at 8", [cut(family, ident, 8, 800, False, proto=6), cut(family, ident, 0, 24, True, proto=6)],
             ident, [])
    ok(v + "no TCP header in two fragments does")
PY
for reason in overlap tiny duplicate denied; do
	expect_drops fragment_$reason 2
done
# the datagrams without a first: two fragments in each family
timeouts() { [ "$(drops fragment_timeout)" -ge 4 ]; }
wait_until 10 "what waited in vain is dropped" timeouts
equal "nothing waits any more" "$(show drops "d['waiting']")" 0

for to in 198.51.100.2 2001:db8:2::2; do
	expect "ping $to of 4000 bytes" reach client $to -s 4000
done
for to in 192.0.2.2 2001:db8:1::2; do
	expect "ping the other way, $to, of 60000 bytes" reach server $to -s 60000
done
# their home is one of two workers, whichever it was that they came in by
handed() { [ "$(show workers "min(w['handed_over'] for w in d['workers'])")" -gt 0 ]; }
[ "$WORKERS" = 1 ] || expect "fragments were handed over" handed
"$PYTHON" - <<'PY'
from wire import *
client = Tap("client")
client.send(client.to_router() / IP(src=C4, dst=S4, id=9, proto=17, frag=100) / (b"x" * 100))
PY
waits() { [ "$(show drops "d['waiting']")" = 1 ]; }
wait_until 2 "a fragment waits, and does so at the end" waits
appliance_stop
