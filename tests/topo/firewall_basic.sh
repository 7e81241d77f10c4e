#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A firewall between two networks: what its rules allow works, in IPv4 and IPv6, with curl, ping and
# traceroute; what they do not allow never arrives, not even while visord starts, after kill -9 with
# a kernel that would forward, or while it starts again. Rejected ones are told.
# variants: 1 2
# quick
# limit: 120
. "$(dirname "$0")/lib.sh"
visord_only "the firewall"
KERNEL_MAY_FORWARD=1
topo_standard
ip_on client address add 192.0.2.9/24 dev eth0
ip_on client address add 2001:db8:1::9/64 dev eth0 nodad preferred_lft 0
port_keys[lan]='fallback = "drop";' port_keys[wan]='fallback = "drop";'
chain_functions='"firewall:edge", "router"'
config_more='firewall = ( { name = "edge"; default = "drop";
	sets = ( { name = "admins"; addresses = [ "192.0.2.9", "2001:db8:1::9" ]; } );
	rules = (
		{ name = "web"; in = "lan"; out = "wan"; proto = "tcp"; dport = [ 80, "8080-8081" ]; action = "accept"; },
		{ name = "admin"; in = "lan"; from = "@admins"; proto = "tcp"; dport = 22; action = "accept"; },
		{ name = "ping"; in = "lan"; proto = [ "icmp", "icmpv6" ]; icmp_type = "echo-request"; action = "accept"; },
		{ name = "trace"; in = "lan"; proto = "udp"; dport = "33434-33534"; action = "accept"; },
		{ name = "mail"; in = "wan"; out = "lan"; proto = "tcp"; dport = 25; action = "accept"; },
		{ name = "ident"; in = "wan"; proto = "tcp"; dport = 113; action = "reject"; },
		{ name = "ntp"; in = "lan"; proto = "udp"; dport = 123; action = "reject"; reject_with = "admin-prohibited"; } ); } );'
denied_there='(tcp and (dst port 81 or dst port 113)) or (udp and (dst port 5000 or dst port 123)) or (tcp dst port 22 and not src host 192.0.2.9 and not src host 2001:db8:1::9)'
denied_here='(tcp and (dst port 80 or dst port 81 or dst port 22)) or udp or (icmp[icmptype] == 8) or (icmp6 and ip6[40] == 128)'
kernel_forwards() { on appliance sysctl -q -w net.ipv4.ip_forward="$1" net.ipv6.conf.all.forwarding="$1"; }

serve server 22 80 81 8081
serve client 22 25 80
capture server "$tmp/server.pcap" && there=$capture_pid
capture client "$tmp/client.pcap" && here=$capture_pid

# What may not pass knocks all the time.
cat >"$tmp/knock.py" <<'PY'
from wire import *
import random
client, server = Tap("client"), Tap("server")
def packets(tap, a4, b4, a6, b6):
    for ip in (IP(src=a4, dst=b4), IPv6(src=a6, dst=b6)):
        for port in (81, 22, 113):
            for flags in ("S", "A", "SA", "FA", "R"):
                yield bytes(tap.to_router() / ip / TCP(sport=40000 + port, dport=port, flags=flags))
        for port in (5000, 123):
            yield bytes(tap.to_router() / ip / UDP(sport=5, dport=port) / b"knock")
    if tap is server:
        yield bytes(tap.to_router() / IP(src=a4, dst=b4) / ICMP() / b"knock")
        yield bytes(tap.to_router() / IPv6(src=a6, dst=b6) / ICMPv6EchoRequest(data=b"knock"))
ready = [(client, list(packets(client, C4, S4, C6, S6))), (server, list(packets(server, S4, C4, S6, C6)))]
while True:
    for tap, frames in ready:
        for frame in frames:
            tap.sock.send(frame)
    time.sleep(0.01)
PY
"$PYTHON" "$tmp/knock.py" &
knocker=$!
sleep 0.3

# allowed "when": all that may pass does.
allowed() {
	local to from
	for to in 198.51.100.2 2001:db8:2::2; do
		expect "$1: port 80 of $to" fetch client $to 80
		expect "$1: port 8081 of $to" fetch client $to 8081
		expect "$1: ping $to" reach client $to
	done
	for to in 192.0.2.2 2001:db8:1::2; do
		expect "$1: port 25 of $to" fetch server $to 25
	done
	for from in 192.0.2.9 2001:db8:1::9; do
		to=198.51.100.2
		[ $from = 192.0.2.9 ] || to="[2001:db8:2::2]"
		expect "$1: port 22 of $to from $from" on client curl -gsf -m 2 -o /dev/null --interface $from "http://$to:22/lib.sh"
	done
}
# denied "when"
denied() {
	local to PATIENCE=0.4
	for to in 198.51.100.2 2001:db8:2::2; do
		refute "$1: port 81 of $to" fetch client $to 81
		refute "$1: port 22 of $to" fetch client $to 22
	done
	for to in 192.0.2.2 2001:db8:1::2; do
		refute "$1: port 80 of $to" fetch server $to 80
		refute "$1: ping $to" reach server $to -c 1 -W 0.4
	done
}
hops() { on client traceroute "$@" -n -q 1 -w 1 -m 4 | awk '$1 ~ /^[0-9]+$/ { printf "%s ", $2 }'; }

appliance_start
allowed "at first"
denied "at first"
equal "traceroute" "$(hops 198.51.100.2)" "192.0.2.1 198.51.100.2 "
equal "traceroute -6" "$(hops -6 2001:db8:2::2)" "2001:db8:1::1 2001:db8:2::2 "

# Who is rejected hears so at once.
cat >"$tmp/told.py" <<'PY'
import errno, socket, sys, time
host, port, kind, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                  socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(2)
start = time.monotonic()
try:
    s.connect((host, port))
    s.send(b"x")
    s.recv(1)
    got = "answered"
except socket.timeout:
    got = "silence"
except OSError as e:
    got = errno.errorcode[e.errno]
print(got, "after %.3f s" % (time.monotonic() - start))
sys.exit(got != wanted)
PY
for to in 192.0.2.2 2001:db8:1::2; do
	expect "TCP to $to is refused" on server "$PYTHON" "$tmp/told.py" $to 113 tcp ECONNREFUSED
done
expect "UDP to 198.51.100.2 is prohibited" on client "$PYTHON" "$tmp/told.py" 198.51.100.2 123 udp EHOSTUNREACH
expect "UDP to 2001:db8:2::2 is prohibited" on client "$PYTHON" "$tmp/told.py" 2001:db8:2::2 123 udp EACCES
expect "what is dropped hears nothing" on client "$PYTHON" "$tmp/told.py" 198.51.100.2 5000 udp silence

equal "flows by rule" "$(ctl --json show flows rule web | json "sorted({f['rule'] for f in d['flows']})")" '["firewall:edge/web"]'
expect "denied ones leave no flow" [ "$(flows dport 81)" = 0 ]
expect_drops default
assert_no_denied() {
	never_captured "$1: what is denied, at the server" "$tmp/server.pcap" "$denied_there"
	never_captured "$1: what is denied, at the client" "$tmp/client.pcap" "$denied_here"
}

kernel_forwards 1
appliance_kill
denied "after kill -9, the kernel forwarding"
PATIENCE=0.5 refute "nothing passes at all" fetch client 198.51.100.2 80
for round in 1 2 3; do
	appliance_run
	wait_until 20 "every port of visord is up" appliance_ready
	expect "start $round: port 80" fetch client 198.51.100.2 80
	appliance_kill
done
kernel_forwards 0
appliance_start
kernel_forwards 1
allowed "once more"
denied "once more"
kernel_forwards 0
kill $knocker
capture_end $there
capture_end $here
expect "the capture at the server saw what was allowed" [ "$(captured "$tmp/server.pcap" 'tcp dst port 80')" -gt 10 ]
expect "the capture at the client as well" [ "$(captured "$tmp/client.pcap" 'tcp dst port 25')" -gt 5 ]
assert_no_denied "all the time"
appliance_stop
