#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An MTU that no frame holds: packets in several frames (multi-buffer), forwarded whole, refused by
# size, fragmented where IPv4 allows it; and back to small frames.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
visord_only "frames"
topo_standard
appliance_start
reach_both "MTU 1500"
mtu() {
	ip_on appliance link set lan mtu "$1"
	ip_on appliance link set wan mtu "$1"
}
multi_buffer() { [ "$(show ports "all(p['multi_buffer'] == $1 and p['state'] == 'up' for p in d)")" = true ]; }
mtu 9000
wait_until 10 "the ports take packets in several frames" multi_buffer True
ip_on client link set eth0 mtu 9000
ip_on server link set eth0 mtu 9000
big() { on client ping -n -q -c 3 -i 0.1 -W 1 "$@"; }
expect "8,000 bytes, IPv4" big -s 8000 -M 'do' 198.51.100.2
expect "8,000 bytes, IPv6" big -s 8000 2001:db8:2::2
expect "8,972 bytes, as large as it goes" big -s 8972 -M 'do' 198.51.100.2
(exec_on server iperf3 -s -1 >/dev/null 2>&1) &
wait_until 10 "iperf3 listens" on server sh -c "ss -Hltn | grep -q 5201"
on client timeout 30 iperf3 -c 198.51.100.2 -n 200M --json >"$tmp/iperf.json" || fail "$(cat "$tmp/iperf.json")"
say "ok: TCP with large segments: $(json "'%.0f MB' % (d['end']['sum_received']['bytes'] / 1e6)" <"$tmp/iperf.json")"

say "a smaller link behind"
ip_on server link set eth0 mtu 3000
ip_on appliance link set wan mtu 3000
sleep 0.5
on client ip route flush cache
on client ping -n -c 1 -W 1 -M 'do' -s 8000 198.51.100.2 >"$tmp/ping" 2>&1 || true
grep -q 'mtu *= *3000' "$tmp/ping" || fail "the MTU 3000 is not announced: $(cat "$tmp/ping")"
say "ok: announces 3000"
on client ip route flush cache
"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")
client.send(client.to_router() / IP(src=C4, dst=S4, id=77) / UDP(sport=5, dport=6) / (b"0123456789" * 700))
parts = server.collect(lambda p: IP in p and p[IP].id == 77, 2)
if len(parts) < 3:
    fail("7,028 bytes over an MTU of 3000 came as %d fragments" % len(parts))
data = b"".join(bytes(p[IP].payload)[:p[IP].len - 20] for p in sorted(parts, key=lambda p: p[IP].frag))
if data[8:] != b"0123456789" * 700:
    fail("the fragments do not make up the datagram")
ok("a packet in several frames is fragmented: %d fragments" % len(parts))
PY
ip_on server link set eth0 mtu 1500
ip_on client link set eth0 mtu 1500
mtu 1500
wait_until 10 "the ports take one frame a packet again" multi_buffer False
reach_both "MTU 1500 again"
appliance_stop
refute "no frame was lost" log_has 'frames came back'
