#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ports with more queues than there are workers, with fewer, and of different numbers: every queue
# has its socket and its worker, and traffic passes by all of them.
. "$(dirname "$0")/lib.sh"
visord_only "its queues"
HOST_GRO=off
host_add appliance
QUEUES=4
attach client lan 192.0.2 2001:db8:1:
QUEUES=1
attach server wan 198.51.100 2001:db8:2:
quiet_server
run() {
	tagged_receive server eth0 "$tmp/received" --count 40000 --flows 64 --idle 3000 --run "$1"
	on client "$TOOLS/tagged" send --device eth0 --to-mac 02:00:00:00:01:01 --from 192.0.2.100 --to 198.51.100.200 \
		--count 40000 --flows 64 --rate 10000 --threads 2 --run "$1" >/dev/null
	wait "$receiver_pid" || fail "not all came in order: $(cat "$tmp/received")"
	cat "$tmp/received"
}
for WORKERS in 1 2; do
	say "---- $WORKERS worker(s), four queues and one"
	appliance_start
	equal "queues of lan" "$(show ports "len(d[0]['queues'])")" 4
	equal "queues of wan" "$(show ports "len(d[1]['queues'])")" 1
	equal "workers in use" "$(show ports "len(set(q['worker'] for p in d for q in p['queues']))")" "$WORKERS"
	run "$WORKERS"
	[ "$(show ports "sum(1 for q in d[0]['queues'] if q['rx_packets'])")" -ge 2 ] || fail "one queue had all packets"
	reach_both "and back"
	appliance_stop
done
WORKERS=2
port_keys[lan]='queues = 2;'
appliance_start
equal "queues of lan as configured" "$(show ports "len(d[0]['queues'])")" 2
appliance_stop
port_keys[lan]='queues = 9;'
appliance_run
sleep 1
expect "more queues than there are are refused, or said" log_has 'queue'
kill -TERM "$visord_pid" 2>/dev/null || true
wait_exit "$visord_pid" 20
visord_pid=
