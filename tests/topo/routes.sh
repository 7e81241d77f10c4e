#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `ip route` says is what happens: metrics, ECMP, blackhole, on-link, IPv4 via an IPv6 next hop,
# next-hop objects and groups, link-local gateways, more specific prefixes, changes and removals.
# variants: 1 2
# quick
. "$(dirname "$0")/lib.sh"
host_add appliance
attach client lan 192.0.2 2001:db8:1:
attach gw1 wan1 198.51.101 2001:db8:21:
attach gw2 wan2 198.51.102 2001:db8:22:
for i in 1 2; do
	ip_on gw$i address add 203.0.113.1/32 dev lo
	ip_on gw$i address add 2001:db8:f::1/128 dev lo
done
appliance_start
# by GATEWAY "what": a packet to 203.0.113.1 and to 2001:db8:f::1 goes to this gateway now; 0: none.
by() {
	sleep 0.2
	"$PYTHON" - "$1" "$2" "${3:-46}" <<'PY'
from wire import *
want, what, families = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client, gateways = Tap("client"), [Tap("gw1"), Tap("gw2")]
for family, packet in (("4", IP(src=C4, dst="203.0.113.1")), ("6", IPv6(src=C6, dst="2001:db8:f::1"))):
    if family not in families:
        continue
    deadline = time.monotonic() + 5
    while True:
        client.send(client.to_router() / packet / UDP(sport=5555, dport=9) / b"r")
        seen = [i for i, g in enumerate(gateways, 1) if g.collect(lambda p: UDP in p and p[UDP].sport == 5555 and
                                                                 ICMP not in p, 0.3, 1)]
        if seen == ([want] if want else []):
            break
        if time.monotonic() > deadline:
            fail("%s: IPv%s goes by %s, not %d" % (what, family, seen, want))
    ok("%s: IPv%s by gateway %d" % (what, family, want))
PY
}
both() { # both ROUTE4 -- ROUTE6
	local a=()
	while [ "$1" != -- ]; do a+=("$1"); shift; done
	shift
	ip_on appliance route "${a[@]}"
	ip_on appliance -6 route "$@"
}
ip_on appliance route add default via 198.51.101.2
ip_on appliance -6 route add default via 2001:db8:21::2
by 1 "default route"
both add 203.0.113.0/24 via 198.51.102.2 metric 200 -- add 2001:db8:f::/48 via 2001:db8:22::2 metric 200
by 2 "a more specific one"
both add 203.0.113.0/24 via 198.51.101.2 metric 100 -- add 2001:db8:f::/48 via 2001:db8:21::2 metric 100
by 1 "a lower metric"
both del 203.0.113.0/24 metric 100 -- del 2001:db8:f::/48 metric 100
by 2 "the other metric again"
both add 203.0.113.1/32 via 198.51.101.2 -- add 2001:db8:f::1/128 via 2001:db8:21::2
by 1 "a host route"
both replace 203.0.113.1/32 via 198.51.102.2 -- replace 2001:db8:f::1/128 via 2001:db8:22::2
by 2 "replaced"
both replace blackhole 203.0.113.1/32 -- del 2001:db8:f::1/128
ip_on appliance -6 route add blackhole 2001:db8:f::1/128
by 0 "blackhole"
both del 203.0.113.1/32 -- del 2001:db8:f::1/128
by 2 "without it"
both replace 203.0.113.1/32 via 203.0.113.99 dev wan1 onlink -- replace 2001:db8:f::1/128 via fe80::ff:fe00:202 dev wan1
ip_on gw1 address add 203.0.113.99/32 dev eth0
by 1 "on-link next hop outside of every subnet; a link-local gateway"
ip_on appliance route replace 203.0.113.1/32 via inet6 2001:db8:22::2 dev wan2
by 2 "IPv4 via an IPv6 next hop" 4
ip_on appliance route replace 203.0.113.1/32 via inet6 fe80::ff:fe00:202 dev wan1
by 1 "IPv4 via a link-local IPv6 next hop" 4
both del 203.0.113.1/32 -- del 2001:db8:f::1/128

say "next-hop objects"
ip_on appliance nexthop add id 1 via 198.51.101.2 dev wan1
ip_on appliance nexthop add id 2 via 198.51.102.2 dev wan2
ip_on appliance nexthop add id 61 via 2001:db8:21::2 dev wan1
ip_on appliance nexthop add id 62 via 2001:db8:22::2 dev wan2
both replace 203.0.113.1/32 nhid 1 -- replace 2001:db8:f::1/128 nhid 61
by 1 "an object"
ip_on appliance nexthop replace id 1 via 198.51.102.2 dev wan2
ip_on appliance nexthop replace id 61 via 2001:db8:22::2 dev wan2
by 2 "the object replaced, the route untouched"
ip_on appliance nexthop replace id 1 via 198.51.101.2 dev wan1
ip_on appliance nexthop replace id 61 via 2001:db8:21::2 dev wan1
ip_on appliance nexthop add id 10 group 1/2
ip_on appliance nexthop add id 70 group 61/62
both replace 203.0.113.1/32 nhid 10 -- replace 2001:db8:f::1/128 nhid 70
expect "a group: IPv4" reach client 203.0.113.1
expect "a group: IPv6" reach client 2001:db8:f::1
ip_on appliance nexthop replace id 10 group 2
ip_on appliance nexthop replace id 70 group 62
by 2 "a group of one"
ip_on appliance nexthop add id 9 blackhole
ip_on appliance route replace 203.0.113.1/32 nhid 9
by 0 "a blackhole object" 4
ip_on appliance nexthop del id 9
by 2 "the object deleted takes its routes along" 4
if is_visord; then
	expect "visorctl route get" grep -q wan2 <<<"$(ctl route get 203.0.113.1)"
	expect "visorctl route get, IPv6" grep -q wan2 <<<"$(ctl route get 2001:db8:f::1)"
fi
say "a device goes and takes its routes along"
ip_on appliance route add 203.0.113.1/32 via 198.51.101.2 metric 5
by 1 "metric 5" 4
ip_on appliance link set wan1 down
by 2 "its port is down" 4
ip_on appliance link set wan1 up
appliance_stop
