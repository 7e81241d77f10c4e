#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Reload under traffic: what changes live does, nothing is lost on ports that stay, and a mistake
# leaves all as it was.
# variants: 1 2
# vm: 2
# limit: 120
. "$(dirname "$0")/lib.sh"
visord_only "reload"
topo_standard
host_add third
link_add third eth0 dmz
ip_on appliance address add 203.0.113.1/24 dev dmz
ip_on third address add 203.0.113.2/24 dev eth0
ip_on third route add default via 203.0.113.1
appliance_start
reach_both "at first"
pid=$visord_pid
dmz_up() { [ "$(port_state dmz)" = up ]; }
refusals() { [ "$(show status "d['reloads_refused']")" -ge "$1" ]; }

tagged_receive server eth0 "$tmp/received" --count $((200000 / SLOW)) --flows 16 --limit 60000 --idle 3000
(exec_on client "$TOOLS/tagged" send --device eth0 --to-mac 02:00:00:00:01:01 --from 192.0.2.2 \
	--to 198.51.100.2 --count $((200000 / SLOW)) --flows 16 --rate $((20000 / SLOW)) >"$tmp/sent") &
sender_pid=$!
for round in 1 2 3 4 5; do
	ports=(lan wan dmz)
	expect "round $round: a port is added" appliance_reload
	wait_until 10 "the new port is up" dmz_up
	expect "round $round: traffic to the new port" reach client 203.0.113.2 -c 1
	config_more="routes = ( { to = \"10.9.0.0/16\"; via = \"203.0.113.2\"; }, { to = \"10.10.0.0/16\"; type = \"blackhole\"; } );"
	expect "round $round: static routes" appliance_reload
	equal "the static route's device" "$(ctl --json route get 10.9.1.1 | json "d['candidates'][0]['dev']")" dmz
	config_more=
	ports=(lan wan)
	expect "round $round: port and routes are removed" appliance_reload
	equal "ports" "$(show ports "len(d)")" 2
	refute "the static route is gone" sh -c "'$BUILD/visorctl' -s '$socket' --json route get 10.9.1.1 | grep -q dmz"
	sed 's/poll = "[a-z]*";//; s/workers = {/workers = { poll = "busy"; burst = 32;/' "$tmp/visor.cfg" >"$tmp/busy"
	cp "$tmp/busy" "$tmp/visor.cfg"
	expect "round $round: poll mode" ctl reload
	equal "poll mode" "$(show workers "d['workers'][0]['poll']")" busy
done
expect "back to the default" appliance_reload

say "mistakes"
running=$(ctl --json show config)
for mistake in 'ports = ( { name = "lan"; device = "lan"; } );' 'nonsense' \
	"workers = { count = $((WORKERS + 1)); }; $(config_default | sed 1d)" \
	"$(config_default | sed 's/name = "wan"/nam = "wan"/')"; do
	refute "refused: ${mistake:0:40}" appliance_reload "$mistake"
done
kill -HUP "$visord_pid"
wait_until 5 "SIGHUP is refused as well" refusals 5
equal "the running configuration" "$(ctl --json show config)" "$running"
rm "$tmp/visor.cfg"
refute "a file that is gone" ctl reload
expect "the good one again" appliance_reload

wait $sender_pid
wait $receiver_pid || fail "lost over the reloads: $(cat "$tmp/received")"
say "ok: nothing lost over all reloads: $(cat "$tmp/received")"
equal "the same process" "$visord_pid" "$pid"
appliance_stop
refute "no frame was lost" log_has 'frames came back'
