#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `show flows` finds what its filters say, and `flush flows` ends exactly that, at once: the next
# packet is a first one again, and the memory comes back soon.
# variants: 1 2
# quick
. "$(dirname "$0")/lib.sh"
visord_only "flows"
topo_standard
chain_functions='"firewall:edge", "router"'
rules='{ name = "web"; in = "lan"; proto = "tcp"; dport = 8000; action = "accept"; },
	{ name = "talk"; in = "lan"; proto = "udp"; action = "accept"; },
	{ name = "ping"; proto = [ "icmp", "icmpv6" ]; action = "accept"; }'
firewall() {
	config_more="flows = { loose = $1; };
		firewall = ( { name = \"edge\"; rules = ( $2 ); } );"
}
firewall false "$rules"
appliance_start

# Conversations that go on until they are told to end: a line in, a line out, on the client.
cat >"$tmp/talk.py" <<'PY'
from wire import *
import select
taps = {}
def pair(kind, family, sport, dport):
    here, there = (C4, S4) if family == socket.AF_INET else (C6, S6)
    s = socket_on("server", family, kind)
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((there, dport))
    c = socket_on("client", family, kind)
    c.settimeout(5)
    c.bind((here, sport))
    if kind == socket.SOCK_STREAM:
        s.listen(1)
        c.connect((there, dport))
        s = s.accept()[0]
    else:
        c.connect((there, dport))
        c.send(b"x")
        s.connect(s.recvfrom(1)[1])
    return c, s
def says(a, b, timeout=1.0):
    """Does what a says reach b?"""
    try:
        a.send(b"y")
    except OSError:
        return False
    ready = select.select([b], [], [], timeout)[0]
    return bool(ready) and b.recv(10)[-1:] == b"y"
talks = {
    "tcp4": pair(socket.SOCK_STREAM, socket.AF_INET, 2001, 8000),
    "tcp6": pair(socket.SOCK_STREAM, socket.AF_INET6, 2002, 8000),
    "udp4": pair(socket.SOCK_DGRAM, socket.AF_INET, 2003, 9000),
    "udp6": pair(socket.SOCK_DGRAM, socket.AF_INET6, 2004, 9000),
}
def both(name):
    c, s = talks[name]
    return says(c, s) and says(s, c)
def ctl(*words):
    return visorctl(*words)
def total(*words):
    return ctl("show", "flows", *words)["total"]
def expect(what, got, wanted):
    if got != wanted:
        fail("%s: %r instead of %r" % (what, got, wanted))
    ok("%s: %r" % (what, got))

for name in talks:
    expect(name + " talks", both(name), True)
expect("all flows", total(), 4)
expect("states", ctl("show", "flows")["states"], {"established": 2, "replied": 2})
expect("by port", total("dport", "8000"), 2)
expect("by rule", total("rule", "firewall:edge/talk"), 2)
expect("by family", len(visorctl("show", "flows", "-6")["flows"]), 2)
expect("by net and state", total("from", "192.0.2.0/24", "state", "established"), 1)
row = flows("sport", "2001")[0]
expect("who", (row["key"], row["out"], row["in"], row["rule"], row["protocol"]),
       ({"source": C4, "sport": 2001, "destination": S4, "dport": 8000},) * 2 +
       ("lan", "firewall:edge/web", "tcp"))
expect("where to", row["out_interface"], "wan")
expect("by packets, the most first", [f["key"]["sport"] for f in flows("proto", "tcp", "sort", "packets")][:1] in ([2001], [2002]), True)

expect("flush one of TCP", ctl("flush", "flows", "src", C4, "dport", "8000"), {"flushed": 1})
expect("it is not shown any more", total("sport", "2001"), 0)
expect("TCP in mid-stream is invalid", both("tcp4"), False)
expect("TCP of the other family goes on", both("tcp6"), True)
expect("flush all UDP", ctl("flush", "flows", "proto", "udp"), {"flushed": 2})
expect("a reply opens no flow", says(talks["udp4"][1], talks["udp4"][0], 0.3), False)
expect("a request does", both("udp4") and both("udp6"), True)
expect("new ones", all(f["age_s"] < 2 for f in flows("proto", "udp")), True)
expect("counted", ctl("show", "flows", "summary")["counters"]["flushed"], 3)
before = ctl("show", "flows", "summary")["ipv4"]["used"]
expect("flush everything", ctl("flush", "flows", "all")["flushed"], 3)
expect("nothing is left", total(), 0)
print("# wait", flush=True)
wait_until("the memory of all comes back", lambda:
           sum(ctl("show", "flows", "summary")[f]["used"] for f in ("ipv4", "ipv6")) == 0, 25)
PY
expect "the tables of filters" "$PYTHON" "$tmp/talk.py"

# What may be picked up in mid-stream goes on where the rules still let it in.
firewall true "$rules"
expect "reload: TCP may be picked up in mid-stream" appliance_reload
sed -n '1,/^def both/p' "$tmp/talk.py" | sed '$d; s/, 200/, 201/' >"$tmp/again.py"
cat >>"$tmp/again.py" <<'PY'
import sys
c, s = talks["tcp4"]
assert says(c, s) and says(s, c)
visorctl("flush", "flows", "all")
if not (says(c, s) and says(s, c)):
    fail("the connection was not picked up")
flow = flows("sport", "2011")[0]
if "loose" not in flow["flags"] or flow["rule"] != "firewall:edge/web":
    fail("the flow that was picked up: %s" % flow)
ok("picked up in mid-stream")
PY
expect "picked up in mid-stream" "$PYTHON" "$tmp/again.py"

say "what a person sees"
expect "ping" reach client 198.51.100.2
expect "a table" sh -c "'$BUILD/visorctl' -s '$socket' show flows host 198.51.100.2 | grep -qE '^icmp +replied +192.0.2.2:[0-9]+ +198.51.100.2 +lan +wan +firewall:edge/ping'"
expect "a summary" sh -c "'$BUILD/visorctl' -s '$socket' show flows summary | grep -qE '^flushed +[1-9]'"
refute "an empty filter flushes nothing" ctl flush flows
refute "a typing mistake flushes nothing" ctl flush flows sorce 192.0.2.2
refute "a state that does not exist" ctl show flows state open
refute "an interface that does not exist" ctl flush flows in dmz
appliance_stop
