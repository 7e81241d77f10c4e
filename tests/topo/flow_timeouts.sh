#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Flows end when they were idle for as long as their protocol's state allows, not before, and packets
# keep them; what comes afterwards is a first packet again.
# variants: 1 2
# quick
. "$(dirname "$0")/lib.sh"
visord_only "flows"
topo_standard
quiet_server
chain_functions='"firewall:edge", "router"'
config_more='flows = { loose = false; timeouts = { udp_new = 2; udp_replied = 5; icmp_new = 2;
		icmp_replied = 3; tcp_syn_sent = 2; tcp_established = 6; tcp_time_wait = 2; tcp_closed = 1;
		other_new = 2; }; };
	firewall = ( { name = "edge"; rules = ( { name = "out"; in = "lan"; action = "accept"; } ); } );'
appliance_start
expect "no flows at first" [ "$(flows)" = 0 ]

"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")
QUIET4, QUIET6 = "198.51.100.200", "2001:db8:2::200"
start = time.monotonic()
since = lambda: time.monotonic() - start


def listen(kind, family, address, port):
    s = socket_on("server", family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    if kind == socket.SOCK_STREAM:
        s.listen(8)
    s.settimeout(5)
    return s


def connect(family, to, port, sport):
    s = socket_on("client", family, socket.SOCK_STREAM)
    s.settimeout(5)
    s.bind((C4 if family == socket.AF_INET else C6, sport))
    s.connect((to, port))
    return s


cases = []      # (what, filter words, state, not before, not after)
for family, src, dst, quiet in ((socket.AF_INET, C4, S4, QUIET4), (socket.AF_INET6, C6, S6, QUIET6)):
    v = "IPv4" if family == socket.AF_INET else "IPv6"
    ip = (lambda d, f=family, s=src, **k: (IP if f == socket.AF_INET else IPv6)(src=s, dst=d, **k))
    client.send(client.to_router() / ip(quiet) / UDP(sport=1001, dport=9) / b"x")
    cases.append((v + " UDP without an answer", ("dst", quiet, "proto", "udp"), "new", 1.5, 4.5))
    client.send(client.to_router() / ip(quiet) / TCP(sport=1002, dport=9, flags="S", seq=7))
    cases.append((v + " TCP without an answer", ("dst", quiet, "proto", "tcp"), "syn-sent", 1.5, 4.5))
    echo = ICMP(id=1003) if family == socket.AF_INET else ICMPv6EchoRequest(id=1003)
    client.send(client.to_router() / ip(quiet) / echo)
    cases.append((v + " echo without a reply", ("dst", quiet, "sport", "1003"), "new", 1.5, 4.5))
    client.send(client.to_router() / (ip(quiet, proto=99) if family == socket.AF_INET else ip(quiet, nh=99)) / b"x")
    cases.append((v + " protocol 99", ("dst", quiet, "proto", "99"), "new", 1.5, 4.5))

    udp = listen(socket.SOCK_DGRAM, family, dst, 7)
    talker = socket_on("client", family, socket.SOCK_DGRAM)
    talker.bind((src, 1005))
    talker.settimeout(5)
    for i in range(5):      # a stream, not a question and an answer
        talker.sendto(b"x", (dst, 7))
        udp.sendto(*udp.recvfrom(10))
        talker.recv(10)
    cases.append((v + " UDP with answers", ("dst", dst, "dport", "7"), "replied", 4.5, 8.5))

    echo = ICMP(id=1006) if family == socket.AF_INET else ICMPv6EchoRequest(id=1006)
    client.send(client.to_router() / ip(dst) / echo)
    cases.append((v + " echo with a reply", ("dst", dst, "sport", "1006"), "replied", 2.5, 6))

    tcp = listen(socket.SOCK_STREAM, family, dst, 80)
    idle = connect(family, dst, 80, 1007), tcp.accept()[0]
    cases.append((v + " TCP, idle", ("dst", dst, "sport", "1007"), "established", 5.5, 9.5))
    busy = connect(family, dst, 80, 1008), tcp.accept()[0]
    closed = connect(family, dst, 80, 1009), tcp.accept()[0]
    closed[0].close(), closed[1].close()
    cases.append((v + " TCP, closed", ("dst", dst, "sport", "1009"), "time-wait", 1.5, 8.5))
    reset = connect(family, dst, 80, 1010), tcp.accept()[0]
    reset[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reset[0].close()
    cases.append((v + " TCP, reset", ("dst", dst, "sport", "1010"), "closed", 0.5, 8.5))
    if family == socket.AF_INET:
        kept = [(idle, busy, dst)]
    else:
        kept.append((idle, busy, dst))

time.sleep(0.3)
born = since()
for what, words, state, _, _ in cases:
    seen = flows(*words)
    if [f["state"] for f in seen] != [state]:
        fail("%s: %s instead of one %s" % (what, [f["state"] for f in seen], state))
    if seen[0]["timeout_s"] > 8:
        fail("%s: %d s left" % (what, seen[0]["timeout_s"]))
    ok("%s: %s" % (what, state))
gone = {}
while len(gone) < len(cases) and since() < 18:
    for idle, busy, dst in kept:    # packets keep it
        busy[0].send(b"x")
        busy[1].recv(10)
    for what, words, _, _, _ in cases:
        if what not in gone and not flows(*words):
            gone[what] = since()
    time.sleep(0.2)
for what, _, _, earliest, latest in cases:
    if what not in gone:
        fail("%s: has not ended" % what)
    if not earliest <= gone[what] <= latest + born + 3:     # a busy machine is late, never early
        fail("%s: ended after %.1f s, expected %.1f to %.1f" % (what, gone[what], earliest, latest + born))
    ok("%s: ended after %.1f s" % (what, gone[what]))
for idle, busy, dst in kept:
    seen = flows("dst", dst, "sport", "1008")
    if len(seen) != 1 or seen[0]["state"] != "established" or seen[0]["age_s"] < 5:
        fail("the busy one has ended: %s" % seen)
    ok("the busy one goes on")
    before = drops("invalid")
    idle[0].send(b"too late")
    idle[1].settimeout(0.7)
    try:
        fail("the connection that was idle too long goes on: %r" % idle[1].recv(10))
    except TimeoutError:
        ok("the one that was idle too long goes on no more")
    if drops("invalid") <= before:
        fail("its packets are not counted as invalid")
PY
expect "expired ones are counted" [ "$(flow_counter expired)" -ge 18 ]
appliance_stop
