#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An idle appliance sleeps, in the adaptive mode and in the interrupt mode, and wakes for a packet;
# busy mode never sleeps.
# variants: 1 2
. "$(dirname "$0")/lib.sh"
visord_only "poll modes"
topo_standard
for poll in adaptive interrupt busy; do
	appliance_start "$(config_default | sed "s/workers = {/workers = { poll = \"$poll\";/")"
	reach_both "$poll"
	sleep 1
	before=$(awk '{ print $14 + $15 }' "/proc/$visord_pid/stat")
	rounds=$(show workers "sum(w['rounds'] for w in d['workers'])")
	sleep 3
	ticks=$(($(awk '{ print $14 + $15 }' "/proc/$visord_pid/stat") - before))
	rounds=$(($(show workers "sum(w['rounds'] for w in d['workers'])") - rounds))
	sleeps=$(show workers "sum(w['sleeps'] for w in d['workers'])")
	say "$poll: $ticks ticks of 10 ms and $rounds rounds in 3 s, $sleeps sleeps since the start"
	if [ $poll = busy ]; then
		equal "busy: sleeps" "$sleeps" 0
	else
		[ "$rounds" -lt 20000 ] || fail "$poll: $rounds rounds in 3 s of nothing"
		[ "$sleeps" -gt 0 ] || fail "$poll: never slept"
		say "ok: $poll: sleeps"
	fi
	reach_both "$poll, after the idle time"
	appliance_stop
done
