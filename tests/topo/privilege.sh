#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What visord may still do once it runs: the capabilities and the filter of each of its threads, the
# modes of its files; and that this is enough for all it does later: reload, a new port, a file of a
# set, a device that goes and comes, an XDP program that was taken off, the end.
# variants: 1 2
# quick
. "$(dirname "$0")/lib.sh"
visord_only "privileges"

# As src/privilege.h has them, by <linux/capability.h>.
NET_ADMIN=12 NET_RAW=13 IPC_LOCK=14 SYS_ADMIN=21 PERFMON=38 BPF=39
kept=$((1 << NET_ADMIN | 1 << NET_RAW | 1 << SYS_ADMIN | 1 << PERFMON | 1 << BPF))
held=$(printf '%d' "0x$(awk '/^CapPrm/ { print $2 }' /proc/self/status)")
sanitized=
! grep -qaE '__(asan|tsan|ubsan)_' "$BUILD/visord" || sanitized=1

status_of() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$visord_pid/task/$1/status"; }
caps_of() { printf '%016x' "$((16#$(status_of "$1" "$2")))"; }
# assert_confined WHEN: every thread, the control thread first.
assert_confined() {
	local task wanted set what threads=0 lock=0
	grep -q '^Max locked memory  *unlimited' "/proc/$visord_pid/limits" || lock=$((1 << IPC_LOCK))
	for task in "/proc/$visord_pid/task"/*; do
		what="$1: $(cat "$task/comm")"
		task=${task##*/}
		wanted=$(printf '%016x' 0)
		[ "$task" != "$visord_pid" ] || wanted=$(printf '%016x' $(((kept | lock) & held)))
		for set in CapPrm CapEff; do equal "$what: $set" "$(caps_of "$task" $set)" "$wanted"; done
		for set in CapInh CapBnd CapAmb; do
			equal "$what: $set" "$(caps_of "$task" $set)" 0000000000000000
		done
		equal "$what: no new privileges" "$(status_of "$task" NoNewPrivs)" 1
		[ -n "$sanitized" ] || equal "$what: system calls are filtered" "$(status_of "$task" Seccomp)" 2
		threads=$((threads + 1))
	done
	[ $threads -gt "$WORKERS" ] || fail "$1: $threads threads were looked at"
}
assert_modes() {
	equal "the control socket" "$(stat -c '%a %U %F' "$socket")" "660 root socket"
	equal "its lock" "$(stat -c '%a %U %F' "$socket.lock")" "600 root regular empty file"
	local group=root
	! getent group visor >/dev/null || group=visor
	equal "the group of the control socket" "$(stat -c %G "$socket")" $group
}

topo_standard
ports=(lan)
echo 192.0.2.0/24 >"$tmp/admins"
chain_functions='"firewall:edge", "router"'
config_more='firewall = ( { name = "edge"; default = "drop";
	sets = ( { name = "admins"; file = "'$tmp'/admins"; } );
	rules = ( { name = "admins"; from = "@admins"; action = "accept"; } ); } );'
appliance_start
assert_confined "at start"
assert_modes
equal "status: confined" "$(show status "d['privileges']['confined']")" true
equal "status: capabilities" "$(show status "' '.join(sorted(d['privileges']['capabilities'].split()))" |
	sed 's/ipc_lock //')" "bpf net_admin net_raw perfmon sys_admin"
[ -n "$sanitized" ] || equal "status: system calls" "$(show status "d['privileges']['system_calls']")" filtered
expect "the log says what is held" log_has 'info: privileges: .*net_admin.*workers: none'

say "a port that is added"
ports=(lan wan)
expect "reload with one port more" appliance_reload
wait_until 10 "the new port is up" ports_up
reach_ping() { on client ping -n -q -c 1 -W 1 198.51.100.2; }
wait_until 10 "it forwards" reach_ping

say "a file of addresses is read again"
echo 203.0.113.0/24 >"$tmp/admins"
expect "reload" ctl reload
refute "who is in it no longer is dropped" reach_ping
echo 192.0.2.0/24 >"$tmp/admins"
kill -HUP "$visord_pid"
wait_until 10 "who is in it again passes" reach_ping
reload_refused() { ! appliance_reload "ports = ( oops"; }
expect "a configuration with mistakes is refused" reload_refused
expect "and the good one taken" appliance_reload

say "a device goes and comes"
state_is() { [ "$(port_state "$1")" = "$2" ]; }
ip_on appliance link del wan
wait_until 5 "the port is absent" state_is wan absent
link_again() {
	cable_make server eth0 wan 02:00:00:00:02
	on server ethtool -K eth0 tx off >/dev/null 2>&1
	ip_on appliance address add 198.51.100.1/24 dev wan
	ip_on appliance link set wan up
	ip_on server address add 198.51.100.2/24 dev eth0
	ip_on server link set eth0 up
	ip_on server route add default via 198.51.100.1
}
link_again
wait_until 10 "the port is up again" state_is wan up
wait_until 10 "it forwards again" reach_ping
ip_on appliance link set dev wan xdp off
wait_until 10 "the program is on again" log_has 'XDP program was taken off'
wait_until 10 "it forwards again" reach_ping
for what in ports routes flows workers config functions; do
	expect "show $what" ctl show $what
done
assert_confined "after all that"
refute "nothing was refused" log_has 'not permitted'
appliance_stop
refute "the control socket is gone" test -e "$socket"

VISORD_WRAPPER="$tmp/wrapper"
wrapper() {
	printf '#!/bin/sh\n%s\n' "$1" >"$tmp/wrapper"
	chmod +x "$tmp/wrapper"
}
say "with a bpffs, where libxdp has its dispatchers, links and pins"
# shellcheck disable=SC2016  # the wrapper's own arguments
wrapper 'mount -t bpf bpf /sys/fs/bpf && exec "$@"'
appliance_start
say "attached as $(show ports "d[0]['xdp']") (plain where this kernel takes no dispatcher)"
wait_until 10 "it forwards" reach_ping
ip_on appliance link del wan
wait_until 5 "the port is absent" state_is wan absent
link_again
wait_until 10 "the port is up again" state_is wan up
wait_until 10 "it forwards again" reach_ping
refute "nothing was refused" log_has 'not permitted'
appliance_stop

say "with no more than the systemd unit gives"
unit_caps=$(sed -n 's/^CapabilityBoundingSet=//p' "$ROOT/config/visord.service" | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
[ "$(ulimit -H -l)" = unlimited ] || unit_caps+=,+ipc_lock # the unit lifts the limit instead
wrapper "exec setpriv --bounding-set=-all,$unit_caps --inh-caps=-all --no-new-privs \"\$@\""
appliance_start
wait_until 10 "it forwards" reach_ping
assert_confined "in the unit"
assert_modes
expect "reload" appliance_reload
refute "nothing was refused" log_has 'not permitted'
appliance_stop

say "without the sandbox"
# shellcheck disable=SC2016
wrapper 'exec "$@" --no-sandbox'
appliance_start
equal "status: confined" "$(show status "d['privileges']['confined']")" false
equal "no filter" "$(status_of "$visord_pid" Seccomp)" "$(awk '/^Seccomp:/ { print $2 }' /proc/self/status)"
expect "the log warns" log_has 'warning: privileges: all are kept'
appliance_stop
