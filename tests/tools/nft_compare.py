# SPDX-License-Identifier: Apache-2.0
"""The same packets through two firewalls: a rule set of nftables, packets that ask it, and what
arrived of them.

    nft_compare.py rules SEED > ruleset.nft
    nft_compare.py send SEED COUNT OUT      from both sides of a test topology; OUT: what arrived
    nft_compare.py compare SEED COUNT A B   where the two differ, and by which rule of explanation

Everything follows from the seed. A packet is known again by its IPv4 identification or IPv6 flow
label, which is its number. Packets of one conversation never go in the same batch, and a batch is
over when packets of each side that everybody lets through have arrived, enough of them to come by
each queue: so both firewalls see conversations in the same order.
"""
import json
import random
import struct
import sys
import time

from wire import *
from scapy.all import ICMPv6ParamProblem

SIDES = ("client", "server")
# Addresses that nobody answers for; the last of each side is beyond a router there.
HOSTS = {4: (["192.0.2.%d" % n for n in range(200, 206)] + ["10.1.2.3"],
             ["198.51.100.%d" % n for n in range(200, 206)] + ["203.0.113.9"]),
         6: (["2001:db8:1::%x" % n for n in range(0x200, 0x206)] + ["2001:db8:a::3"],
             ["2001:db8:2::%x" % n for n in range(0x200, 0x206)] + ["2001:db8:b::9"])}
PORTS = [22, 25, 53, 80, 123, 443, 1000, 5060, 8080, 8443, 20000, 30303, 50000, 65535]
SENTINEL, SENTINELS = 65000, 16
BATCH = 150


# ---- rules ---------------------------------------------------------------------------------------

FIXED = """
	udp dport %d accept
	ct state established,related accept
	ct state invalid drop
	iifname "lan" tcp dport { 80, 443, 8000-8999 } ct state new accept
	iifname "wan" oifname "lan" ip daddr 192.0.2.200 tcp dport 25 accept
	ip saddr @blocked drop
	ip6 saddr @blocked6 drop
	iifname "lan" ip saddr != 192.0.2.203 udp dport 53 accept
	iifname "lan" ip6 saddr != 2001:db8:1::203 udp dport 53 accept
	icmp type echo-request iifname "lan" accept
	icmpv6 type { echo-request, nd-neighbor-solicit } iifname "lan" accept
	ip protocol 47 accept
	meta l4proto esp iifname "lan" accept
	tcp flags & (syn | ack) == syn tcp dport 22 iifname "wan" accept
	ip dscp ef udp dport 5060 accept
""" % SENTINEL


def prefix(r, family, side):
    host = r.choice(HOSTS[family][side])
    if family == 4:
        bits = r.choice((8, 24, 29, 30, 31, 32))
        number = int.from_bytes(socket.inet_pton(socket.AF_INET, host), "big") >> (32 - bits) << (32 - bits)
        return "%s/%d" % (socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big")), bits)
    bits = r.choice((32, 64, 124, 126, 127, 128))
    number = int.from_bytes(socket.inet_pton(socket.AF_INET6, host), "big") >> (128 - bits) << (128 - bits)
    return "%s/%d" % (socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big")), bits)


def ports(r):
    if r.random() < 0.3:
        low = r.randrange(1, 60000)
        return "%d-%d" % (low, low + r.choice((1, 100, 5000)))
    if r.random() < 0.5:
        return "{ %s }" % ", ".join(map(str, sorted(r.sample(PORTS, r.randrange(2, 5)))))
    return str(r.choice(PORTS))


def random_rule(r):
    side, family = r.randrange(2), r.choice((4, 6))
    words, ip = [], "ip" if family == 4 else "ip6"
    if r.random() < 0.5:
        words.append('iifname "%s"' % ("lan", "wan")[side])
    if r.random() < 0.5:
        words.append("%s saddr %s%s" % (ip, r.choice(("", "", "!= ")), prefix(r, family, side)))
    if r.random() < 0.5:
        words.append("%s daddr %s%s" % (ip, r.choice(("", "", "!= ")), prefix(r, family, 1 - side)))
    if not any(w.startswith("ip") for w in words):
        words.append("%s saddr %s" % (ip, prefix(r, family, side)))
    proto = r.choice(("tcp", "udp", "udp", "tcp", "icmp", ""))
    if proto in ("tcp", "udp"):
        words.append("%s %s %s%s" % (proto, r.choice(("dport", "dport", "sport")), r.choice(("", "", "", "!= ")), ports(r)))
    elif proto == "icmp":
        words.append("%s type echo-request" % ("icmp" if family == 4 else "icmpv6"))
    return "	%s %s\n" % (" ".join(words), r.choice(("accept", "accept", "drop")))


def ruleset(seed):
    r = random.Random(seed)
    return """table inet filter {
	set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.204, 203.0.113.0/24 } }
	set blocked6 { type ipv6_addr; flags interval; elements = { 2001:db8:1::204, 2001:db8:b::/48 } }
	chain forward {
	type filter hook forward priority 0; policy drop;
%s%s	}
}
""" % (FIXED, "".join(random_rule(r) for _ in range(50)))


# ---- packets -------------------------------------------------------------------------------------

class Conversation:
    """A TCP connection: who sends what next, with the right numbers."""

    def __init__(self, r, family):
        self.r, self.family = r, family
        self.opener = r.randrange(2)
        self.hosts = [r.choice(HOSTS[family][side]) for side in range(2)]
        self.ports = [r.choice(PORTS), r.choice(PORTS)]
        self.ports[self.opener] = r.randrange(1024, 60000)
        self.next = [r.getrandbits(32), r.getrandbits(32)]
        self.step = 0
        self.steps = r.choice((3, 5, 8, 12))

    def segment(self, side, flags, data=b"", seq=None):
        tcp = TCP(sport=self.ports[side], dport=self.ports[1 - side], flags=flags, window=20000,
                  seq=self.next[side] if seq is None else seq & 0xffffffff,
                  ack=self.next[1 - side] if "A" in flags else 0)
        if seq is None:
            self.next[side] = (self.next[side] + len(data) + ("S" in flags) + ("F" in flags)) & 0xffffffff
        return side, self.hosts, tcp / Raw(data) if data else tcp

    def packet(self):
        """The next one, or None at the end."""
        step, o, r = self.step, self.opener, self.r
        self.step += 1
        if step < 3:
            return self.segment((o, 1 - o, o)[step], ("S", "SA", "A")[step])
        if step > self.steps:
            end = step - self.steps
            if end > 4:
                return None
            return self.segment((o, 1 - o, 1 - o, o)[end - 1], ("FA", "A", "FA", "A")[end - 1])
        side, odd = r.randrange(2), r.random()
        if odd < 0.05:      # off by a thousand million: nobody's window
            return self.segment(side, r.choice(("R", "A", "PA", "FA")), b"", self.next[side] + (1 << 30))
        if odd < 0.08:
            return self.segment(side, "S", b"", r.getrandbits(32))
        if odd < 0.11:
            self.steps = -9
            return self.segment(side, "R")
        return self.segment(side, "PA", bytes(r.randrange(1, 200)))


def echo(family, reply, ident):
    if family == 4:
        return ICMP(type=0 if reply else 8, id=ident, seq=1) / b"visor"
    return (ICMPv6EchoReply if reply else ICMPv6EchoRequest)(id=ident, seq=1, data=b"visor")


def error(r, family, hosts, side, quoted):
    """An ICMP error from `side` about a packet that went there."""
    src, dst = hosts[1 - side], hosts[side]
    inner = bytes((IP(src=src, dst=dst, ttl=9) if family == 4 else IPv6(src=src, dst=dst, hlim=9)) / quoted)
    if family == 4:
        return ICMP(type=r.choice((3, 11)), code=1) / Raw(inner[:28 + r.choice((0, 12))])
    return r.choice((ICMPv6DestUnreach(code=4), ICMPv6TimeExceeded(), ICMPv6PacketTooBig(mtu=1300))) / Raw(inner[:100])


class Stranger:
    """Anything that is no TCP connection: a question, perhaps its answer, perhaps an error about it."""

    def __init__(self, r, family):
        self.r, self.family, self.side = r, family, r.randrange(2)
        self.hosts = [r.choice(HOSTS[family][side]) for side in range(2)]
        self.kind = r.choice(("udp", "udp", "udp", "echo", "tcp", "other", "unasked", "error"))
        self.sport, self.dport = r.choice(PORTS + [r.randrange(1024, 60000)] * 6), r.choice(PORTS)
        self.ident, self.proto = r.randrange(1, 65000), r.choice((47, 50, 89, 253))
        self.flags, self.left = r.choice(("S", "S", "SA", "A", "R", "FA", "", "SF", "FPU")), r.choice((1, 1, 2, 3))

    def upper(self, turned):
        sport, dport = (self.dport, self.sport) if turned else (self.sport, self.dport)
        if self.kind in ("udp", "error"):
            return UDP(sport=sport, dport=dport) / b"visor"
        if self.kind == "tcp":
            return TCP(sport=sport, dport=dport, flags=self.flags, seq=self.ident, ack=5 if "A" in self.flags else 0)
        if self.kind in ("echo", "unasked"):
            return echo(self.family, turned != (self.kind == "unasked"), self.ident)
        return self.proto, Raw(bytes(8) + b"visor" * 4)

    def packet(self):
        if not self.left or (self.kind == "tcp" and self.left < 1):
            return None
        self.left -= 1
        if self.kind == "error":        # about nothing
            return self.side, self.hosts, error(self.r, self.family, self.hosts, self.side, self.upper(True))
        if self.kind == "tcp":
            self.left = 0
            return self.side, self.hosts, self.upper(False)
        turn = self.r.random() < 0.5
        if turn and self.kind == "udp" and self.r.random() < 0.3:
            return 1 - self.side, self.hosts, error(self.r, self.family, self.hosts, 1 - self.side, self.upper(False))
        return self.side ^ turn, self.hosts, self.upper(turn)


def batches(seed, count):
    """Lists of (number, side, family, hosts, upper layers)."""
    r = random.Random(seed + 1)
    talks, number = [], 1
    while number <= count:
        batch, seen = [], set()
        while len(talks) < 300:
            family = r.choice((4, 6))
            talk = (Conversation if r.random() < 0.45 else Stranger)(r, family)
            # one for all of it: the kernel asks its rules about each packet until there is an answer,
            # a flow of visord's was asked about once
            talk.dscp = r.choice((0, 0, 0, 46, 10))
            talks.append(talk)
        for talk in r.sample(talks, BATCH):
            # errors and protocols without ports may be of the same flow as others: one of a pair
            pair = (talk.family, *talk.hosts)
            if pair in seen and not isinstance(talk, Conversation):
                continue
            found = talk.packet()
            if found is None:
                talks.remove(talk)
                continue
            seen.add(pair)
            side, hosts, upper = found
            batch.append((number, side, talk.family, hosts, upper, talk.dscp))
            number += 1
            if number > count:
                break
        yield batch


def packet(number, side, family, hosts, upper, dscp):
    src, dst = hosts[side], hosts[1 - side]
    ip = IP(src=src, dst=dst, id=number, tos=dscp << 2) if family == 4 else \
        IPv6(src=src, dst=dst, fl=number, tc=dscp << 2)
    if isinstance(upper, tuple):
        if family == 4:
            ip.proto, upper = upper
        else:
            ip.nh, upper = upper
    return ip / upper


# ---- sending, receiving --------------------------------------------------------------------------

def number_of(frame):
    """(number, is it the sentinel) of a frame that came in."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        sentinel = frame[23] == 17 and frame[36:38] == struct.pack("!H", SENTINEL)
        return struct.unpack("!H", frame[18:20])[0], sentinel
    if kind == b"\x86\xdd":
        sentinel = frame[20] == 17 and frame[56:58] == struct.pack("!H", SENTINEL)
        return struct.unpack("!I", frame[14:18])[0] & 0xfffff, sentinel
    return 0, False


def receive(tap, arrived, patience):
    """Note what arrives until all sentinels have."""
    tap.sock.settimeout(patience)
    missing = SENTINELS
    while missing:
        try:
            number, sentinel = number_of(tap.sock.recv(2000))
        except (TimeoutError, socket.timeout):
            return False
        if sentinel:
            missing -= 1
        elif number:
            arrived.add(number)
    return True


def send(seed, count, out):
    taps = [Tap(host) for host in SIDES]
    sentinels = [[tap.to_router() / packet(0, side, 4, (HOSTS[4][0][5], HOSTS[4][1][5]),
                                           UDP(sport=SENTINEL + i, dport=SENTINEL), 0)
                  for i in range(SENTINELS)] for side, tap in enumerate(taps)]
    arrived = [set(), set()]
    for batch in batches(seed, count):
        for number, side, *rest in batch:
            taps[side].send(taps[side].to_router() / packet(number, side, *rest))
        for side in range(2):
            time.sleep(0.02)
            taps[side].send(*sentinels[side])
            if not receive(taps[1 - side], arrived[1 - side], 5):
                fail("a sentinel of %s does not arrive" % SIDES[side])
    json.dump([sorted(s) for s in arrived], open(out, "w"))
    ok("%d packets, %d arrived" % (count, sum(map(len, arrived))))


# ---- comparing -----------------------------------------------------------------------------------

class Explanations:
    """The one thing that the two do differently, and on purpose.

    A side has sent a SYN that passed, the other answers with an acknowledgement or a reset, but no
    SYN-ACK. The kernel "ignores" it, which means it passes, whatever it carries: it may be the challenge
    ACK of a connection that the other side still has. visord lets that pass as well, where it is one:
    nothing but an acknowledgement. Data, numbers beside those of a SYN from there, and resets that do
    not acknowledge the SYN (RFC 9293 3.10.7.3 has them dropped) do not pass."""

    def __init__(self):
        self.opening, self.opened = {}, set()

    @staticmethod
    def key(upper, hosts, side):
        tcp = upper[TCP]
        return frozenset(((hosts[side], tcp.sport), (hosts[1 - side], tcp.dport)))

    def note(self, side, hosts, upper):
        """It passed both."""
        key, flags = self.key(upper, hosts, side), upper[TCP].flags
        if flags.S and flags.A:
            self.opened.add(key)
        elif flags.S and key not in self.opened:
            self.opening.setdefault(key, side)

    def explain(self, got, side, hosts, upper):
        key, flags = self.key(upper, hosts, side), upper[TCP].flags
        return (got == [True, False] and key not in self.opened and self.opening.get(key) == 1 - side and
                (flags.A or flags.R) and not (flags.S or flags.F))


def compare(seed, count, a, b):
    left, right = ([set(s) for s in json.load(open(name))] for name in (a, b))
    differ, total, explained, known = [], 0, 0, Explanations()
    for batch in batches(seed, count):
        for number, side, family, hosts, upper, dscp in batch:
            total += 1
            got = [number in arrived[1 - side] for arrived in (left, right)]
            tcp = not isinstance(upper, tuple) and type(upper) is TCP
            if got[0] != got[1] and tcp and known.explain(got, side, hosts, upper):
                explained += 1
            elif got[0] != got[1]:
                differ.append((number, got, packet(number, side, family, hosts, upper, dscp).summary()))
            elif got[0] and tcp:
                known.note(side, hosts, upper)
    for number, got, summary in differ[:40]:
        print("packet %d: kernel %s, visord %s: %s" % (number, *("passes" if g else "drops" for g in got), summary))
    passed = sum(map(len, left))
    print("# %d packets: %d pass the kernel, %d visord; %d differ for the reason that is known, %d for none" %
          (total, passed, sum(map(len, right)), explained, len(differ)))
    if not total / 10 < passed < total * 9 / 10:
        fail("that is no comparison: %d of %d pass" % (passed, total))
    if explained > total / 100:
        fail("the exception is the rule")
    sys.exit(bool(differ))


if __name__ == "__main__":
    what, seed = sys.argv[1], int(sys.argv[2])
    if what == "rules":
        print(ruleset(seed))
    elif what == "send":
        send(seed, int(sys.argv[3]), sys.argv[4])
    else:
        compare(seed, int(sys.argv[3]), *sys.argv[4:6])
