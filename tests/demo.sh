#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration: a client, the appliance, two servers, each in a network namespace of its own,
# and real traffic through visord, with the kernel's forwarding off. Stays up until Ctrl-C; with
# --seconds N, or without a terminal, it takes itself down. Exit status 1 where anything failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
export LC_ALL=C
build=$(cd "${BUILD:-build}" && pwd)
config=$PWD/config/demo.cfg
socket=/run/visor-demo/visor.sock
seconds=
[ -t 0 ] && [ -t 1 ] || seconds=0
[ "${1:-}" != --seconds ] || seconds=${2:-0}
ns=visor-demo
tmp=$(mktemp -d "${TMPDIR:-/tmp}/visor-demo.XXXXXX")
visord_pid=
failures=0
hosts='client appliance one two switch'

on() {
	local host=$1
	shift
	timeout 40 ip netns exec "$ns-$host" "$@"
}
ctl() { timeout 10 "$build/visorctl" -s "$socket" "$@"; }

end() {
	local host pid
	trap - EXIT INT TERM HUP
	if [ -n "$visord_pid" ]; then
		kill "$visord_pid" 2>/dev/null
		wait "$visord_pid" 2>/dev/null
	fi
	for host in $hosts; do
		for pid in $(ip netns pids "$ns-$host" 2>/dev/null); do
			kill "$pid" 2>/dev/null
		done
		ip netns del "$ns-$host" 2>/dev/null
	done
	rm -rf "$tmp"
	rmdir /run/visor-demo 2>/dev/null
	exit $((failures > 0))
}

[ "$(id -u)" = 0 ] || { echo "the demonstration makes network namespaces: run it as root" >&2; exit 1; }
if ip netns list | grep -q "^$ns-"; then
	echo "a demonstration is running already (namespaces $ns-*)" >&2
	exit 1
fi
trap end EXIT
trap 'exit 1' INT TERM HUP

# ---- hosts and cables ------------------------------------------------------------------------

cable() { # HOST DEVICE HOST DEVICE
	ip link add "$2" netns "$ns-$1" type veth peer name "$4" netns "$ns-$3"
	ip -n "$ns-$1" link set "$2" up
	ip -n "$ns-$3" link set "$4" up
}
address() { # HOST DEVICE V4 V6
	ip -n "$ns-$1" address add "$3" dev "$2"
	ip -n "$ns-$1" address add "$4" dev "$2" nodad
	# veth has no hardware that could fill in checksums; received frames go through NAPI
	on "$1" ethtool -K "$2" tx off gro on >/dev/null 2>&1
}
network() {
	local host
	for host in $hosts; do
		ip netns add "$ns-$host" || return 1
		ip -n "$ns-$host" link set lo up
	done
	on appliance sysctl -q -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	cable client eth0 appliance lan
	cable switch uplink appliance wan
	cable switch port1 one eth0
	cable switch port2 two eth0
	ip -n $ns-switch link add bridge type bridge
	for host in uplink port1 port2; do ip -n $ns-switch link set $host master bridge; done
	ip -n $ns-switch link set bridge up
	on switch ethtool -K uplink gro on >/dev/null 2>&1
	ip -n $ns-appliance address add 192.0.2.1/24 dev lan
	ip -n $ns-appliance address add 2001:db8:1::1/64 dev lan nodad
	ip -n $ns-appliance address add 198.51.100.1/24 dev wan
	ip -n $ns-appliance address add 2001:db8:2::1/64 dev wan nodad
	address client eth0 192.0.2.2/24 2001:db8:1::2/64
	address one eth0 198.51.100.2/24 2001:db8:2::2/64
	address two eth0 198.51.100.3/24 2001:db8:2::3/64
	ip -n $ns-two address add 203.0.113.3/32 dev lo
	ip -n $ns-two address add 2001:db8:f::3/128 dev lo nodad
	ip -n $ns-client route add default via 192.0.2.1
	ip -n $ns-client -6 route add default via 2001:db8:1::1
	for host in one two; do
		ip -n $ns-$host route add default via 198.51.100.1
		ip -n $ns-$host -6 route add default via 2001:db8:2::1
	done
}
web_server() { # HOST
	cat >"$tmp/nginx-$1.conf" <<-CONFIG
		daemon off; pid $tmp/nginx-$1.pid; error_log $tmp/nginx-$1.log; user root;
		events {}
		http { access_log off; server { listen 80; listen [::]:80;
			location / { return 200 "this is server $1\n"; } } }
	CONFIG
	(exec ip netns exec "$ns-$1" nginx -c "$tmp/nginx-$1.conf" >/dev/null 2>&1) &
}

# ---- what is shown ---------------------------------------------------------------------------

counters() {
	ctl --json show drops 2>/dev/null | python3 -c 'import json, sys
d = json.load(sys.stdin); print(d["received"], d["transmitted"], d["dropped"])' 2>/dev/null || echo 0 0 0
}
# try "what" COMMAND…: its last line that says something, and what the appliance counted meanwhile
try() {
	local what=$1 status=ok out before after
	shift
	read -r -a before <<<"$(counters)"
	out=$("$@" 2>&1) || {
		status=FAILED
		failures=$((failures + 1))
	}
	read -r -a after <<<"$(counters)"
	printf '%-34s %-7s %9d %9d %6d  %s\n' "$what" $status $((after[0] - before[0])) \
		$((after[1] - before[1])) $((after[2] - before[2])) \
		"$(grep -v '^$' <<<"$out" | tail -n 1 | cut -c 1-70)"
}
# blocked "what" RULE HOST COMMAND…: it must fail, and the rule that did it must have counted it
rule_hits() {
	ctl --json show firewall 2>/dev/null | python3 -c 'import json, sys
d = json.load(sys.stdin)
print(sum(r["packets"] for r in d["firewall"][0]["rules"] if r["name"] == sys.argv[1]))' "$1" 2>/dev/null || echo 0
}
blocked() {
	local what=$1 rule=$2 host=$3 status=blocked before after
	shift 3
	before=$(rule_hits "$rule")
	if on "$host" "$@" >/dev/null 2>&1; then status=FAILED; fi
	after=$(rule_hits "$rule")
	[ "$after" -gt "$before" ] || status=FAILED
	[ $status = blocked ] || failures=$((failures + 1))
	printf '%-34s %-7s %29s by rule "%s" of firewall "edge" (%d packets)\n' "$what" $status "" "$rule" \
		$((after - before))
}
trace() { on client traceroute "$1" -n -q 1 -w 1 "$2" | awk 'NR > 1 { printf "%s%s", sep, $2; sep = " → " } END { print "" }'; }
fetch() { on client curl -s -m 5 "http://$1/"; }
transfer() {
	on client iperf3 -c "$1" -t 2 --json | python3 -c 'import json, sys
e = json.load(sys.stdin)["end"]; print("%.2f Gbit/s over two seconds" % (e["sum_received"]["bits_per_second"] / 1e9))'
}
# shellcheck disable=SC2016  # awk's own variables
forwarded_by_kernel() {
	on appliance awk '$1 == "Ip:" && n++ { print $i } $1 == "Ip:" {
		for (f = 1; f <= NF; f++) if ($f == "ForwDatagrams") i = f }' /proc/net/snmp
}

network || { failures=1; echo "the namespaces could not be made" >&2; exit 1; }
for host in one two; do
	web_server $host
	(exec ip netns exec "$ns-$host" iperf3 -s >/dev/null 2>&1) &
done
(exec ip netns exec $ns-appliance "$build/visord" --config "$config" 2>"$tmp/visord.log") &
visord_pid=$!
for _ in $(seq 100); do
	ctl show status 2>/dev/null | grep -q . && break
	kill -0 $visord_pid 2>/dev/null || break
	sleep 0.1
done
sleep 1

cat <<'PICTURE'

  client ────── lan [ visord ] wan ──┬── server one   198.51.100.2  2001:db8:2::2
  192.0.2.2                          └── server two   198.51.100.3  203.0.113.3  2001:db8:f::3
  2001:db8:1::2

PICTURE
printf '%-34s %-7s %9s %9s %6s  %s\n' "what, from the client" "" received sent drops "what it says"
try "ping 198.51.100.2" on client ping -n -q -c 3 -i 0.2 -W 1 198.51.100.2
try "ping -6 2001:db8:2::2" on client ping -n -q -c 3 -i 0.2 -W 1 2001:db8:2::2
try "traceroute 203.0.113.3" trace -4 203.0.113.3
try "traceroute -6 2001:db8:f::3" trace -6 2001:db8:f::3
try "curl http://198.51.100.2/" fetch 198.51.100.2
try "curl http://203.0.113.3/" fetch 203.0.113.3
try "curl http://[2001:db8:2::2]/" fetch "[2001:db8:2::2]"
try "curl http://[2001:db8:f::3]/" fetch "[2001:db8:f::3]"
try "iperf3 to server one, IPv4" transfer 198.51.100.2
try "iperf3 to server two, IPv6" transfer 2001:db8:f::3
blocked "telnet 198.51.100.2" no-telnet client curl -s -m 3 telnet://198.51.100.2:23
blocked "curl http://203.0.113.80/" no-intranet client curl -s -m 3 http://203.0.113.80/
blocked "curl http://[2001:db8:f::80]/" no-intranet client curl -gs -m 3 "http://[2001:db8:f::80]/"
blocked "server one: ping 192.0.2.2" default one ping -n -q -c 2 -i 0.2 -W 1 192.0.2.2
echo
ctl show ports || failures=$((failures + 1))
echo
ctl show drops || failures=$((failures + 1))
kernel=$(forwarded_by_kernel)
echo "forwarded by the kernel: ${kernel:-?} packets (its forwarding is off)"
[ "$kernel" = 0 ] || failures=$((failures + 1))
if [ $failures -gt 0 ]; then
	printf '\n%d of these failed; the log of visord:\n' $failures
	tail -n 30 "$tmp/visord.log"
fi
if [ -z "$seconds" ]; then
	cat <<-NEXT

		It stays up until Ctrl-C. In another terminal, as root:
		  $build/visorctl -s $socket show workers       (or routes, neighbours, interfaces, config)
		  $build/visorctl -s $socket show flows         (show firewall, flush flows proto tcp)
		  $build/visorctl -s $socket set add edge intranet 198.51.100.3
		  $build/visorctl -s $socket route get 203.0.113.3
		  ip netns exec $ns-client ping 198.51.100.3
		  ip netns exec $ns-client curl http://203.0.113.3/
		  ip -n $ns-appliance route add 203.0.113.9 via 198.51.100.2     visord follows at once
		  ip netns exec $ns-two tcpdump -n -i eth0
	NEXT
	while kill -0 $visord_pid 2>/dev/null; do sleep 1; done
	echo "visord has ended" >&2
	failures=1
elif [ "$seconds" -gt 0 ]; then
	sleep "$seconds"
fi
