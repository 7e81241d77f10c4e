#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A frame for another MAC address, which a flooding switch or a promiscuous port lets in, is not
# forwarded a second time.
# variants: 1
# quick
. "$(dirname "$0")/lib.sh"
visord_only "named drops"
topo_standard
appliance_start
reach_both "before"
"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")
for ip, what in ((IP(src=C4, dst=S4), "IPv4"), (IPv6(src=C6, dst=S6), "IPv6")):
    stranger = client.to_router()
    stranger.dst = "02:00:00:00:77:77"
    client.send(stranger / ip / UDP(sport=7, dport=7777) / b"not yours",
                client.to_router() / ip / UDP(sport=7, dport=8888) / b"yours")
    got = server.collect(lambda p: UDP in p and p[UDP].dport in (7777, 8888), 1)
    if [p[UDP].dport for p in got] != [8888]:
        fail("%s: arrived: %s" % (what, [p[UDP].dport for p in got]))
    ok(what + ": only the frame for the router's MAC address is forwarded")
PY
expect_drops other_host 2
appliance_stop
