#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ICMP errors about a flow pass the firewall, either way and from any router on the path; forged ones
# (about other ports, other addresses, sequence numbers that were never sent, or about nothing) do
# not, and none of them opens or ends a flow.
# variants: 1 2
# quick
. "$(dirname "$0")/lib.sh"
visord_only "flows"
topo_standard
quiet_server
chain_functions='"firewall:edge", "router"'
config_more='flows = { loose = false; };
	firewall = ( { name = "edge"; rules = (
		{ name = "out"; in = "lan"; proto = [ "tcp", "udp" ]; action = "accept"; },
		{ name = "ping"; in = "lan"; proto = [ "icmp", "icmpv6" ]; icmp_type = "echo-request"; action = "accept"; } ); } );'
appliance_start

"$PYTHON" - <<'PY'
from wire import *
from scapy.all import ICMPv6Unknown, ICMPv6ParamProblem
client, server = Tap("client"), Tap("server")
ROUTER4, ROUTER6 = "203.0.113.77", "2001:db8:77::1"     # some router behind the server's network
QUIET4, QUIET6 = "198.51.100.200", "2001:db8:2::200"


def packet(family, src, dst, upper, ttl=60):
    return (IP(src=src, dst=dst, ttl=ttl, id=99) if family == 4 else IPv6(src=src, dst=dst, hlim=ttl)) / upper


def error(family, src, dst, kind, quoted):
    """An ICMP error of a router: its kind, and the beginning of what it is about."""
    quoted = bytes(quoted)
    if family == 4:
        kinds = {"unreachable": (3, 3, 0), "too-big": (3, 4, 1400), "exceeded": (11, 0, 0), "parameter": (12, 0, 0)}
        t, c, mtu = kinds[kind]
        return IP(src=src, dst=dst) / ICMP(type=t, code=c, nexthopmtu=mtu if t == 3 else 0) / Raw(quoted[:28])
    kinds = {"unreachable": ICMPv6DestUnreach(code=4), "too-big": ICMPv6PacketTooBig(mtu=1300),
             "exceeded": ICMPv6TimeExceeded(), "parameter": ICMPv6ParamProblem()}
    return IPv6(src=src, dst=dst) / kinds[kind] / Raw(quoted[:1000])


def is_error(family, marker):
    def match(p):
        raw = bytes(p)
        return (ICMP in p if family == 4 else IPv6 in p and p[IPv6].nh == 58) and marker in raw
    return match


def errors_only(family):
    if family == 4:
        return lambda p: ICMP in p and p[ICMP].type in (3, 11, 12)
    return lambda p: IPv6 in p and p[IPv6].nh == 58 and bytes(p[IPv6].payload)[0] in (1, 2, 3, 4)


for family in (4, 6):
    v = "IPv%d" % family
    here, quiet = (C4, QUIET4) if family == 4 else (C6, QUIET6)
    router = ROUTER4 if family == 4 else ROUTER6
    echo = (lambda i: ICMP(id=i, seq=1)) if family == 4 else (lambda i: ICMPv6EchoRequest(id=i, seq=1))
    udp = packet(family, here, quiet, UDP(sport=4001, dport=4002) / b"a question")
    tcp = packet(family, here, quiet, TCP(sport=4003, dport=4004, flags="S", seq=1000000, window=5000))
    ping = packet(family, here, quiet, echo(4005))
    for p in (udp, tcp, ping):
        client.send(client.to_router() / p)
    server.drain(0.3)
    client.drain()
    total = len(flows())

    # as the router saw them: a hop further
    def seen(p):
        p = p.copy()
        if family == 4:
            p.ttl -= 1
            del p.chksum
        else:
            p.hlim -= 1
        return p

    for what, p in (("UDP", udp), ("TCP", tcp), ("echo", ping)):
        for kind in ("unreachable", "too-big", "exceeded", "parameter"):
            sent = error(family, router, here, kind, seen(p))
            server.send(server.to_router() / sent)
            got = client.expect("%s: %s about %s passes" % (v, kind, what), errors_only(family), checksums=False)
            want = client.to_router(src=client.router, dst=client.mac) / sent
            if family == 4:
                want[IP].ttl -= 1
            else:
                want[IPv6].hlim -= 1
            if bytes(want) != bytes(got)[:len(bytes(want))]:
                got.show2()
                fail("%s: it has changed on its way" % v)
    # the other side's host answers, and a router on our side tells it of that
    server.send(server.to_router() / packet(family, quiet, here, UDP(sport=4002, dport=4001) / b"an answer"))
    client.expect(v + ": the answer passes", lambda p: UDP in p and p[UDP].sport == 4002)
    client.send(client.to_router() / error(family, here, quiet, "unreachable",
                                           packet(family, quiet, here, UDP(sport=4002, dport=4001) / b"an answer")))
    server.expect(v + ": port unreachable goes the other way", errors_only(family), checksums=False)

    turned = packet(family, quiet, here, UDP(sport=4002, dport=4001) / b"xxxxxxxx")
    forged = {
        "another port": packet(family, here, quiet, UDP(sport=4001, dport=4003) / b"a question"),
        "another source port": packet(family, here, quiet, UDP(sport=4009, dport=4002) / b"a question"),
        "another protocol": packet(family, here, quiet, TCP(sport=4001, dport=4002, seq=5)),
        "a packet that came from there": turned,
        "another host": packet(family, here, "198.51.100.201" if family == 4 else "2001:db8:2::201",
                               UDP(sport=4001, dport=4002) / b"a question"),
        "a number far ahead": packet(family, here, quiet, TCP(sport=4003, dport=4004, flags="A", seq=3000000000)),
        "a number far behind": packet(family, here, quiet, TCP(sport=4003, dport=4004, flags="A", seq=500000)),
        "another echo": packet(family, here, quiet, echo(4006)),
        "an echo reply": packet(family, here, quiet, ICMP(type=0, id=4005, seq=1) if family == 4 else
                                ICMPv6EchoReply(id=4005, seq=1)),
        "an error": error(family, here, quiet, "unreachable", turned),
        "something cut short": Raw(bytes(packet(family, here, quiet, UDP(sport=4001, dport=4002)))[:22 if family == 4 else 42]),
        "nothing": Raw(b""),
    }
    client.drain()
    before = drops("invalid")
    for what, p in forged.items():
        for kind in ("unreachable", "too-big"):
            server.send(server.to_router() / error(family, router, here, kind, p))
        client.refute("%s: one about %s does not" % (v, what), errors_only(family), 0.15)
    if drops("invalid") - before < 2 * len(forged) - 2:
        fail("%s: only %d of them are counted as invalid" % (v, drops("invalid") - before))
    ok(v + ": they are counted as invalid")
    if len(flows()) != total:
        fail("%s: %d flows instead of %d" % (v, len(flows()), total))
    ok(v + ": no flow came or went of them")
    # to the wrong one: about our flow, but told to somebody else
    other = "192.0.2.200" if family == 4 else "2001:db8:1::200"
    subprocess.check_call(["ip", "-n", os.environ["NS_PREFIX"] + "appliance", "neigh", "replace", other,
                           "lladdr", "02:00:00:00:01:02", "dev", "lan", "nud", "permanent"])
    time.sleep(0.2)
    server.send(server.to_router() / error(family, router, other, "unreachable", seen(udp)))
    client.refute(v + ": one that is told to another host does not", errors_only(family), 0.3)
PY
expect "related ones are counted" [ "$(flow_counter related)" -ge 26 ]
expect "traceroute through it" sh -c "ip netns exec '${ns_prefix}client' traceroute -n -q 1 -w 1 -m 4 198.51.100.2 | grep -q '198.51.100.2 '"
appliance_stop
