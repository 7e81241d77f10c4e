#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A SYN flood makes no flows and never reaches the server; real clients get through, data and all, in
# both families, and what the rules deny gets no cookie.
# variants: 1 2
# quick
. "$(dirname "$0")/lib.sh"
visord_only "the SYN proxy"
topo_standard

firewall() { # MODE
	config_more="firewall = ( { name = \"edge\"; default = \"drop\";
		zones = ( { name = \"outside\"; interfaces = [ \"lan\" ]; syn_proxy = \"$1\"; syn_rate = 200; } );
		rules = ( { name = \"web\"; in = \"outside\"; proto = \"tcp\"; dport = [ 80, 5201, 81 ]; action = \"accept\"; },
			{ name = \"ping\"; proto = [ \"icmp\", \"icmpv6\" ]; action = \"accept\"; } ); } );"
}
config_default() {
	cat <<-CONFIG
		workers = { count = $WORKERS; };
		ports = ( { name = "lan"; device = "lan"; spread = $SPREAD; }, { name = "wan"; device = "wan"; } );
		chains = ( { functions = [ "firewall:edge", "router" ]; } );
		control = { socket = "$socket"; };
		flows = { ipv4 = 1024; ipv6 = 1024; };
		$config_more
	CONFIG
}
opened() { ctl --json show flows summary >"$tmp/show.json" && json "d['counters']['opened']" <"$tmp/show.json"; }

head -c 3000000 /dev/urandom >"$tmp/body"
cat >"$tmp/server.py" <<'PY'
import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 256
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
Server(("::", 80), Handler).serve_forever()
PY
(cd "$tmp" && exec_on server "$PYTHON" "$tmp/server.py") &
wait_until 10 "the server listens" on server "$PYTHON" -c 'import socket; socket.create_connection(("198.51.100.2", 80)).close()'

get() { # URL
	on client curl -gsS --max-time 20 -o "$tmp/got" "$1" && cmp "$tmp/got" "$tmp/body"
}
post() { # URL
	on client curl -gsS --max-time 20 -o "$tmp/got" --data-binary @"$tmp/body" -H Expect: "$1" && cmp "$tmp/got" "$tmp/body"
}

firewall always
appliance_start
for host in 198.51.100.2 "[2001:db8:2::2]"; do
	expect "a body of 3 MB comes through the proxy from $host" get "http://$host/body"
	expect "and goes there and back" post "http://$host/echo"
done
expect_drops syn_proxy 4
refute "a port that is closed on the server refuses" on client curl -gsS --max-time 5 -o /dev/null http://198.51.100.2:81/
refute "a port that no rule opens does not answer" on client curl -gsS --max-time 2 -o /dev/null http://198.51.100.2:82/

"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")


def syn(sport, dport):
    return client.to_router() / IP(src=C4, dst=S4) / TCP(
        sport=sport, dport=dport, flags="S", seq=1000,
        options=[("MSS", 1400), ("SAckOK", b""), ("WScale", 7), ("NOP", None), ("NOP", None)])


def of(packet, port):
    return TCP in packet and port in (packet[TCP].sport, packet[TCP].dport)


client.send(syn(1001, 80))
answer = client.expect("a SYN gets a cookie", lambda p: of(p, 1001) and p[TCP].flags == "SA")
if answer[TCP].window != 0 or answer[TCP].ack != 1001:
    fail("a window of %d, an acknowledgement of %d" % (answer[TCP].window, answer[TCP].ack))
if not intact(answer):
    fail("a checksum")
client.send(syn(1002, 82))
client.refute("what is denied gets none", lambda p: of(p, 1002) and p[TCP].flags == "SA")
server.refute("and none of it reaches the server", lambda p: of(p, 1001) or of(p, 1002))
for i in range(500):
    client.send(client.to_router() / IP(src=C4, dst=S4) / TCP(
        sport=2000 + i, dport=80, flags="A", seq=1001, ack=(answer[TCP].seq + i) & 0xffffffff))
server.refute("an ACK for another connection's cookie is none",
              lambda p: TCP in p and 2000 <= p[TCP].sport < 2500 and p[TCP].flags == "S")
PY

# a flood of many times what the table holds, from addresses that do not answer
flood() { # PACKETS
	"$PYTHON" - "$1" <<'PY'
import random, sys
from wire import *
client, random_ = Tap("client"), random.Random(5)
base = bytes(client.to_router() / IP(src="203.0.113.1", dst=S4) / TCP(sport=1, dport=80, flags="S", seq=1))
import struct
def check(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
for i in range(int(sys.argv[1])):
    p = bytearray(base)
    p[26:30] = struct.pack("!I", 0xCB007100 | random_.getrandbits(8))
    p[34:36] = struct.pack("!H", random_.randrange(1024, 65536))
    p[24:26] = b"\0\0"
    p[24:26] = struct.pack("!H", check(bytes(p[14:34])))
    client.sock.send(p)
PY
}
before=$(opened)
flood 20000 &
flooding=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
	get http://198.51.100.2/body || fail "transfer $i during the flood"
done
wait "$flooding"
say "ok: ten transfers during a flood of 20000 SYNs"
after=$(opened)
[ $((after - before)) -le 30 ] || fail "$((after - before)) flows were opened by a flood that makes none"
say "ok: the flood opened none of $((after - before)) flows"

# "auto": below the rate nothing of it is seen, above it is as before
firewall auto
appliance_reload
sleep 2.1
before=$(drops syn_proxy)
expect "without a flood the connection is the client's own" get http://198.51.100.2/body
equal "and no cookie was given" "$before" "$(drops syn_proxy)"
flood 20000 &
flooding=$!
sleep 0.5
for i in 1 2 3 4 5; do
	get "http://[2001:db8:2::2]/body" || fail "transfer $i during the flood"
done
wait "$flooding"
[ "$(drops syn_proxy)" -gt $((before + 1000)) ] || fail "the proxy did not come on"
say "ok: above the rate the proxy came on"
