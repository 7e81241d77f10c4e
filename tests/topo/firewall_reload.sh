#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Reloads under traffic: 200 of them (30 where it is to be quick), while rules, sets and their order
# change around what is allowed all the time; not one packet of that is lost, and nothing that is
# denied ever arrives. A rule that is gone ends its flows with their next packet; on_change = "keep"
# lets them be.
# variants: 1 2
# quick
# limit: 150
. "$(dirname "$0")/lib.sh"
visord_only "the firewall"
topo_standard
chain_functions='"firewall:edge", "router"'
reloads=${RELOADS:-$([ -n "${VISOR_TEST_QUICK:-}" ] && echo 30 || echo 200)}
# firewall ON_CHANGE RULES SETS
firewall() {
	config_more="flows = { loose = false; };
		firewall = ( { name = \"edge\"; on_change = \"$1\"; sets = ( $3 ); rules = ( $2 ); } );"
}
always='{ name = "stream"; in = "lan"; proto = "udp"; from = "@friends"; action = "accept"; },
	{ name = "tcp"; in = "lan"; proto = "tcp"; dport = [ 8000, 5201, 5202 ]; action = "accept"; }'
other='{ name = "other"; in = "wan"; proto = "tcp"; from = "@friends"; dport = 9; action = "accept"; }'
more='{ name = "more"; in = "lan"; to = "203.0.113.0/24"; proto = "udp"; dport = "1-100"; action = "drop"; }'
friends='{ name = "friends"; addresses = [ "192.0.2.0/24", "2001:db8:1::/64" ]; }'
fewer='{ name = "friends"; addresses = [ "192.0.2.2", "2001:db8:1::2", "10.0.0.0/8" ]; }'
firewall recheck "$always" "$friends"
appliance_start
serve client 81
serve server 81
capture server "$tmp/server.pcap" 'tcp dst port 81' && there=$capture_pid
capture client "$tmp/client.pcap" 'tcp dst port 81' && here=$capture_pid
while :; do
	PATIENCE=0.2 fetch client 198.51.100.2 81 || :
	PATIENCE=0.2 fetch server 2001:db8:1::2 81 || :
done &
knocker=$!

(exec_on server iperf3 -s -p 5201 >/dev/null 2>&1) &
(exec_on server iperf3 -s -p 5202 >/dev/null 2>&1) &
wait_until 10 "iperf3 listens" on server sh -c 'ss -Hltn | grep -q :5201 && ss -Hltn | grep -q :5202'
(exec_on client iperf3 -c 198.51.100.2 -p 5201 -t 120 -b 10M --json >"$tmp/iperf4.json" 2>&1) &
iperf4=$!
(exec_on client iperf3 -c 2001:db8:2::2 -p 5202 -t 120 -b 10M -R --json >"$tmp/iperf6.json" 2>&1) &
iperf6=$!
packets=$((reloads * 1000))
tagged_receive server eth0 "$tmp/received" --count $packets --flows 16 --limit 140000 --idle 5000
(exec_on client "$TOOLS/tagged" send --device eth0 --to-mac 02:00:00:00:01:01 --from 192.0.2.2 \
	--to 198.51.100.2 --count $packets --flows 16 --rate 5000 >"$tmp/sent") &
sender_pid=$!
established() { [ "$(flows state established proto tcp)" -ge 4 ]; }
wait_until 10 "the transfers are established" established

for ((i = 0; i < reloads; i++)); do
	case $((i % 4)) in
	0) firewall recheck "$always, $other" "$fewer" ;;
	1) firewall recheck "$other, $more, $always" "$friends" ;;
	2) firewall recheck "$more, $always" "$fewer" ;;
	3) firewall recheck "$always" "$friends" ;;
	esac
	appliance_reload >"$tmp/reload.log" 2>&1 || {
		cat "$tmp/reload.log" >&2
		fail "reload $i"
	}
done
say "ok: $reloads reloads"
wait $sender_pid
wait $receiver_pid || fail "lost over the reloads: $(cat "$tmp/received")"
say "ok: nothing lost over all reloads: $(cat "$tmp/received")"
expect "the transfers are established still" established
equal "they were let in once" "$(ctl --json show flows dport 5201 | json "all(f['age_s'] >= 1 for f in d['flows'])")" true
for pid in $iperf4 $iperf6; do
	kill -INT $pid
	wait $pid || :
done
for v in 4 6; do
	# that nothing was lost the tagged stream says; here it is that nothing stood still
	expect "IPv$v: the transfer went on" [ "$(json "int(min(i['sum']['bytes'] for i in d['intervals'][1:-1]) > 0 and
		max(d['end'][s]['bits_per_second'] for s in ('sum_sent', 'sum_received')) > 9e6)" <"$tmp/iperf$v.json")" = 1 ]
done
kill $knocker
wait $knocker 2>/dev/null || :
capture_end $there
capture_end $here
never_captured "what is denied, at the server" "$tmp/server.pcap" 'tcp dst port 81'
never_captured "what is denied, at the client" "$tmp/client.pcap" 'tcp dst port 81'

say "rules that are gone"
cat >"$tmp/talk.py" <<'PY'
# Connections of both families that say something when told to, by a line on stdin.
from wire import *
import select
talks = []
for family, here, there in ((socket.AF_INET, C4, S4), (socket.AF_INET6, C6, S6)):
    s = socket_on("server", family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((there, 8000))
    s.listen(1)
    c = socket_on("client", family, socket.SOCK_STREAM)
    c.settimeout(5)
    c.connect((there, 8000))
    talks.append((c, s.accept()[0]))
print("ready", flush=True)
for line in sys.stdin:
    heard = 0
    for c, s in talks:
        for a, b in ((c, s), (s, c)) if line.strip() == "client" else ((s, c), (c, s)):
            a.send(b"x")
            heard += bool(select.select([b], [], [], 0.6)[0]) and b.recv(99) != b""
    print(heard, flush=True)
PY
talk_start() {
	coproc talk { exec "$PYTHON" "$tmp/talk.py"; }
	read -r answer <&"${talk[0]}"
}
# heard WHO SPEAKS FIRST: of four words
heard() {
	echo "$1" >&"${talk[1]}"
	read -r answer <&"${talk[0]}"
	echo "$answer"
}
talk_end() {
	# shellcheck disable=SC2154  # coproc sets it
	kill "$talk_PID"
	wait "$talk_PID" 2>/dev/null || :
}
without="{ name = \"stream\"; in = \"lan\"; proto = \"udp\"; action = \"accept\"; }"
for first in client server; do
	firewall recheck "$always" "$friends"
	expect "a rule that lets them in" appliance_reload
	talk_start
	equal "heard" "$(heard $first)" 4
	denied=$(flow_counter denied)
	firewall recheck "$without" "$friends"
	expect "the rule is gone" appliance_reload
	equal "$first speaks first: heard" "$(heard $first)" 0
	equal "flows that were ended" "$(($(flow_counter denied) - denied))" 2
	equal "none is shown" "$(flows dport 8000)" 0
	talk_end
done
firewall keep "$always" "$friends"
expect "flows are to be kept" appliance_reload
talk_start
equal "heard" "$(heard client)" 4
firewall keep "$without" "$friends"
expect "the rule is gone" appliance_reload
equal "kept: heard" "$(heard client)" 4
equal "kept: heard" "$(heard server)" 4
PATIENCE=0.4 refute "a new one is not let in" fetch client 198.51.100.2 8000
talk_end
appliance_stop
