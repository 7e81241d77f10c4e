#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A wrong configuration is refused before anything is touched: all mistakes at once as FILE:LINE on
# stderr, exit status 1, for --check and for a start alike; wrong usage is 2; a device that does not
# exist yet is no mistake, and its port comes up when it appears.
. "$(dirname "$0")/lib.sh"
visord_only "its configuration"
topo_standard
# status FILE OPTION: what visord says in $tmp/said
status() {
	local s=0
	timeout 20 ip netns exec "${ns_prefix}appliance" "$BUILD/visord" "$2" "$1" >"$tmp/said" 2>&1 || s=$?
	echo $s
}
config_default >"$tmp/good.cfg"
equal "--check of a good file" "$(status "$tmp/good.cfg" --check)" 0
cat >"$tmp/bad.cfg" <<CONFIG
workers = { count = 2; pol = "busy"; };
ports = (
	{ name = "lan"; device = "lan"; },
	{ name = "lan"; device = "wan"; mode = "fast"; }
);
routes = ( { to = "192.0.2.1/24"; via = "198.51.100.300"; } );
chains = ( { ports = [ "lan", "dmz" ]; functions = [ "ruoter" ]; } );
CONFIG
for option in --check --config; do
	equal "$option of a bad file" "$(status "$tmp/bad.cfg" $option)" 1
	cat "$tmp/said"
	for line in 1 4 6 7; do
		expect "$option names line $line" grep -q "bad.cfg:$line: " "$tmp/said"
	done
	expect "$option: it guesses what was meant" grep -qE 'poll' "$tmp/said"
	expect "$option: it guesses the function" grep -qE 'router' "$tmp/said"
	expect "$option: it lists the modes" grep -qE 'zerocopy' "$tmp/said"
	refute "nothing was attached" xdp_attached lan
done
equal "a file that is not there" "$(status "$tmp/none.cfg" --check)" 1
equal "an unknown option" "$(status "$tmp/good.cfg" --chekc)" 2
printf 'ports = ( { name = "a"; ' >"$tmp/cut.cfg"
equal "a file cut short" "$(status "$tmp/cut.cfg" --check)" 1
expect "with its line" grep -q 'cut.cfg:1: ' "$tmp/said"
printf '@include "good.cfg"\nnonsense = 1;\n' >"$tmp/include.cfg"
equal "a mistake after an include" "$(status "$tmp/include.cfg" --check)" 1
expect "with its own file and line" grep -q 'include.cfg:2: ' "$tmp/said"

say "a second daemon on the same socket is refused and does not disturb the first"
appliance_start
equal "its status" "$(status "$tmp/good.cfg" --config)" 1
cat "$tmp/said"
expect "it says which socket" grep -q "$socket" "$tmp/said"
reach_both "the first"
appliance_stop

say "a device that appears later"
ports+=(later)
appliance_run
wait_until 10 "the control socket answers" ctl --json show ports
wait_until 10 "two ports are up" eval "[ \"\$(show ports \"sum(p['state'] == 'up' for p in d)\")\" = 2 ]"
equal "the state of the third is not up" "$(show ports "d[2]['state'] == 'up'")" false
attach third later 203.0.113 2001:db8:3:
ports=(lan wan later)
wait_until 10 "it comes up" ports_up
expect "and carries traffic" reach client 203.0.113.2
appliance_stop
