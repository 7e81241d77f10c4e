#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# BIRD beside visord learns routes by BGP from a neighbour, and traffic follows them; when the
# neighbour withdraws them, it stops. Nothing is adapted on either side.
# variants: 1
. "$(dirname "$0")/lib.sh"
command -v bird >/dev/null || skip "bird2 is not installed"
topo_standard
ip_on server address add 203.0.113.1/32 dev lo
ip_on server address add 2001:db8:f::1/128 dev lo nodad
bird_on() { # HOST ROUTER-ID AS PEER4 PEER6 PEER-AS FILTER
	cat >"$tmp/bird-$1.conf" <<-CONFIG
		router id $2;
		log stderr all;
		protocol device { scan time 1; }
		protocol direct { ipv4; ipv6; interface "lo"; }
		protocol kernel { ipv4 { export all; }; }
		protocol kernel { ipv6 { export all; }; }
		protocol bgp four {
			local as $3; neighbor $4 as $6; connect retry time 1; connect delay time 1; error wait time 1,2;
			ipv4 { import all; export $7; next hop self; };
		}
		protocol bgp six {
			local as $3; neighbor $5 as $6; connect retry time 1; connect delay time 1; error wait time 1,2;
			ipv6 { import all; export $7; next hop self; };
		}
	CONFIG
	(exec_on "$1" bird -f -c "$tmp/bird-$1.conf" -s "$tmp/bird-$1.ctl" >"$tmp/bird-$1.log" 2>&1) &
}
bird_on appliance 192.0.2.1 65001 198.51.100.2 2001:db8:2::2 65002 none
appliance_start
refute "no route yet" on client ping -n -q -c 1 -W 1 203.0.113.1
bird_on server 198.51.100.2 65002 198.51.100.1 2001:db8:2::1 65001 all
learnt() {
	[ "$(ctl --json route get 203.0.113.1 | json "d['candidates'][0].get('protocol')")" = bird ] &&
		[ "$(ctl --json route get 2001:db8:f::1 | json "d['candidates'][0].get('protocol')")" = bird ]
}
is_visord && wait_until 30 "visord has the routes" learnt
answers() { on client ping -n -q -c 1 -W 1 203.0.113.1 && on client ping -n -q -c 1 -W 1 2001:db8:f::1; }
wait_until 30 "traffic follows the learnt routes" answers
say "ok: learnt by BGP and used, both families"
birdc -s "$tmp/bird-server.ctl" disable four >/dev/null
birdc -s "$tmp/bird-server.ctl" disable six >/dev/null
silent() { ! on client ping -n -q -c 1 -W 1 203.0.113.1 && ! on client ping -n -q -c 1 -W 1 2001:db8:f::1; }
wait_until 15 "withdrawn" silent
say "ok: withdrawn"
birdc -s "$tmp/bird-server.ctl" enable four >/dev/null
birdc -s "$tmp/bird-server.ctl" enable six >/dev/null
wait_until 30 "traffic comes back" answers
appliance_stop
