#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The control socket under clients that mean no good: rubbish, too much, too slow, too many; packets
# go on and an honest client is answered. A second visord on the same socket is refused.
# variants: 1
. "$(dirname "$0")/lib.sh"
visord_only "the control socket"
topo_standard
appliance_start
reach_both "before"
(exec_on client ping -n -q -c 300 -i 0.02 -W 1 198.51.100.2 >"$tmp/ping") &
ping_pid=$!
"$PYTHON" - "$socket" <<'PY'
import json, os, random, socket, sys, time
path = sys.argv[1]
def connect():
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        try:
            s.connect(path)
            return s
        except BlockingIOError:  # the backlog is full
            s.close()
            time.sleep(0.01)
def ask(line):
    s = connect()
    s.sendall(line)
    out = b""
    try:
        while not out.endswith(b"\n"):
            part = s.recv(65536)
            if not part: break
            out += part
    except OSError: pass
    s.close()
    return out
def honest():
    answer = json.loads(ask(b'{"command": "version"}\n'))
    assert answer["ok"], answer
r = random.Random(3)
for line in (b"\n", b"{}\n", b"[]\n", b"null\n", b'"x"\n', b"{\n", b'{"command": 7}\n', b'{"command": "no such"}\n',
             b'{"command": "show routes", "args": {"prefix": "x", "limit": "y"}}\n',
             b'{"command": "route get", "args": {"address": 5}}\n',
             b'{"command": "route get", "args": {"address": "999.1.1.1"}}\n', b"\xff\xfe\x00\n", b"[" * 60000 + b"\n"):
    answer = ask(line)
    assert b'"ok": true' not in answer and b'"ok":true' not in answer, (line[:40], answer[:200])
for _ in range(200):
    ask(bytes(r.randrange(256) for _ in range(r.randrange(1, 400))) + b"\n")
honest()
s = connect()
try:
    for _ in range(200): s.sendall(b"x" * 65536)
except OSError: pass
s.close()
honest()
idle = []
for i in range(500):
    try: idle.append(connect())
    except OSError: break
for s in idle: s.close()
time.sleep(0.2)
honest()
s = connect()
for byte in b'{"command": "version"}\n':
    s.send(bytes([byte])); time.sleep(0.005)
assert json.loads(s.recv(4096))["ok"]
for _ in range(2000): connect().close()
honest()
s = connect()
try:
    for _ in range(3000): s.send(b'{"command": "show drops"}\n')  # and never read
except OSError: pass
honest()
print("# ok: hostile clients; an honest one is answered")
PY
equal "mode of the socket" "$(stat -c %a "$socket")" 660
cp "$tmp/visor.cfg" "$tmp/other.cfg"
refute "a second visord on the same socket" on appliance timeout 10 "$BUILD/visord" --config "$tmp/other.cfg"
wait $ping_pid || fail "packets were lost meanwhile: $(cat "$tmp/ping")"
grep -q ' 0% packet loss' "$tmp/ping" || fail "packets were lost meanwhile: $(cat "$tmp/ping")"
say "ok: no packet was lost meanwhile"
for bad in "--check /nonexistent" "--check /" "--config /nonexistent" "--check $tmp/empty" "--nonsense" ""; do
	: >"$tmp/empty"
	# shellcheck disable=SC2086
	refute "visord $bad" on appliance timeout 10 "$BUILD/visord" $bad
done
printf 'ports = ( { name = "lan"; device = "lan"; quues = 1; } );\n' >"$tmp/bad.cfg"
on appliance "$BUILD/visord" --check "$tmp/bad.cfg" >"$tmp/out" 2>&1 && fail "--check took a bad file"
grep -q "bad.cfg:1: .*quues.*queues" "$tmp/out" || fail "no suggestion: $(cat "$tmp/out")"
say "ok: --check: $(head -n 1 "$tmp/out")"
"$BUILD/visorctl" -s /nonexistent show ports >"$tmp/out" 2>&1 && fail "visorctl without a daemon succeeds"
status=0
"$BUILD/visorctl" -s /nonexistent show ports >"$tmp/out" 2>&1 || status=$?
equal "visorctl's exit status without a daemon" $status 3
appliance_stop
