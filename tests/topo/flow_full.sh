#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A flood of SYNs, each of another connection, and many times what the flow table holds: transfers
# that are established go on as if nothing were, nearly all new honest connections succeed, half-open
# flows give way, and what finds no room is counted.
# variants: 1 2
# quick
# alone
# limit: 120
. "$(dirname "$0")/lib.sh"
visord_only "flows"
topo_standard
quiet_server
chain_functions='"firewall:edge", "router"'
config_more='flows = { ipv4 = 1024; ipv6 = 1024; };
	firewall = ( { name = "edge"; rules = ( { name = "out"; in = "lan"; proto = "tcp"; action = "accept"; } ); } );'
appliance_start
serve server 80
for port in 5201 5202; do
	(exec_on server iperf3 -s -p $port >/dev/null 2>&1) &
done
wait_until 10 "iperf3 listens" on server sh -c 'ss -Hltn | grep -q :5201 && ss -Hltn | grep -q :5202'

cat >"$tmp/flood.py" <<'PY'
# SYNs of both families, RATE a second of each, from as many sources and ports as there are.
from wire import *
import random
random.seed(1)
rate = int(sys.argv[1])
client = Tap("client")


def checksum(data):
    s = sum(struct.unpack("!%dH" % (len(data) // 2), bytes(data)))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return struct.pack("!H", ~s & 0xffff)


def syn(template, addresses, tcp):
    """Another source address and port; `addresses` is where both are, `tcp` where TCP begins."""
    frame = bytearray(template)
    low = addresses.start + (addresses.stop - addresses.start) // 2
    frame[low - 2:low] = random.randbytes(2)
    frame[tcp:tcp + 2] = struct.pack("!H", random.randrange(1024, 65536))
    if tcp == 34:
        frame[24:26] = b"\0\0"
        frame[24:26] = checksum(frame[14:34])
    frame[tcp + 16:tcp + 18] = b"\0\0"
    frame[tcp + 16:tcp + 18] = checksum(frame[addresses] + struct.pack("!HH", 6, 20) + frame[tcp:])
    return bytes(frame)


def template(ip):
    return bytes(client.to_router() / ip / TCP(sport=1, dport=80, flags="S", seq=1, window=1000))


kinds = ((template(IP(src="10.1.0.0", dst="198.51.100.200")), slice(26, 34), 34),
         (template(IPv6(src="2001:db8:f::", dst="2001:db8:2::200")), slice(22, 54), 54))
frames = [syn(*kinds[i % 2]) for i in range(60000)]
if not all(intact(Ether(f)) for f in frames[:10]):
    fail("the flood has wrong checksums")
print("ready", flush=True)
start, sent = time.monotonic(), 0
while True:
    for frame in frames:
        try:
            client.sock.send(frame)
        except OSError:
            pass
        sent += 1
        if sent % 50 == 0:
            ahead = sent / (2 * rate) - (time.monotonic() - start)
            if ahead > 0:
                time.sleep(ahead)
PY

# transfer NAME SECONDS: at 20 Mbit/s, both families, in the background.
transfer() {
	(exec_on client iperf3 -c 198.51.100.2 -p 5201 -t "$2" -b 20M --json >"$tmp/$1.4.json" 2>&1) &
	transfer4=$!
	(exec_on client iperf3 -c 2001:db8:2::2 -p 5202 -t "$2" -b 20M -R --json >"$tmp/$1.6.json" 2>&1) &
	transfer6=$!
}
goodput() { json "int(d['end']['sum_received']['bits_per_second'])" <"$tmp/$1.json"; }
established() { [ "$(flows state established)" -ge 4 ]; }

transfer flood 14
wait_until 5 "the transfers are established" established
"$PYTHON" "$tmp/flood.py" 5000 >"$tmp/flood.ready" &
flooder=$!
wait_until 20 "the flood begins" test -s "$tmp/flood.ready"
full() { [ "$(ctl --json show flows summary | json "int(min(d[f]['used'] / d[f]['size'] for f in ('ipv4', 'ipv6')) > 0.8)")" = 1 ]; }
wait_until 10 "the table is nearly full" full
good=0 bad=0
for ((i = 0; i < 50 && bad <= 10; i++)); do
	for to in 198.51.100.2 2001:db8:2::2; do
		if PATIENCE=4 fetch client $to 80; then good=$((good + 1)); else bad=$((bad + 1)); fi
	done
done
say "$good of 100 honest connections succeeded"
expect "at least 90 of 100 honest connections succeed" [ $good -ge 90 ]
expect "half-open flows gave way" [ "$(flow_counter evicted)" -gt 5000 ]
kill -0 $flooder || fail "the flood has ended"
expect "the table never holds more than it has room for" [ "$(ctl --json show flows summary | json "int(all(d[f]['used'] <= d[f]['size'] for f in ('ipv4', 'ipv6')))")" = 1 ]
expect "the transfers are established still" established
wait $transfer4 || fail "the IPv4 transfer broke: $(tail -n 3 "$tmp/flood.4.json")"
wait $transfer6 || fail "the IPv6 transfer broke: $(tail -n 3 "$tmp/flood.6.json")"
kill $flooder
wait $flooder 2>/dev/null || :
for v in 4 6; do
	say "IPv$v: $(goodput flood.$v) bits a second"
	expect "IPv$v: established goodput is at least 95 %" [ "$(goodput flood.$v)" -ge 19000000 ]
done
expect "after the flood: IPv4" fetch client 198.51.100.2 80
expect "after the flood: IPv6" fetch client 2001:db8:2::2 80
appliance_stop
