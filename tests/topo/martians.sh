#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What must not be forwarded is not, and each packet of it is counted once under a name: martian and
# spoofed addresses, link-local ones, broken headers, broadcasts.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
visord_only "drops under a name"
topo_standard
ip_on appliance route add default via 198.51.100.2
ip_on appliance -6 route add default via 2001:db8:2::2
appliance_start
reach_both "to begin with"
"$PYTHON" - <<'PY'
import json
import subprocess
from wire import *
client, server = Tap("client"), Tap("server")


def drops():
    """Drops by reason, the function's part of the name left out."""
    out = subprocess.run([os.environ["VISORCTL"], "-s", os.environ["VISOR_SOCKET"], "--json", "show", "drops"],
                         stdout=subprocess.PIPE, check=True).stdout
    return {r["reason"].split("/")[-1]: r["count"] for r in json.loads(out)["drops"]}


def dropped(what, packet, reason, l2=None):
    before = drops()
    client.send((l2 or client.to_router()) / packet)
    deadline = time.monotonic() + (0.3 if "kernel" in reason else 2)
    after = drops()
    while after == before and time.monotonic() < deadline:
        time.sleep(0.01)
        after = drops()
    changed = {k: after[k] - before.get(k, 0) for k in after if after[k] != before.get(k, 0)}
    if not changed and "kernel" in reason.split("|"):
        pass    # steered to the kernel, which does not forward it either
    elif len(changed) != 1 or list(changed.values()) != [1] or list(changed)[0] not in reason.split("|"):
        fail("%s: counted as %s, expected %s once" % (what, changed, reason))
    got = server.collect(lambda p: UDP in p, 0.02)
    if got:
        fail("%s: forwarded" % what)
    ok("%s: %s" % (what, reason))


u = UDP(sport=1, dport=2) / (b"x" * 20)
for source in ("127.0.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.5", "240.0.0.1", "255.255.255.255"):
    dropped("source " + source, IP(src=source, dst=S4) / u, "martian_source")
for source in (A4, B4):
    dropped("spoofed own source " + source, IP(src=source, dst=S4) / u, "own_source|martian_source")
dropped("source the subnet's broadcast address", IP(src="192.0.2.255", dst=S4) / u, "martian_source|broadcast")
dropped("source link-local", IP(src="169.254.1.1", dst=S4) / u, "link_local")
dropped("destination link-local", IP(src=C4, dst="169.254.1.1") / u, "link_local")
for to in ("127.0.0.1", "0.0.0.1", "240.0.0.1"):
    dropped("destination " + to, IP(src=C4, dst=to) / u, "martian_destination|kernel")
for source in ("::1", "::", "ff02::1", "::ffff:192.0.2.9", "::192.0.2.9"):
    dropped("source " + source, IPv6(src=source, dst=S6) / u, "martian_source")
for source in (A6, B6):
    dropped("spoofed own source " + source, IPv6(src=source, dst=S6) / u, "own_source")
dropped("source fe80::9", IPv6(src="fe80::9", dst=S6) / u, "link_local")
dropped("destination fe80::9", IPv6(src=C6, dst="fe80::9") / u, "link_local|kernel")
dropped("destination ::1", IPv6(src=C6, dst="::1") / u, "martian_destination|kernel")

dropped("a wrong header checksum", IP(src=C4, dst=S4, chksum=0x1234) / u, "ip4_checksum")
dropped("version 5", IP(src=C4, dst=S4, version=5) / u, "ip4_header")
dropped("header length 4", IP(src=C4, dst=S4, ihl=4) / u, "ip4_header")
dropped("header longer than the packet", IP(bytes(IP(src=C4, dst=S4, ihl=15, len=48) / u)), "ip4_header|truncated")
dropped("total length under the header's", IP(src=C4, dst=S4, len=19) / u, "ip4_header")
dropped("total length over the frame's", IP(src=C4, dst=S4, len=1000) / u, "truncated|ip4_header")
dropped("IPv6: version 4", IPv6(src=C6, dst=S6, version=4) / u, "ip6_header")
dropped("IPv6: payload over the frame's", IPv6(src=C6, dst=S6, plen=1000) / u, "truncated|ip6_header")
dropped("IPv6: cut inside its header", Raw(bytes(IPv6(src=C6, dst=S6) / u)[:30]),
        "truncated|ip6_header", client.to_router(type=0x86dd))

# Broadcasts and multicast are the kernel's, and it does not forward them either.
for to in ("198.51.100.255", "255.255.255.255", "224.0.0.251"):
    client.send(client.to_router(dst="ff:ff:ff:ff:ff:ff") / IP(src=C4, dst=to) / u,
                client.to_router() / IP(src=C4, dst=to) / u)
client.send(client.to_router(dst="33:33:00:00:00:01") / IPv6(src=C6, dst="ff02::1") / u,
            client.to_router(dst="33:33:00:00:00:01") / IPv6(src=C6, dst="ff0e::1") / u,
            client.to_router(dst="ff:ff:ff:ff:ff:ff") / IP(src=C4, dst=S4) / u)
server.refute("no broadcast or multicast is forwarded", lambda p: UDP in p)
PY
reach_both "still"
appliance_stop
