#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who is not on the path cannot end a connection: resets, FINs, SYNs and data with guessed sequence
# numbers arrive nowhere and change nothing; the right reset ends it, and the flow with it.
# variants: 1 2
# quick
. "$(dirname "$0")/lib.sh"
visord_only "flows"
topo_standard
chain_functions='"firewall:edge", "router"'
config_more='flows = { loose = false; };
	firewall = ( { name = "edge"; rules = ( { name = "out"; in = "lan"; proto = "tcp"; action = "accept"; } ); } );'
appliance_start

"$PYTHON" - <<'PY'
from wire import *
import random
import select
random.seed(7)
client, server = Tap("client"), Tap("server")


def connection(family, sport, dport):
    """Both sockets, and the numbers that each side would send next."""
    here, there = (C4, S4) if family == socket.AF_INET else (C6, S6)
    listener = socket_on("server", family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((there, dport))
    listener.listen(1)
    c = socket_on("client", family, socket.SOCK_STREAM)
    c.bind((here, sport))
    client.drain(), server.drain()
    c.connect((there, dport))
    s = listener.accept()[0]
    c.send(b"hello")
    s.recv(10)
    s.send(b"world")
    c.recv(10)
    time.sleep(0.2)
    seen = [p for p in server.collect(lambda p: TCP in p and p[TCP].sport == sport, 0.3)]
    last = max(seen, key=lambda p: p.time)[TCP]     # the ACK of "world"
    return c, s, last.seq, last.ack


def lives(c, s):
    for a, b in ((c, s), (s, c)):
        try:
            a.send(b"alive")
        except OSError:
            return False
        if not select.select([b], [], [], 2)[0] or b.recv(10) != b"alive":
            return False
    return True


for family, sport, dport in ((socket.AF_INET, 3001, 8001), (socket.AF_INET6, 3002, 8002)):
    v = "IPv4" if family == socket.AF_INET else "IPv6"
    here, there = (IP(src=C4, dst=S4), IP(src=S4, dst=C4)) if family == socket.AF_INET else \
                  (IPv6(src=C6, dst=S6), IPv6(src=S6, dst=C6))
    c, s, cseq, sseq = connection(family, sport, dport)
    if not lives(c, s):
        fail(v + ": the connection does not even begin")
    cseq, sseq = (cseq + 5) & 0xffffffff, (sseq + 5) & 0xffffffff
    client.drain(), server.drain()
    # The window is some ten thousand bytes of four thousand million: guesses miss it.
    guesses = [g for g in (random.getrandbits(32) for _ in range(300))
               if min((g - sseq) & 0xffffffff, (sseq - g) & 0xffffffff) > 1 << 20 and
               min((g - cseq) & 0xffffffff, (cseq - g) & 0xffffffff) > 1 << 20]
    before = drops("invalid")
    for g in guesses:
        for flags in ("R", "RA", "FA", "A"):
            server.send(server.to_router() / there / TCP(sport=dport, dport=sport, flags=flags, seq=g, ack=cseq, window=500))
            client.send(client.to_router() / here / TCP(sport=sport, dport=dport, flags=flags, seq=g, ack=sseq, window=500))
    # An acknowledgement of what was never sent is as good as a guess.
    for g in guesses[:20]:
        server.send(server.to_router() / there / TCP(sport=dport, dport=sport, flags="A", seq=sseq, ack=g, window=500) / b"evil")
    at_client = client.collect(lambda p: TCP in p and p[TCP].flags.R or TCP in p and b"evil" in bytes(p[TCP].payload), 0.6)
    at_server = server.collect(lambda p: TCP in p and p[TCP].flags.R, 0.3)
    if at_client or at_server:
        (at_client + at_server)[0].show()
        fail("%s: %d guessed segments arrived" % (v, len(at_client + at_server)))
    ok(v + ": no guessed segment arrives")
    if drops("invalid") - before < 4 * len(guesses):
        fail("%s: %d of %d are counted as invalid" % (v, drops("invalid") - before, 8 * len(guesses)))
    ok(v + ": they are counted as invalid")
    if not lives(c, s):
        fail(v + ": the connection has died of guesses")
    ok(v + ": the connection lives")
    cseq, sseq = (cseq + 5) & 0xffffffff, (sseq + 5) & 0xffffffff
    # A SYN in the middle changes nothing either; the endpoint answers it, as RFC 5961 4 says.
    for g in guesses[:20] + [cseq, (cseq + 100) & 0xffffffff]:
        client.send(client.to_router() / here / TCP(sport=sport, dport=dport, flags="S", seq=g, window=500))
    time.sleep(0.2)
    if not lives(c, s):
        fail(v + ": the connection has died of SYNs")
    ok(v + ": the connection lives after SYNs")
    cseq, sseq = (cseq + 5) & 0xffffffff, (sseq + 5) & 0xffffffff
    # In the window but not the next number: the endpoint asks back, and neither of them gives up.
    for off in (1, 100, 2000):
        server.send(server.to_router() / there / TCP(sport=dport, dport=sport, flags="R", seq=(sseq + off) & 0xffffffff))
        client.send(client.to_router() / here / TCP(sport=sport, dport=dport, flags="R", seq=(cseq + off) & 0xffffffff))
    time.sleep(0.3)
    if not lives(c, s):
        fail(v + ": the connection has died of an inexact reset")
    ok(v + ": the connection lives after inexact resets")
    sseq = (sseq + 5) & 0xffffffff
    if [f["state"] for f in flows("sport", str(sport))] != ["established"]:
        fail("%s: the flow is %s" % (v, flows("sport", str(sport))))
    server.send(server.to_router() / there / TCP(sport=dport, dport=sport, flags="R", seq=sseq))
    time.sleep(0.3)
    try:
        c.recv(10)
        fail(v + ": the right reset did nothing")
    except ConnectionResetError:
        ok(v + ": the right reset ends it")
    if [f["state"] for f in flows("sport", str(sport))] not in ([], ["closed"]):
        fail("%s: the flow is %s" % (v, flows("sport", str(sport))))
    ok(v + ": and the flow")
PY
appliance_stop
