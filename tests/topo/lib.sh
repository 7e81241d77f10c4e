# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Network namespaces with visord in the middle: what every script in this folder starts with.
#
#   client ── lan │ appliance │ wan ── server          . "$(dirname "$0")/lib.sh"; topo_standard
#   192.0.2.2       .1     .1   198.51.100.2
#   2001:db8:1::2   ::1   ::1   2001:db8:2::2
#
# Everything lives in namespaces named after this shell's pid and goes away with it, however it
# ends. The hosts leave no checksum to a network card (veth has none). The appliance's kernel has
# forwarding off, and appliance_stop asserts that it forwarded nothing, that every packet is
# accounted for, that the daemon ended well and that nothing stayed attached.
#
# VISOR_TEST_FORWARDER=kernel puts the kernel's own router in visord's place: what then fails is
# wrong in the script, or is a thing that only visord does.
# Variants come from the environment: WORKERS, QUEUES (of each port), SPREAD; see tests/run.
set -eEuo pipefail
export LC_ALL=C

TOPO=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$TOPO/../.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$ROOT/$BUILD ;; esac
TOOLS=$BUILD/tests/tools
WORKERS=${WORKERS:-1}
QUEUES=${QUEUES:-$WORKERS}
SPREAD=${SPREAD:-false}
FORWARDER=${VISOR_TEST_FORWARDER:-visord}
SLOW=1 # a slow appliance has one in SLOW of the packets, and as much time
PYTHON=${PYTHON:-/usr/bin/python3}

ns_prefix=vt$$-
tmp=$(mktemp -d "${TMPDIR:-/tmp}/visor-topo.XXXXXX")
socket=$tmp/visor.sock
visord_pid=
visord_opens=0       # how often it was started: separates the runs in its log
ports=()             # devices of the appliance that are ports, in order
declare -A port_keys # device → further keys of its port, as text
chain_functions='"router"' # of the default configuration's chain
config_more=         # further sections of the default configuration
attached=0
export NS_PREFIX=$ns_prefix PYTHONPATH=$ROOT/tests/tools PYTHONDONTWRITEBYTECODE=1
export VISORCTL=$BUILD/visorctl VISOR_SOCKET=$socket

# ---- telling ---------------------------------------------------------------------------------

say() { printf '%s\n' "# $*"; }
fail() {
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}
skip() {
	printf 'SKIP: %s\n' "$*"
	exit 77
}
# Behaviour that the kernel cannot stand in for.
visord_only() { [ "$FORWARDER" = visord ] || skip "needs visord: $*"; }
is_visord() { [ "$FORWARDER" = visord ]; }

# expect "what" COMMAND…: it succeeds. refute "what" COMMAND…: it fails.
expect() {
	local what=$1 out
	shift
	if out=$("$@" 2>&1); then
		say "ok: $what"
	else
		printf '%s\n' "$out" >&2
		fail "$what ($*)"
	fi
}
refute() {
	local what=$1 out
	shift
	if out=$("$@" 2>&1); then
		printf '%s\n' "$out" >&2
		fail "$what ($* succeeded)"
	else
		say "ok: $what"
	fi
}
# equal "what" GOT WANTED
equal() {
	[ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
	say "ok: $1: $2"
}
# wait_until SECONDS "what" COMMAND…: poll until it succeeds.
wait_until() {
	local end=$(($(date +%s%N) + $1 * 1000000000)) what=$2
	shift 2
	until "$@" >"$tmp/wait_until" 2>&1; do
		[ "$(date +%s%N)" -lt "$end" ] || {
			cat "$tmp/wait_until" >&2
			fail "waited in vain: $what"
		}
		sleep 0.05
	done
}

# ---- the end, whatever it is -----------------------------------------------------------------

topo_end() {
	local status=$? name pid
	trap - EXIT ERR
	set +eE
	if [ $status -ne 0 ] && [ $status -ne 77 ]; then
		if is_visord && visord_running; then
			printf -- '---- visorctl show drops, ports, neighbours\n' >&2
			for name in drops ports neighbours; do
				ctl show $name >&2
			done
			appliance_failed >&2
		fi
		[ ! -s "$tmp/visord.log" ] || {
			printf -- '---- the log of visord (last 60 lines)\n' >&2
			tail -n 60 "$tmp/visord.log" >&2
		}
	fi
	# What runs in the namespaces is ours alone; it goes first, by pid.
	for name in /run/netns/"$ns_prefix"*; do
		[ -e "$name" ] || continue
		name=${name##*/}
		for pid in $(ip netns pids "$name" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null
		done
	done
	for pid in $(jobs -p); do
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	for name in /run/netns/"$ns_prefix"*; do
		[ -e "$name" ] || continue
		name=${name##*/}
		ip netns del "$name"
	done
	umount "$tmp/bpf" 2>/dev/null
	rm -rf "$tmp"
	exit $status
}
trap topo_end EXIT
trap 'exit 130' INT TERM HUP
trap 'printf "FAILED: %s:%s: %s\n" "${BASH_SOURCE[0]##*/}" "$LINENO" "${BASH_COMMAND%%$'\''\n'\''*}" >&2' ERR

[ "$(id -u)" = 0 ] || skip "network namespaces need root"
ip netns add "${ns_prefix}probe" 2>/dev/null || skip "no network namespaces here"
ip netns del "${ns_prefix}probe"
if is_visord && [ ! -x "$BUILD/visord" ]; then skip "$BUILD/visord is not built"; fi

# ---- hosts and links -------------------------------------------------------------------------

# on HOST COMMAND…: run it there.
on() {
	local host=$1
	shift
	ip netns exec "$ns_prefix$host" "$@"
}
# exec_on HOST COMMAND…: the same, in this process's place; for the background.
exec_on() {
	local host=$1
	shift
	exec ip netns exec "$ns_prefix$host" "$@"
}
ip_on() {
	local host=$1
	shift
	ip -n "$ns_prefix$host" "$@"
}

host_make() {
	ip netns add "$ns_prefix$1"
	ip_on "$1" link set lo up
}
host_add() {
	host_make "$1"
	on "$1" sh -c 'cd /proc/sys/net
		echo 0 >ipv4/ip_forward
		echo 0 >ipv6/conf/all/forwarding
		echo 0 >ipv4/icmp_ratelimit
		echo 0 >ipv6/icmp/ratelimit
		for c in all default; do
			echo 0 >ipv4/conf/$c/rp_filter
			echo 0 >ipv6/conf/$c/accept_dad
			echo 0 >ipv6/conf/$c/accept_ra
			echo 0 >ipv6/conf/$c/router_solicitations
		done'
}

# link_add HOST DEVICE PORT: a cable between a host's DEVICE and the appliance's PORT. MAC
# addresses are 02:00:00:00:NN:01 at the appliance and :02 at the host, NN counting the cables.
cable_make() {
	local host=$1 device=$2 port=$3 mac=$4
	ip link add "$device" netns "$ns_prefix$host" address "$mac:02" \
		numrxqueues "$QUEUES" numtxqueues "$QUEUES" type veth \
		peer name "$port" netns "${ns_prefix}appliance" address "$mac:01" \
		numrxqueues "$QUEUES" numtxqueues "$QUEUES"
}
link_add() {
	local host=$1 device=$2 port=$3
	attached=$((attached + 1))
	cable_make "$host" "$device" "$port" "$(printf '02:00:00:00:%02x' $attached)"
	on "$host" ethtool -K "$device" tx off txvlan off tx-vlan-stag-hw-insert off gro "${HOST_GRO:-on}" >/dev/null 2>&1
	ip_on appliance link set "$port" up
	ip_on "$host" link set "$device" up
}

# attach HOST PORT V4 V6: a new host behind PORT: V4.2 and V6:2, with the appliance (V4.1, V6:1)
# as its default router.
attach() {
	local host=$1 port=$2 v4=$3 v6=$4
	host_add "$host"
	link_add "$host" eth0 "$port"
	ip_on appliance address add "$v4.1/24" dev "$port"
	ip_on appliance address add "$v6:1/64" dev "$port" nodad
	ip_on "$host" address add "$v4.2/24" dev eth0
	ip_on "$host" address add "$v6:2/64" dev eth0 nodad
	ip_on "$host" route add default via "$v4.1"
	ip_on "$host" -6 route add default via "$v6:1"
	ports+=("$port")
}

topo_standard() {
	host_add appliance
	attach client lan 192.0.2 2001:db8:1:
	attach server wan 198.51.100 2001:db8:2:
}

# vlan_device HOST CARRIER NAME VID [OUTER]: a stand-in for the kernel's VLAN device NAME on CARRIER,
# on kernels with 8021q as on those without.
vlan_device() {
	local host=$1 carrier=$2 name=$3 vid=$4 outer=${5:-0} mac
	mac=$(on "$host" cat "/sys/class/net/$carrier/address")
	ip_on "$host" link add "$name" address "$mac" type veth peer name "$name.p"
	on "$host" ethtool -K "$name" tx off txvlan off >/dev/null 2>&1
	on "$host" ethtool -K "$name.p" txvlan off tx-vlan-stag-hw-insert off >/dev/null 2>&1
	on "$host" ethtool -K "$carrier" txvlan off rxvlan off tx-vlan-stag-hw-insert off >/dev/null 2>&1
	ip_on "$host" link set "$name" up
	ip_on "$host" link set "$name.p" up
	tc -n "$ns_prefix$host" qdisc add dev "$carrier" clsact 2>/dev/null || true
	tc -n "$ns_prefix$host" qdisc add dev "$name.p" clsact
	vlan_program "$host" "$carrier" pop "$name.p" "$vid" "$outer"
	vlan_program "$host" "$name.p" push "$carrier" "$vid" "$outer"
}
# vlan_program HOST DEVICE SECTION TO VID OUTER
vlan_program() {
	local object=$tmp/vlan-$1-$2-$3-$5-$6.o
	"${CLANG:-clang}" -O2 -g -target bpf -I"/usr/include/$(gcc -print-multiarch)" -DVID="$5" -DOUTER="$6" \
		-DTO="$(on "$1" cat "/sys/class/net/$4/ifindex")" -c -o "$object" "$ROOT/tests/tools/vlan.bpf.c"
	tc -n "$ns_prefix$1" filter add dev "$2" ingress bpf direct-action object-file "$object" section "$3"
}

# Addresses behind wan that the server sees but does not answer: .200 and ::200.
quiet_server() {
	ip_on appliance neigh replace 198.51.100.200 lladdr 02:00:00:00:02:02 dev wan nud permanent
	ip_on appliance neigh replace 2001:db8:2::200 lladdr 02:00:00:00:02:02 dev wan nud permanent
}

# ---- the appliance ---------------------------------------------------------------------------

config_default() {
	local port names='' groups=''
	for port in "${ports[@]}"; do
		groups+="${groups:+, }{ name = \"$port\"; device = \"$port\"; spread = $SPREAD; ${port_keys[$port]:-} }"
		names+="${names:+, }\"$port\""
	done
	cat <<-CONFIG
		workers = { count = $WORKERS; };
		ports = ( $groups );
		chains = ( { ports = [ $names ]; functions = [ $chain_functions ]; } );
		control = { socket = "$socket"; };
		$config_more
	CONFIG
}

ctl() { timeout 30 "$BUILD/visorctl" -s "$socket" "$@"; }
# json EXPRESSION: of the document on stdin, as `d`, in Python.
json() { "$PYTHON" -c 'import json,sys; d = json.load(sys.stdin); r = eval(sys.argv[1])
print(json.dumps(r) if isinstance(r, (dict, list, bool)) or r is None else r)' "$1"; }
# show WHAT EXPRESSION: `visorctl --json show WHAT`, as `d`.
show() { ctl --json show "$1" >"$tmp/show.json" && json "$2" <"$tmp/show.json"; }
drops() { show drops "sum(r['count'] for r in d['drops'] if r['reason'].split('/')[-1] == '$1')"; }
# expect_drops REASON [AT LEAST]
expect_drops() {
	local n
	is_visord || return 0
	n=$(drops "$1")
	[ "$n" -ge "${2:-1}" ] || fail "drops under '$1': $n, expected at least ${2:-1}"
	say "ok: $n dropped as $1"
}
visord_running() { [ -n "$visord_pid" ] && kill -0 "$visord_pid" 2>/dev/null; }
ports_up() { [ "$(show ports "all(p['state'] == 'up' for p in d) and len(d) > 0")" = true ]; }
port_state() { show ports "[p['state'] for p in d if p['name'] == '$1'][0]"; }
log_has() { grep -qE "$1" "$tmp/visord.log"; }

# appliance_run [CONFIG]: start it with CONFIG (default: config_default), do not wait for it.
appliance_run() {
	if [ $# -gt 0 ]; then printf '%s\n' "$1"; else config_default; fi >"$tmp/visor.cfg"
	[ "$(on appliance sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding | tr -d '\n')" = 00 ] ||
		[ -n "${KERNEL_MAY_FORWARD:-}" ] || fail "the appliance's kernel has forwarding on"
	visord_opens=$((visord_opens + 1))
	echo "---- start $visord_opens" >>"$tmp/visord.log"
	(exec_on appliance ${VISORD_WRAPPER:-} "$BUILD/visord" --config "$tmp/visor.cfg" \
		>>"$tmp/visord.log" 2>&1) &
	visord_pid=$!
}

appliance_ready() {
	visord_running || fail "visord ended at once"
	ports_up
}

appliance_start() {
	if ! is_visord; then
		on appliance sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		return 0
	fi
	appliance_run "$@"
	wait_until 20 "every port of visord is up" appliance_ready
	appliance_started
}
# What another kind of appliance looks at besides.
appliance_started() { :; }
appliance_stopping() { :; }
appliance_failed() { :; }

appliance_reload() {
	is_visord || return 0
	if [ $# -gt 0 ]; then printf '%s\n' "$1"; else config_default; fi >"$tmp/visor.cfg"
	ctl reload
}

# No packet is on its way: two looks at the counters agree.
settled() {
	local a b
	a=$(show drops "[d['received'], d['transmitted'], d['dropped'], d['waiting']]")
	sleep 0.1
	b=$(show drops "[d['received'], d['transmitted'], d['dropped'], d['waiting']]")
	[ "$a" = "$b" ]
}
assert_balanced() {
	wait_until 10 "the counters come to rest" settled
	equal "received + originated = transmitted + drops + waiting" "$(show drops \
		"d['received'] + d['originated'] - d['transmitted'] - sum(r['count'] for r in d['drops']) - d['waiting']")" 0
	equal "visord agrees" "$(show drops "d['balanced']")" true
}
assert_kernel_forwarded_nothing() {
	local v4 v6
	v4=$(on appliance awk '$1 == "Ip:" && n++ { print $i } $1 == "Ip:" {
		for (f = 1; f <= NF; f++) if ($f == "ForwDatagrams") i = f }' /proc/net/snmp)
	v6=$(on appliance awk '$1 == "Ip6OutForwDatagrams" { print $2 }' /proc/net/snmp6)
	equal "the appliance's kernel forwarded nothing" "$v4 $v6" "0 0"
}
xdp_attached() { ip_on appliance -d link show dev "$1" 2>/dev/null | grep -qE 'xdp(generic|drv|multi)?[ /]|prog/xdp'; }

# wait_exit PID SECONDS: its status in $wait_status; killed and 255 when it does not end.
wait_exit() {
	local i
	for ((i = 0; i < $2 * 20; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.05
	done
	wait_status=0
	if kill -0 "$1" 2>/dev/null; then
		kill -KILL "$1"
		wait "$1" 2>/dev/null || true
		wait_status=255
	else
		wait "$1" || wait_status=$?
	fi
}

appliance_stop() {
	local port stays
	is_visord || return 0
	visord_running || fail "visord is not running any more"
	assert_balanced
	appliance_stopping
	stays=$(show ports "' '.join(p['device'] for p in d if p['fallback'] == 'drop')")
	kill -TERM "$visord_pid"
	wait_exit "$visord_pid" 20
	visord_pid=
	equal "visord's exit status" "$wait_status" 0
	[ -n "${KERNEL_MAY_FORWARD:-}" ] || assert_kernel_forwarded_nothing
	for port in "${ports[@]}"; do
		case " $stays " in
		*" $port "*) expect "the program stays attached to $port, to drop" xdp_attached "$port" ;;
		*) refute "nothing stays attached to $port" xdp_attached "$port" ;;
		esac
	done
	refute "the control socket is gone" on appliance test -e "$socket"
	refute "no frame was lost" log_has 'frames came back'
	[ -z "${qemu_pid:-}" ] || guest_sound
	refute "no sanitizer has complained" grep -E 'ERROR: (Address|Leak|Thread)Sanitizer|runtime error:|WARNING: ThreadSanitizer' \
		"$tmp/visord.log"
}
appliance_kill() {
	kill -KILL "$visord_pid"
	wait "$visord_pid" 2>/dev/null || true
	visord_pid=
}

# ---- what was seen on the wire ---------------------------------------------------------------

# capture HOST FILE [FILTER]: what arrives on its eth0, in the background; its pid in $capture_pid.
capture() {
	(exec_on "$1" tcpdump -i eth0 -Q in -n -U --immediate-mode -Z root -s 200 -w "$2" "${3:-}" 2>"$2.log") &
	capture_pid=$!
	wait_until 10 "the capture on $1 runs" grep -q 'listening on' "$2.log"
}
# capture_end PID: what has arrived by now is in its file.
capture_end() {
	sleep 0.2
	kill -INT "$1"
	wait "$1" || true
}
# captured FILE FILTER: how many packets of it match.
captured() { tcpdump -r "$1" -n "$2" 2>/dev/null | wc -l; }
# never_captured "what" FILE FILTER
never_captured() {
	[ "$(captured "$2" "$3")" = 0 ] || {
		tcpdump -r "$2" -n -c 10 "$3" >&2 2>/dev/null
		fail "$1: seen"
	}
	say "ok: $1: never seen"
}

# ---- flows -----------------------------------------------------------------------------------

# flows FILTER…: how many there are.
flows() { ctl --json show flows "$@" | json "d['total']"; }
flow_counter() { ctl --json show flows summary | json "d['counters']['$1']"; }

# ---- traffic ---------------------------------------------------------------------------------

# reach FROM ADDRESS [ping options]
reach() {
	local from=$1 to=$2
	shift 2
	on "$from" ping -n -q -c 3 -i 0.1 -W 2 "$@" "$to"
}
# serve HOST PORT…: an HTTP server on each, of both families, in the background.
serve() {
	local host=$1 port
	shift
	for port; do
		(exec_on "$host" "$PYTHON" -m http.server --bind :: --directory "$TOPO" "$port" >/dev/null 2>&1) &
		disown # ended with its namespace
		wait_until 10 "$host serves on port $port" on "$host" sh -c "ss -Hltn | grep -q ':$port '"
	done
}
# fetch HOST ADDRESS PORT: from such a server, within PATIENCE seconds (2).
fetch() {
	local to=$2
	case $to in *:*) to="[$to]" ;; esac
	on "$1" curl -gsf -m "${PATIENCE:-2}" -o /dev/null "http://$to:$3/lib.sh"
}
reach_both() {
	expect "$1: ping 198.51.100.2" reach client 198.51.100.2
	expect "$1: ping 2001:db8:2::2" reach client 2001:db8:2::2
}
# tagged_receive HOST DEVICE OUTPUT ARGUMENTS…: in the background; its pid in $receiver_pid.
tagged_receive() {
	local host=$1 device=$2 out=$3
	shift 3
	rm -f "$out.ready"
	(exec_on "$host" "$TOOLS/tagged" receive --device "$device" --ready "$out.ready" "$@" >"$out") &
	receiver_pid=$!
	wait_until 10 "the receiver on $host listens" test -e "$out.ready"
}

# With VISOR_TEST_APPLIANCE=guest, the appliance is a virtual machine.
[ "${VISOR_TEST_APPLIANCE:-}" != guest ] || . "$ROOT/tests/vm/guest/lib.sh"
