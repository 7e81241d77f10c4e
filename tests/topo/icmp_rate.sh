#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The appliance's own ICMP errors are limited to `routing.icmp_rate` a second; the rest are counted.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
visord_only "its rate limit"
topo_standard
config_more='routing = { icmp_rate = 50; };'
appliance_start
reach client 192.0.2.1 >/dev/null
"$PYTHON" - <<'PY'
from wire import *
client = Tap("client")
packets = [bytes(client.to_router() / IP(src=C4, dst=S4, ttl=1) / UDP(sport=i + 1, dport=9) / b"x") for i in range(1000)]
start = time.monotonic()
for p in packets:
    client.sock.send(p)
    time.sleep(0.0005)
took = time.monotonic() - start
got = len(client.collect(is_icmp4(11), 1.0))
most = 50 * (took + 1) + 50
if not 10 <= got <= most:
    fail("%d errors in %.1f s, at most %d expected" % (got, took, most))
ok("%d errors for 1000 packets in %.1f s" % (got, took))
time.sleep(1)
client.sock.send(packets[0])
client.expect("later one is answered again", is_icmp4(11))
PY
expect_drops icmp_rate 500
expect_drops ttl_exceeded 1001
appliance_stop
