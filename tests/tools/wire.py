# SPDX-License-Identifier: Apache-2.0
"""Packets on the wire of a test topology, from one process.

A Tap is a packet socket inside one host's network namespace. A script sends a packet from one tap
and says what must (or must not) be seen at another; all that arrived is listed when it is not.

    client, server = Tap("client"), Tap("server")
    client.send(client.to_router() / IP(...) / UDP(...))
    seen = server.expect("the datagram arrives", lambda p: UDP in p)
"""
import ctypes
import errno
import json
import os
import socket
import struct
import subprocess
import sys
import time

from scapy.all import (ARP, ICMP, IP, IPv6, TCP, UDP, Dot1Q, Ether, ICMPv6DestUnreach,  # noqa: F401
                       ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
                       ICMPv6PacketTooBig, ICMPv6TimeExceeded, Padding, Raw, IPerror, IPerror6, UDPerror,
                       ICMPerror, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN,
                       IPv6ExtHdrDestOpt, RouterAlert, fragment, fragment6)

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_IGNORE_OUTGOING, PACKET_AUXDATA = 263, 23, 8
ETH_P_ALL = 3
is_visord = os.environ.get("VISOR_TEST_FORWARDER", "visord") == "visord"
C4, S4 = "192.0.2.2", "198.51.100.2"
C6, S6 = "2001:db8:1::2", "2001:db8:2::2"
A4, A6 = "192.0.2.1", "2001:db8:1::1"       # the appliance, on the client's side
B4, B6 = "198.51.100.1", "2001:db8:2::1"    # and on the server's


def fail(text):
    print("FAILED: " + text, file=sys.stderr)
    sys.exit(1)


def ok(text):
    print("# ok: " + text, flush=True)


def enter(host):
    """Move this thread into a host's namespace."""
    with open("/run/netns/" + os.environ["NS_PREFIX"] + host) as ns:
        if libc.setns(ns.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def socket_on(host, *args):
    """A socket that belongs to a host's namespace."""
    with open("/proc/self/ns/net") as home:
        enter(host)
        try:
            return socket.socket(*args)
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")


def intact(packet):
    """Every checksum of a packet is right: what scapy computes afresh is what is there."""
    raw = bytes(packet)
    again = Ether(raw)
    for layer in (IP, UDP, TCP, ICMP):
        if layer in again and not isinstance(again[layer], (IPerror, ICMPerror)):
            if layer is UDP and again[UDP].chksum == 0:
                continue
            del again[layer].chksum
    for layer in (ICMPv6EchoRequest, ICMPv6EchoReply, ICMPv6DestUnreach, ICMPv6PacketTooBig,
                  ICMPv6TimeExceeded):
        if layer in again:
            del again[layer].cksum
    return bytes(again) == raw


class Tap:
    def __init__(self, host, device="eth0"):
        self.name = host + ":" + device
        self.sock = socket_on(host, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE
                             if hasattr(socket, "SO_RCVBUFFORCE") else 33, 16 << 20)
        self.sock.bind((device, ETH_P_ALL))
        self.mac = ":".join("%02x" % b for b in self.sock.getsockname()[4])
        self.router = self.mac[:-1] + "1"   # the appliance's end of this cable
        self.held = []

    def to_router(self, **kw):
        return Ether(src=kw.pop("src", self.mac), dst=kw.pop("dst", self.router), **kw)

    def send(self, *packets):
        for packet in packets:
            self.sock.send(bytes(packet))

    def receive(self, timeout):
        """The next packet (a tag that the kernel stripped put back), or None."""
        self.sock.settimeout(max(timeout, 0.001))
        try:
            data, aux, _, _ = self.sock.recvmsg(65600, 64)
        except (TimeoutError, socket.timeout):
            return None
        except OSError as e:
            if e.errno != errno.ENETDOWN:
                raise
            return None     # the device went down meanwhile: nothing comes from there
        for level, kind, value in aux:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
                if status & 0x10:
                    data = data[:12] + struct.pack("!HH", tpid if status & 0x40 else 0x8100,
                                                   tci) + data[12:]
        packet = Ether(data)
        packet.time = time.monotonic()
        return packet

    def collect(self, match, timeout=1.0, count=None):
        """What matches within the time, at most `count`. What has arrived by the end counts,
        however long it takes to look at."""
        found, end = [], time.monotonic() + timeout
        while count is None or len(found) < count:
            packet = self.receive(end - time.monotonic())
            if packet is None:
                break
            if match(packet):
                found.append(packet)
            else:
                self.held.append(packet)
        return found

    def expect(self, what, match, timeout=3.0, checksums=True):
        self.held.clear()
        found = self.collect(match, timeout, 1)
        if not found:
            for packet in self.held[-20:]:
                print("  %s saw: %s" % (self.name, packet.summary()), file=sys.stderr)
            fail("%s: not seen at %s" % (what, self.name))
        if checksums and not intact(found[0]):
            found[0].show2()
            fail("%s: a wrong checksum at %s" % (what, self.name))
        ok(what)
        return found[0]

    def refute(self, what, match, timeout=0.4):
        found = self.collect(match, timeout, 1)
        if found:
            fail("%s: seen at %s: %s" % (what, self.name, found[0].summary()))
        ok(what)

    def drain(self, timeout=0.05):
        while self.receive(timeout) is not None:
            pass


def visorctl(*words):
    """What the running visord answers."""
    return json.loads(subprocess.check_output(
        [os.environ["VISORCTL"], "-s", os.environ["VISOR_SOCKET"], "--json", *words], timeout=30))


def flows(*words):
    return visorctl("show", "flows", *words)["flows"]


def drops(reason):
    return sum(d["count"] for d in visorctl("show", "drops")["drops"]
               if d["reason"].split("/")[-1] == reason)


def wait_until(what, condition, timeout=5.0):
    """Poll until the condition holds; how long that took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > timeout:
            fail("waited in vain: " + what)
        time.sleep(0.05)
    ok(what)
    return time.monotonic() - start


def is_icmp4(kind, code=None):
    return lambda p: ICMP in p and p[ICMP].type == kind and (code is None or p[ICMP].code == code)


def is_icmp6(kind, code=None):
    def match(p):
        if IPv6 not in p or p[IPv6].nh != 58:
            return False
        raw = bytes(p[IPv6].payload)
        return raw[0] == kind and (code is None or raw[1] == code)
    return match
