#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Equal-cost routes: flows are spread by weight, a flow stays on its next hop, and when a next hop
# goes only its flows move.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
host_add appliance
attach client lan 192.0.2 2001:db8:1:
for i in 1 2 3; do
	attach gw$i wan$i 198.51.10$i 2001:db8:2$i:
done
# What the appliance does by itself, the kernel has to be told.
is_visord || on appliance sh -c 'cd /proc/sys/net
	for s in ipv4/fib_multipath_hash_policy ipv6/fib_multipath_hash_policy \
		ipv4/conf/all/ignore_routes_with_linkdown ipv6/conf/all/ignore_routes_with_linkdown; do
		echo 1 >$s
	done'
legs4=([1]="nexthop via 198.51.101.2 weight 1" [2]="nexthop via 198.51.102.2 weight 1" [3]="nexthop via 198.51.103.2 weight 2")
legs6=([1]="nexthop via 2001:db8:21::2 weight 1" [2]="nexthop via 2001:db8:22::2 weight 1" [3]="nexthop via 2001:db8:23::2 weight 2")
# shellcheck disable=SC2086  # words on purpose
routes() {
	local i l4='' l6=''
	for i; do l4+=" ${legs4[$i]}" l6+=" ${legs6[$i]}"; done
	ip_on appliance route replace 203.0.113.0/24 $l4
	ip_on appliance -6 route replace 2001:db8:f::/48 $l6
	sleep 0.3
}
routes 1 2 3
appliance_start
for i in 1 2 3; do
	reach client 198.51.10$i.2 >/dev/null
	reach client 2001:db8:2$i::2 >/dev/null
done

# map FILE: which gateway each flow takes, as JSON; 600 flows of each family, two packets each.
map() {
	"$PYTHON" - "$1" <<'PY'
import json
from wire import *
client, gateways = Tap("client"), [Tap("gw%d" % i) for i in (1, 2, 3)]
where = {}
for twice in (1, 2):
    for flow in range(600):
        client.send(client.to_router() / IP(src=C4, dst="203.0.113.%d" % (flow % 200 + 1)) /
                    UDP(sport=1024 + flow, dport=4000) / b"e",
                    client.to_router() / IPv6(src=C6, dst="2001:db8:f::%x" % (flow % 200 + 1)) /
                    UDP(sport=1024 + flow, dport=6000) / b"e")
        if flow % 50 == 49:
            time.sleep(0.01)
for number, gateway in enumerate(gateways, 1):
    for p in gateway.collect(lambda p: UDP in p and p[UDP].dport in (4000, 6000), 0.5):
        key = "%d/%d" % (p[UDP].dport // 1000, p[UDP].sport)
        if where.setdefault(key, number) != number:
            fail("flow %s goes two ways" % key)
if len(where) != 1200:
    fail("%d of 1200 flows arrived" % len(where))
json.dump(where, open(sys.argv[1], "w"), sort_keys=True)
PY
}
share() { json "round(100.0 * sum(1 for k, v in d.items() if k[0] == '$2' and v == $3) / 600)" <"$1"; }
between() { if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then fail "$1: $2, not $3..$4"; fi; say "ok: $1: $2"; }

map "$tmp/before"
for f in 4 6; do
	between "IPv$f: percent of the flows by gateway 1, weight 1 of 4" "$(share "$tmp/before" $f 1)" 18 32
	between "IPv$f: percent by gateway 2, weight 1 of 4" "$(share "$tmp/before" $f 2)" 18 32
	between "IPv$f: percent by gateway 3, weight 2 of 4" "$(share "$tmp/before" $f 3)" 42 58
done
map "$tmp/again"
expect "the same flows go the same ways again" cmp "$tmp/before" "$tmp/again"

moved() { "$PYTHON" -c 'import json,sys
a, b, gone = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), int(sys.argv[3])
print(sum(1 for k in a if a[k] != gone and a[k] != b[k]))' "$@"; }
routes 1 3
map "$tmp/without2"
equal "flows still by the withdrawn gateway" "$(share "$tmp/without2" 4 2) $(share "$tmp/without2" 6 2)" "0 0"
! is_visord || equal "flows of the other gateways that moved" "$(moved "$tmp/before" "$tmp/without2" 2)" 0
routes 1 2 3
map "$tmp/back"
! is_visord || equal "flows elsewhere than before once it is back" "$(moved "$tmp/before" "$tmp/back" 0)" 0

say "a port loses its carrier"
ip_on gw3 link set eth0 down
sleep 1
map "$tmp/down3"
equal "flows by the gateway behind it" "$(share "$tmp/down3" 4 3) $(share "$tmp/down3" 6 3)" "0 0"
! is_visord || equal "flows of the other gateways that moved" "$(moved "$tmp/before" "$tmp/down3" 3)" 0
ip_on gw3 link set eth0 up
ip_on gw3 address replace 2001:db8:23::2/64 dev eth0 nodad
appliance_stop
