#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A stateful firewall between a client outside and a server inside: what no rule lets in never gets
# there, replies come back, refusals are told, the log and the counters name the rule; sets change at
# run time and end flows; what a reload denies ends, what it allows goes on.
# variants: 1 2
# vm: 2
# quick
. "$(dirname "$0")/lib.sh"
visord_only "the firewall"
topo_standard

firewall() { # RULES [KEYS]
	cat <<-CONFIG
		workers = { count = $WORKERS; };
		ports = ( { name = "lan"; device = "lan"; spread = $SPREAD; }, { name = "wan"; device = "wan"; } );
		chains = ( { functions = [ "firewall:edge", "router" ]; } );
		control = { socket = "$socket"; };
		firewall = ( { name = "edge"; ${2:-}
			zones = ( { name = "inside"; interfaces = "wan"; }, { name = "outside"; interfaces = "lan"; antispoof = "strict"; } );
			sets = ( { name = "banned"; timeout = 3600; } );
			rules = ( { name = "ban"; from = "@banned"; action = "drop"; }, $1 ); } );
	CONFIG
}
web='{ name = "web"; in = "outside"; out = "inside"; proto = "tcp"; dport = [ 80, "8000-8001" ]; action = "accept"; },'
rest='{ name = "ping"; proto = [ "icmp", "icmpv6" ]; icmp_type = "echo-request"; action = "accept"; },
	{ name = "told"; proto = [ "tcp", "udp" ]; dport = 81; action = "reject"; log = true; }'
rule() { # NAME KEY
	show firewall "next(r['$2'] for r in d['firewall'][0]['rules'] if r['name'] == '$1')"
}
# What a TCP connection comes to: open, reset, refused by ICMP, or nothing.
try() { # HOST PORT
	on client "$PYTHON" - "$1" "$2" <<'PY'
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5).close()
    print("open")
except socket.timeout:
    print("nothing")
except ConnectionRefusedError:
    print("reset")
except OSError as e:
    print(e.errno)
PY
}
is() { # WHAT WANTED GOT
	[ "$2" = "$3" ] || fail "$1: $3, expected $2"
	say "ok: $1: $3"
}

cat >"$tmp/server.py" <<'PY'
import socket, threading, time
def serve(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port))
    s.listen(64)
    while True:
        c, _ = s.accept()
        threading.Thread(target=echo, args=(c,), daemon=True).start()
def echo(c):
    try:
        while (data := c.recv(4096)):
            c.sendall(data)
    except OSError:
        pass
for port in (22, 80, 81, 8000):
    threading.Thread(target=serve, args=(port,), daemon=True).start()
time.sleep(600)
PY
exec_on server "$PYTHON" "$tmp/server.py" &
wait_until 10 "the server listens" on server "$PYTHON" -c 'import socket; socket.create_connection(("198.51.100.2", 8000)).close()'

# A connection that says so when it can echo no more; a line for each word that it is given.
cat >"$tmp/talk.py" <<'PY'
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
s.settimeout(2)
for line in sys.stdin:
    try:
        s.sendall(line.encode())
        print("echo" if s.recv(4096) else "closed", flush=True)
    except OSError as e:
        print("dead", flush=True)
PY
talk_open() { # HOST PORT
	coproc TALK { exec_on client "$PYTHON" "$tmp/talk.py" "$1" "$2" 2>/dev/null; }
	talk_in=${TALK[1]} talk_out=${TALK[0]} talk_pid=$TALK_PID
}
talk() {
	local answer
	echo "$1" >&"$talk_in"
	read -r -t 5 answer <&"$talk_out" || answer=silence
	echo "$answer"
}
talk_close() {
	eval "exec $talk_in>&-"
	wait "$talk_pid" || :
}

appliance_start "$(firewall "$web $rest")"
for host in 198.51.100.2 2001:db8:2::2; do
	is "$host: an open port" open "$(try $host 80)"
	is "$host: a port of a range" open "$(try $host 8000)"
	is "$host: a port that no rule opens" nothing "$(try $host 22)"
	is "$host: a port that is refused by a reset" reset "$(try $host 81)"
	expect "$host answers a ping" on client ping -c 1 -W 2 $host
done
refute "the server cannot open a connection to the client" on server timeout 2 "$PYTHON" -c \
	'import socket; socket.create_connection(("192.0.2.2", 80), 1)'
expect_drops default 4
expect_drops rejected 2
expect "the log names the rule, the addresses and the flags" \
	grep -q 'firewall:edge/told: reject in=lan out=.* tcp 192\.0\.2\.2:[0-9]* > 198\.51\.100\.2:81 flags=syn len=60' "$tmp/visord.log"
[ "$(rule web flows_opened)" -ge 4 ] || fail "flows of rule web: $(rule web flows_opened)"
[ "$(rule web packets)" -ge 8 ] || fail "packets of rule web: $(rule web packets)"

say "a source that is not outside"
ip_on client address add 203.0.113.9/32 dev eth0
refute "is refused" on client ping -c 1 -W 1 -I 203.0.113.9 198.51.100.2
expect_drops antispoof

say "sets at run time"
talk_open 198.51.100.2 80
is "a connection" echo "$(talk a)"
ctl set add edge banned 192.0.2.2 timeout 10
is "the connection of one who is banned now" dead "$(talk b)"
is "and a new one" nothing "$(try 198.51.100.2 80)"
talk_close
opens() { [ "$(try "$@")" = open ]; }
wait_until 30 "the ban is over" opens 198.51.100.2 80
ctl set add edge banned 192.0.2.0/24 2001:db8:1::/64
is "IPv6" nothing "$(try 2001:db8:2::2 80)"
ctl set list edge banned
ctl set flush edge banned
is "nobody is banned any more" open "$(try 2001:db8:2::2 80)"

say "a reload"
talk_open 2001:db8:2::2 8000
is "a connection" echo "$(talk a)"
appliance_reload "$(firewall "{ name = \"other\"; out = \"inside\"; proto = \"tcp\"; dport = 8000; action = \"accept\"; }, $rest")"
is "another rule allows it" echo "$(talk b)"
is "and the port that none allows any more" nothing "$(try 2001:db8:2::2 80)"
appliance_reload "$(firewall "$rest" 'on_change = "keep";')"
is "flows may stay" echo "$(talk c)"
is "while there are no new ones" nothing "$(try 2001:db8:2::2 8000)"
appliance_reload "$(firewall "$rest")"
is "or end" dead "$(talk d)"
talk_close
ctl show firewall
appliance_stop
