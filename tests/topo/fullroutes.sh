#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A full routing table put into the kernel arrives complete: every route is compared. VISOR_BGP_TABLE
# names a file of prefixes, one a line, perhaps gzipped; without one 200,000 are made up.
# variants: 1
# alone
# limit: 200
. "$(dirname "$0")/lib.sh"
visord_only "the kernel's own table"
topo_standard
table=${VISOR_BGP_TABLE:-$ROOT/../shared/data/bgp-prefixes.txt.gz}
appliance_start
if [ -r "$table" ]; then
	zcat -f "$table" | tr -d '\r' >"$tmp/prefixes"
else
	say "no file of prefixes (VISOR_BGP_TABLE): made-up ones"
	"$PYTHON" - >"$tmp/prefixes" <<'PY'
import ipaddress, random
r, seen = random.Random(7), set()
while len(seen) < 200000:
    six = r.random() < 0.2
    n = r.choice([29, 32, 36, 40, 44, 48, 48, 48, 64]) if six else r.choice([8, 16, 19, 20, 22, 23, 24, 24, 24, 25, 32])
    a = (0x2 << 124 | r.getrandbits(124)) if six else (r.randrange(11, 126) << 24 | r.getrandbits(24))
    seen.add(str(ipaddress.ip_network((a, n), strict=False)))
print("\n".join(sorted(seen)))
PY
fi
awk '!/:/ { print "route replace " $1 " via 198.51.100.2" }' "$tmp/prefixes" >"$tmp/four"
awk '/:/ { print "route replace " $1 " via 2001:db8:2::2" }' "$tmp/prefixes" >"$tmp/six"
ip_on appliance -batch "$tmp/four"
ip_on appliance -6 -batch "$tmp/six"
started=$(date +%s%N)
want=$(sort -u "$tmp/prefixes" | wc -l)
# as visord writes them: default, and host routes without a length
sort -u "$tmp/prefixes" | sed 's,^0.0.0.0/0$,default,; s,^::/0$,default,; /:/!s,/32$,,; /:/s,/128$,,' | sort >"$tmp/wanted"
have() { [ "$(show status "d['routing']['routes4'] + d['routing']['routes6']")" -ge "$want" ]; }
wait_until 20 "visord has $want routes" have
say "$(wc -l <"$tmp/four") IPv4 and $(wc -l <"$tmp/six") IPv6 routes: there $((($(date +%s%N) - started) / 1000000)) ms after ip was done"
compare() {
	ctl --json show routes --all >"$tmp/routes.json"
	"$PYTHON" -c 'import json, sys
for r in json.load(open(sys.argv[1]))["routes"]:
    if r.get("protocol") == "boot": print(r["dst"], r["dev"], r["gateway"])' "$tmp/routes.json" >"$tmp/all"
	awk '{ print $1 }' "$tmp/all" | sort >"$tmp/have"
	cmp "$tmp/have" "$tmp/wanted"
}
wait_until 30 "each of $want prefixes is there, and no other" compare # the host's own count as well
say "ok: each of $want prefixes is there, and no other"
equal "those with another device or gateway" "$(awk '$2 != "wan" || ($3 != "198.51.100.2" && $3 != "2001:db8:2::2")' "$tmp/all" | wc -l)" 0
say "resident memory: $(awk '/VmRSS/ { print $2, $3 }' "/proc/$visord_pid/status")"
say "lookup structures: $(show status "'IPv4 %d KiB, IPv6 %d KiB' % (d['routing']['bytes']['lpm4'] >> 10, d['routing']['bytes']['lpm6'] >> 10)")"

# traffic to some of them goes where the table says
awk '!/:/ && NR % 9001 == 1 { sub("/.*", ""); print }' "$tmp/prefixes" | head -n 50 >"$tmp/some"
while read -r address; do
	equal "route get $address" "$(ctl --json route get "$address" | json "d['candidates'][0]['gateway']")" 198.51.100.2
done <"$tmp/some" | tail -n 1
sed 's/replace/del/' "$tmp/four" | awk 'NR % 3 == 0' >"$tmp/some"
ip_on appliance -force -batch "$tmp/some"
sed 's/^route replace //; s/ via.*//' "$tmp/four" | awk 'NR % 3 == 0' |
	sed 's,^0.0.0.0/0$,default,; s,/32$,,' | sort >"$tmp/gone"
comm -23 "$tmp/wanted" "$tmp/gone" >"$tmp/left"
mv "$tmp/left" "$tmp/wanted"
wait_until 20 "a third is withdrawn, the others stay" compare
reach_both "after it"
appliance_stop
