#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Neighbours: packets to one that is unknown wait and then go, only a few may wait, one that does
# not answer is reported, one that appears or changes its MAC address is followed.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
topo_standard
on server sysctl -q -w net.ipv4.conf.eth0.arp_notify=1 net.ipv6.conf.eth0.ndisc_notify=1
appliance_start
flush() {
	ip_on appliance neigh flush all
	ip_on appliance -6 neigh flush all
	sleep 0.2
}

flush
"$PYTHON" - <<'PY'
import subprocess
from wire import *
client, server = Tap("client"), Tap("server")


def arp_ignore(value):
    subprocess.run(["ip", "netns", "exec", os.environ["NS_PREFIX"] + "server", "sysctl", "-q", "-w",
                    "net.ipv4.conf.eth0.arp_ignore=%d" % value], check=True)


arp_ignore(8)
for what, ip in (("IPv4", IP(src=C4, dst=S4)), ("IPv6", IPv6(src=C6, dst=S6))):
    for i in range(3):
        client.send(client.to_router() / ip / UDP(sport=1000, dport=100 + i) / b"wait")
    time.sleep(0.3)
    arp_ignore(0)       # until now the server was deaf to ARP, so all three did wait
    got = server.collect(lambda p: UDP in p and p[UDP].sport == 1000, 3, 3)
    if [p[UDP].dport for p in got] != [100, 101, 102]:
        fail("%s: of three packets to an unresolved neighbour: %s" % (what, [p[UDP].dport for p in got]))
    ok(what + ": three packets wait for the neighbour and go in order")
PY
reach_both "resolved"
say "many packets to a neighbour that is not there"
"$PYTHON" - <<'PY'
from wire import *
client = Tap("client")
for i in range(200):
    client.send(client.to_router() / IP(src=C4, dst="198.51.100.66") / UDP(sport=i + 1, dport=9) / b"x",
                client.to_router() / IPv6(src=C6, dst="2001:db8:2::66") / UDP(sport=i + 1, dport=9) / b"x")
told = client.collect(lambda p: is_icmp4(3, 1)(p) or is_icmp6(1, 3)(p), 5)
for what, layer in (("host unreachable", IP), ("address unreachable", IPv6)):
    n = sum(1 for p in told if layer in p)
    if not n:
        fail(what + ": never said")
    ok("%s: said %d times" % (what, n))
PY
expect_drops neighbour_queue 100
reach_both "meanwhile"

say "the neighbour appears"
ip_on server address add 198.51.100.66/24 dev eth0
ip_on server address add 2001:db8:2::66/64 dev eth0 nodad
wait_until 15 "198.51.100.66 answers" on client ping -n -c 1 -W 1 198.51.100.66
wait_until 15 "2001:db8:2::66 answers" on client ping -n -c 1 -W 1 2001:db8:2::66

say "another MAC address"
ip_on server link set eth0 down
ip_on server link set eth0 address 02:00:00:00:aa:02
ip_on server link set eth0 up
ip_on server address replace 2001:db8:2::2/64 dev eth0 nodad
ip_on server route replace default via 198.51.100.1
ip_on server -6 route replace default via 2001:db8:2::1
wait_until 20 "IPv4 follows the MAC address" on client ping -n -c 1 -W 1 198.51.100.2
wait_until 20 "IPv6 follows the MAC address" on client ping -n -c 1 -W 1 2001:db8:2::2
reach_both "after it"

say "a permanent entry counts"
ip_on appliance neigh replace 198.51.100.99 lladdr 02:00:00:00:99:99 dev wan nud permanent
ip_on appliance neigh replace 2001:db8:2::99 lladdr 02:00:00:00:99:99 dev wan nud permanent
sleep 0.3
"$PYTHON" - <<'PY'
from wire import *
client, server = Tap("client"), Tap("server")
client.send(client.to_router() / IP(src=C4, dst="198.51.100.99") / UDP(dport=1) / b"x")
server.expect("IPv4 to the entry's MAC", lambda p: p.dst == "02:00:00:00:99:99" and IP in p)
client.send(client.to_router() / IPv6(src=C6, dst="2001:db8:2::99") / UDP(dport=1) / b"x")
server.expect("IPv6 to the entry's MAC", lambda p: p.dst == "02:00:00:00:99:99" and IPv6 in p)
PY
if is_visord; then
	equal "visorctl shows it" "$(show neighbours "[n for n in d['neighbours'] if n['dst'] == '198.51.100.99'] != []")" true
fi
flush
reach_both "after a flush"
appliance_stop
