#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every packet is accounted for: whatever is sent, and however it ends, received + originated =
# transmitted + drops by reason + waiting, exactly, and what arrives is what was transmitted.
# variants: 1 2 spread
# vm: 2
# quick
. "$(dirname "$0")/lib.sh"
visord_only "its counters"
topo_standard
quiet_server
ip_on appliance route add blackhole 203.0.113.0/24
ip_on appliance -6 route add unreachable 2001:db8:f::/48
ip_on appliance link set wan mtu 1400
ip_on server link set eth0 mtu 1400
config_more='routing = { icmp_rate = 100; };'
appliance_start
reach_both "resolved"
"$PYTHON" - <<'PY'
import random
import subprocess
import json
from wire import *
S4, S6 = "198.51.100.200", "2001:db8:2::200"
client, server = Tap("client"), Tap("server")
random.seed(42)


def totals():
    d = json.loads(subprocess.run([os.environ["VISORCTL"], "-s", os.environ["VISOR_SOCKET"], "--json", "show", "drops"],
                                  stdout=subprocess.PIPE, check=True).stdout)
    return d


def u(n):
    return UDP(sport=random.randrange(1024, 65536), dport=9) / (b"x" * n)


makers = [
    lambda: IP(src=C4, dst=S4) / u(random.randrange(1, 1300)),
    lambda: IPv6(src=C6, dst=S6) / u(random.randrange(1, 1300)),
    lambda: IP(src=C4, dst=S4, ttl=1) / u(30),
    lambda: IPv6(src=C6, dst=S6, hlim=1) / u(30),
    lambda: IP(src=C4, dst="203.0.113.%d" % random.randrange(1, 255)) / u(30),
    lambda: IP(src=C4, dst="10.1.1.1") / u(30),
    lambda: IPv6(src=C6, dst="2001:db8:f::1") / u(30),
    lambda: IP(src=C4, dst=S4) / u(1460),
    lambda: IP(src=C4, dst=S4, flags="DF") / u(1460),
    lambda: IPv6(src=C6, dst=S6) / u(1440),
    lambda: IP(src=C4, dst="198.51.100.%d" % random.randrange(20, 60)) / u(30),
    lambda: IPv6(src=C6, dst="2001:db8:2::%x" % random.randrange(20, 60)) / u(30),
    lambda: IP(src=C4, dst=S4, chksum=1) / u(30),
    lambda: IP(src="127.0.0.1", dst=S4) / u(30),
    lambda: IP(src=C4, dst=S4, len=1200) / u(30),
    lambda: Raw(bytes(IP(src=C4, dst=S4) / u(400))[:random.randrange(20, 60)]),
]
before = totals()
sent = 0
for i in range(3000):
    packet = random.choice(makers)()
    frame = client.to_router(type=0x0800) / packet if isinstance(packet, Raw) else client.to_router() / packet
    client.send(frame)
    sent += 1
    if i % 50 == 0:
        time.sleep(0.005)
time.sleep(6)       # neighbours that do not exist have failed by then
after = totals()
received = after["received"] - before["received"]
if not sent <= received <= sent + 60:
    fail("%d packets were sent, %d received" % (sent, received))
ok("%d packets sent, %d received" % (sent, received))
if after["waiting"]:
    fail("%d packets still wait for neighbours" % after["waiting"])
lhs = after["received"] + after["originated"]
rhs = after["transmitted"] + sum(r["count"] for r in after["drops"]) + after["waiting"]
if lhs != rhs or not after["balanced"]:
    fail("received + originated %d, transmitted + drops + waiting %d" % (lhs, rhs))
ok("%d = %d" % (lhs, rhs))
used = sorted(r["reason"] for r in after["drops"] if r["count"])
ok("reasons in use: " + ", ".join(used))
for reason in ("ttl_exceeded", "blackhole", "no_route", "unreachable", "too_big", "fragmented", "neighbour_failed",
               "ip4_checksum", "martian_source", "icmp_rate", "truncated|ip4_header"):
    if not any(r.split("/")[-1] in reason.split("|") for r in used):
        fail("nothing was dropped as " + reason)
PY
ctl show drops
appliance_stop
