#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A rule set of nftables on the kernel's forwarder, and what `visorctl import nft` makes of it on ours:
# the same 10,000 random packets, of conversations and of none, IPv4 and IPv6, pass both or neither.
# VISOR_TEST_SEED chooses others.
# variants: 1 2
# limit: 150
. "$(dirname "$0")/lib.sh"
visord_only "the firewall"
command -v nft >/dev/null || skip "nft is not installed"
KERNEL_MAY_FORWARD=1
topo_standard
seed=${VISOR_TEST_SEED:-3}
count=${VISOR_TEST_PACKETS:-10000}
compare() { "$PYTHON" "$ROOT/tests/tools/nft_compare.py" "$@"; }

# Nobody answers: what arrives is what was sent.
for n in 200 201 202 203 204 205; do
	ip_on appliance neigh replace 192.0.2.$n lladdr 02:00:00:00:01:02 dev lan nud permanent
	ip_on appliance neigh replace 198.51.100.$n lladdr 02:00:00:00:02:02 dev wan nud permanent
	ip_on appliance neigh replace 2001:db8:1::$n lladdr 02:00:00:00:01:02 dev lan nud permanent
	ip_on appliance neigh replace 2001:db8:2::$n lladdr 02:00:00:00:02:02 dev wan nud permanent
done
ip_on appliance route add 10.1.2.0/24 via 192.0.2.2
ip_on appliance route add 203.0.113.0/24 via 198.51.100.2
ip_on appliance route add 2001:db8:a::/64 via 2001:db8:1::2
ip_on appliance route add 2001:db8:b::/64 via 2001:db8:2::2
on appliance sh -c 'for c in all lan wan; do echo 0 >/proc/sys/net/ipv4/conf/$c/send_redirects; done'

compare rules "$seed" >"$tmp/ruleset.nft"
on appliance nft -f "$tmp/ruleset.nft" 2>"$tmp/nft.log" || skip "nftables here cannot: $(head -n 1 "$tmp/nft.log")"
on appliance sysctl -q -w net.netfilter.nf_conntrack_tcp_loose=0
on appliance nft -j list ruleset >"$tmp/ruleset.json"
on appliance sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
reach appliance 192.0.2.2 >/dev/null && reach appliance 198.51.100.2 >/dev/null
reach appliance 2001:db8:1::2 >/dev/null && reach appliance 2001:db8:2::2 >/dev/null
compare send "$seed" "$count" "$tmp/kernel"
on appliance sysctl -q -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
on appliance nft flush ruleset

"$BUILD/visorctl" import nft -f "$tmp/ruleset.json" >"$tmp/firewall.cfg" 2>"$tmp/import.log" || {
	cat "$tmp/import.log" >&2
	fail "the import is not complete"
}
name=$(sed -nE 's/.*name = "([^"]*)".*/\1/p' "$tmp/firewall.cfg" | head -n 1)
chain_functions="\"firewall:$name\", \"router\""
config_more="flows = { loose = false; };
@include \"$tmp/firewall.cfg\""
appliance_start
compare send "$seed" "$count" "$tmp/visord"
expect "no frame was lost on the way" [ "$(show ports "sum(q[k] for p in d for q in p['queues'] for k in ('rx_dropped', 'rx_ring_full'))")" = 0 ]
compare compare "$seed" "$count" "$tmp/kernel" "$tmp/visord" || fail "they do not agree (seed $seed)"
say "ok: the kernel's nftables and visord agree on $count packets"
appliance_stop
