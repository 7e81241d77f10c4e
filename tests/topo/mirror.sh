#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What visord followed by events equals what a visord finds that is started afterwards: hundreds of
# random changes of links, addresses, neighbours, routes and next-hop objects, both families; and
# again through a netlink buffer that is too small, so that events are lost.
# variants: 1
# quick
. "$(dirname "$0")/lib.sh"
visord_only "the kernel is its own mirror"
topo_standard
link_add client eth9 spare # a port for the second visord
ip_on appliance link set spare up
ip link add v1 netns "${ns_prefix}appliance" type veth peer name v1p netns "${ns_prefix}client"
ip link add v2 netns "${ns_prefix}appliance" type veth peer name v2p netns "${ns_prefix}client"
for d in v1 v2; do
	ip_on client link set ${d}p up
	ip_on appliance link set $d up
done
config_more='routing = { receive_buffer = 65536; };'
appliance_start

# changes SEED N: so many lines of arguments for ip.
changes() {
	"$PYTHON" - "$1" "$2" <<'PY'
import random, sys
r = random.Random(int(sys.argv[1]))
devices = ["wan", "lan", "v1", "v2"]
via4 = ["198.51.100.2", "198.51.100.3", "192.0.2.2", "192.0.2.9"]
via6 = ["2001:db8:2::2", "2001:db8:2::3", "2001:db8:1::2"]
def prefix(six):
    if six:
        return "2001:db8:%x::/%d" % (0x1000 + r.randrange(40), r.choice([48, 56, 64]))
    return "10.%d.0.0/%d" % (r.randrange(40), r.choice([16, 20, 24]))
def target(six):
    via = via6 if six else via4
    kind = r.randrange(8)
    if kind == 0: return r.choice(["blackhole", "unreachable", "prohibit", "throw"]), ""
    if kind == 1: return "", "dev " + r.choice(devices)
    if kind in (2, 3):
        return "", " ".join("nexthop via %s weight %d" % (v, r.randrange(1, 5)) for v in r.sample(via, 2))
    if kind == 4 and not six: return "", "via inet6 2001:db8:2::%d dev wan" % r.randrange(2, 5)
    if kind == 5: return "", "nhid %d" % (r.randrange(1, 5) + (10 if six else 0))
    return "", "via " + r.choice(via)
for _ in range(int(sys.argv[2])):
    six = r.random() < 0.5
    what = r.randrange(20)
    if what < 11:
        verb = r.choice(["add", "add", "replace", "append", "del", "del"])
        kind, where = target(six)
        if verb == "del" and r.random() < 0.6: kind, where = "", ""
        metric = r.choice(["", "", "metric 20", "metric 300"])
        table = r.choice(["", "", "", "table 77"])
        print("route %s %s %s %s %s %s" % (verb, kind, prefix(six), metric, table, where))
    elif what < 13:
        i = r.randrange(1, 5)
        base = 10 if six else 0
        if r.random() < 0.3: print("nexthop del id %d" % (base + i))
        elif i == 4: print("nexthop replace id %d group %d/%d,3" % (base + 4, base + 1, base + 2))
        else: print("nexthop replace id %d via %s dev %s" % (base + i, r.choice(via6 if six else via4),
                                                              r.choice(["wan", "lan"])))
    elif what < 15:
        d = r.choice(["v1", "v2"])
        a = "2001:db8:7:%d::1/64 nodad" % r.randrange(4) if six else "172.16.%d.1/24" % r.randrange(4)
        print("address %s %s dev %s" % (r.choice(["add", "del"]), a, d))
    elif what < 17:
        d = r.choice(["wan", "lan", "v1"])
        a = "2001:db8:2::%x" % r.randrange(50, 60) if six else "198.51.100.%d" % r.randrange(50, 60)
        print("neigh %s %s %s dev %s" % (("replace", a, "lladdr 02:00:00:00:77:%02x nud permanent" % r.randrange(9), d)
              if r.random() < 0.7 else ("del", a, "", d)))
    else:
        print("link set %s %s" % (r.choice(["v1", "v2"]), r.choice(["up", "down", "up", "mtu 1400", "mtu 1500"])))
PY
}

# state SOCKET: what a visord believes, without what depends on when it was asked.
state() {
	timeout 30 "$BUILD/visorctl" -s "$1" --json show routes --all >"$tmp/routes.json"
	timeout 30 "$BUILD/visorctl" -s "$1" --json show neighbours >"$tmp/neighbours.json"
	"$PYTHON" - "$tmp/routes.json" "$tmp/neighbours.json" <<'PY'
import json, sys
lines = []
for r in json.load(open(sys.argv[1]))["routes"]:
    for key in ("interface", "selected", "flags"):
        r.pop(key, None)
    for hop in r.get("nexthops", []):
        hop.pop("interface", None)
        hop.pop("flags", None)
    r["nexthops"] = sorted(json.dumps(h, sort_keys=True) for h in r.get("nexthops", []))
    lines.append(json.dumps(r, sort_keys=True))
for n in json.load(open(sys.argv[2]))["neighbours"]:
    if n.get("mac", "").startswith("02:00:00:00:77"):
        lines.append("neighbour %s %s %s" % (n["dst"], n["dev"], n["mac"]))
print("\n".join(sorted(lines)))
PY
}

# second: the state of a visord that starts now.
second() {
	local pid
	cat >"$tmp/second.cfg" <<-CONFIG
		ports = ( { name = "spare"; device = "spare"; } );
		chains = ( { ports = [ "spare" ]; functions = [ "router" ]; } );
		control = { socket = "$tmp/second.sock"; };
		routing = { tables = [ "main", "77" ]; };
	CONFIG
	(exec_on appliance "$BUILD/visord" --config "$tmp/second.cfg" >>"$tmp/second.log" 2>&1) &
	pid=$!
	wait_until 10 "the second visord answers" timeout 5 "$BUILD/visorctl" -s "$tmp/second.sock" show status
	state "$tmp/second.sock" >"$tmp/fresh"
	kill -TERM $pid
	wait_exit $pid 10
	equal "the second visord's exit status" "$wait_status" 0
}

config_more='routing = { tables = [ "main", "77" ]; receive_buffer = 65536; };'
expect "two tables after a reload" appliance_reload
same() {
	state "$socket" >"$tmp/followed"
	diff "$tmp/followed" "$tmp/fresh"
}
for seed in 1 2 3 4 5 6; do
	changes $seed 250 >"$tmp/batch"
	# a line each, since a batch ends at the first that makes no sense
	# shellcheck disable=SC2016
	on appliance bash -c 'while read -r line; do ip $line; done' <"$tmp/batch" >/dev/null 2>&1 || true
	second
	say "seed $seed: $(wc -l <"$tmp/fresh") routes and neighbours"
	[ "$(wc -l <"$tmp/fresh")" -gt 60 ] || fail "hardly any route was made"
	wait_until 5 "seed $seed: followed and found are the same" same
done

say "events are lost"
"$PYTHON" -c 'for i in range(30000): print("route replace 10.%d.%d.0/24 via 198.51.100.2 metric 7" % (100 + i // 250, i % 250))' >"$tmp/flood"
kill -STOP "$visord_pid"
ip_on appliance -force -batch "$tmp/flood" >/dev/null 2>&1 || true
kill -CONT "$visord_pid"
second
wait_until 10 "after lost events: followed and found are the same" same
[ "$(show status "d['netlink']['resyncs']['overrun'] > 0")" = true ] || fail "no event was lost: the test tests nothing"
reach_both "after it all"
appliance_stop
