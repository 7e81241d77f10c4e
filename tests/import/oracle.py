#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random rulesets of nftables, and random packets: what nft's own semantics make of a packet and what
the first-match semantics of the imported configuration make of it must be the same.

usage: oracle.py VISORCTL [SECONDS [SEED]]     with VISORD in the environment it is asked, too, whether
                                               the configurations are right

Both sides are interpreted here in the plainest way, one packet at a time; nothing is shared with the
importer. The rulesets are what `nft -j list ruleset` could print, of the constructs that are carried
exactly: anything that the importer reports as lost or different is a failure, too.
"""
import ipaddress
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

IFACES = ["a", "b", "c.7", "d"]
V4 = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "192.0.2.0/28", "0.0.0.0/0"]
V6 = ["2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::5/128", "fd00::/8"]
STATES = ["new", "established", "related", "invalid", "untracked"]
FLAGS = ["fin", "syn", "rst", "psh", "ack", "urg"]
BITS = {name: 1 << i for i, name in enumerate(FLAGS + ["ecn", "cwr"])}
PROTOS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "ipv6-icmp": 58, "sctp": 132}
OURS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58, "sctp": 132, "esp": 50, "ah": 51,
        "dccp": 33, "udplite": 136}
WITH_PORTS = (6, 17, 33, 132, 136)
ICMP4 = {"echo-request": 8, "echo-reply": 0, "destination-unreachable": 3, "time-exceeded": 11}
ICMP6 = {"echo-request": 128, "echo-reply": 129, "destination-unreachable": 1, "time-exceeded": 3,
         "packet-too-big": 2, "parameter-problem": 4, "nd-router-solicit": 133,
         "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136,
         "nd-redirect": 137}
OURS4 = dict(ICMP4, **{"source-quench": 4, "redirect": 5, "router-advertisement": 9,
                       "router-solicitation": 10, "parameter-problem": 12,
                       "timestamp-request": 13, "timestamp-reply": 14})
DSCP = {"cs0": 0, "ef": 46, "af11": 10, "cs1": 8}
R = random.Random()


# --- making rulesets ---

def prefix_json(text):
    net = ipaddress.ip_network(text)
    if net.prefixlen == net.max_prefixlen:
        return str(net.network_address)
    return {"prefix": {"addr": str(net.network_address), "len": net.prefixlen}}


def address_value(pool):
    net = ipaddress.ip_network(R.choice(pool))
    if net.prefixlen > 8 and R.random() < 0.3:
        lo = int(net.network_address)
        span = min(net.num_addresses, 1000)
        cls = type(net.network_address)
        x, y = sorted(R.randrange(span) for _ in range(2))
        return {"range": [str(cls(lo + x)), str(cls(lo + y))]}
    return prefix_json(str(net))


def several(make, most=3):
    return {"set": [make() for _ in range(R.randint(1, most))]}


def port_value():
    if R.random() < 0.4:
        x, y = sorted(R.randrange(1, 40) for _ in range(2))
        return {"range": [x, y]}
    return R.randrange(1, 40)


def match(left, op, right):
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key):
    return {"meta": {"key": key}}


def payload(protocol, field):
    return {"payload": {"protocol": protocol, "field": field}}


def eq():
    return "==" if R.random() < 0.7 else "!="


def make_address():
    six = R.random() < 0.4
    field = payload("ip6" if six else "ip", R.choice(["saddr", "daddr"]))
    kind = R.random()
    if kind < 0.3:
        return match(field, eq(), R.choice(["@six", "@sixb"] if six else ["@four", "@fourb"]))
    if kind < 0.6:
        return match(field, eq(), several(lambda: address_value(V6 if six else V4)))
    return match(field, eq(), address_value(V6 if six else V4))


def make_port():
    field = payload(R.choice(["tcp", "udp", "th", "sctp"]), R.choice(["sport", "dport"]))
    kind = R.random()
    if kind < 0.2:
        return match(field, eq(), "@ports")
    if kind < 0.3:
        return match(field, R.choice(["<", ">", "<=", ">="]), R.randrange(1, 40))
    return match(field, eq(), several(port_value) if kind < 0.6 else port_value())


def make_iface():
    field = meta(R.choice(["iifname", "oifname"]))
    if R.random() < 0.2:
        return match(field, eq(), "@links")
    return match(field, eq(), several(lambda: R.choice(IFACES)) if R.random() < 0.4 else
                 R.choice(IFACES + ["lo"]))


def make_flags():
    field = payload("tcp", "flags")
    kind = R.random()
    some = R.sample(FLAGS, R.randint(1, 3))
    if kind < 0.3:
        return match(field, R.choice(["in", "!"]), some)
    if kind < 0.5:
        return match(field, eq(), R.choice(some))
    masked = {"&": [field, R.sample(FLAGS, R.randint(1, 4))]}
    return match(masked, eq(), R.choice([some, {"|": some}, some[0], 0]))


def make_proto():
    kind = R.random()
    if kind < 0.2:
        return match(meta("nfproto"), eq(), R.choice(["ipv4", "ipv6"]))
    if kind < 0.3:
        return match(payload("ip", "protocol"), eq(), R.choice(["tcp", "icmp", "gre"]))
    if kind < 0.4:
        return match(payload(R.choice(["ip", "ip6"]), "dscp"), eq(), R.choice(list(DSCP)))
    if kind < 0.55:
        return match(payload("icmp", "type"), eq(), several(lambda: R.choice(list(ICMP4))))
    if kind < 0.65:
        return match(payload("icmpv6", "type"), eq(), R.choice(list(ICMP6)))
    return match(meta("l4proto"), eq(), several(lambda: R.choice(list(PROTOS))))


def make_state():
    kind = R.random()
    some = R.sample(STATES, R.randint(1, 3))
    left = {"ct": {"key": "state"}}
    if kind < 0.5:
        return match(left, "in", some if len(some) > 1 else some[0])
    return match(left, eq(), {"set": some})


def make_concat():
    left = {"concat": [payload("ip", "saddr"), payload("tcp", "dport")]}
    if R.random() < 0.5:
        left["concat"][0] = meta("iifname")
        first = lambda: R.choice(IFACES)
    else:
        first = lambda: address_value(V4)
    return match(left, eq(),
                 {"set": [{"concat": [first(), port_value()]} for _ in range(R.randint(1, 3))]})


def make_match(states):
    kinds = [make_address, make_port, make_iface, make_flags, make_proto, make_concat]
    if states:
        kinds.append(make_state)
    return R.choice(kinds)()


def make_verdict(targets):
    kind = R.random()
    if kind < 0.3:
        return {"accept": None}
    if kind < 0.6:
        return {"drop": None}
    if kind < 0.7:
        return {"return": None}
    if kind < 0.95 and targets:
        return {R.choice(["jump", "jump", "goto"]): {"target": R.choice(targets)}}
    return {"continue": None}


def make_vmap(targets):
    kind = R.randrange(3)
    if kind == 0:
        key, keys = meta("iifname"), R.sample(IFACES, R.randint(1, 3))
    elif kind == 1:
        key, keys = meta("l4proto"), R.sample(list(PROTOS), R.randint(1, 3))
    else:
        key = {"concat": [meta("iifname"), meta("oifname")]}
        pairs = {(R.choice(IFACES), R.choice(IFACES)) for _ in range(3)}
        keys = [{"concat": list(pair)} for pair in sorted(pairs)]
    elements = [[k, make_verdict(targets)] for k in keys]
    if kind < 2 and R.random() < 0.3:
        elements.append(["*", make_verdict(targets)])
    return {"vmap": {"key": key, "data": {"set": elements}}}


def make_rule(states, targets):
    expr = [make_match(states) for _ in range(R.choice([0, 1, 1, 1, 2, 2, 3]))]
    if expr and R.random() < 0.3:
        expr.insert(R.randrange(len(expr) + 1), {"counter": {"packets": 0, "bytes": 0}})
    if R.random() < 0.15:
        expr.append(make_vmap(targets))
    elif R.random() < 0.9:
        verdict = make_verdict(targets)
        if not expr and list(verdict)[0] in ("accept", "drop", "goto") and R.random() < 0.8:
            return make_rule(states, targets)
        expr.append(verdict)
    return expr


def make_table(family, states):
    out = [{"table": {"family": family, "name": "t"}}]

    def element_set(name, kind, elements):
        out.append({"set": {"family": family, "table": "t", "name": name, "type": kind,
                            "flags": ["interval"], "elem": elements}})

    element_set("four", "ipv4_addr", [prefix_json("10.1.0.0/16"), prefix_json("192.0.2.0/28")])
    element_set("fourb", "ipv4_addr", [prefix_json("10.1.2.0/24"), "10.9.9.9"])
    element_set("six", "ipv6_addr", [prefix_json("2001:db8:1::/48")])
    element_set("sixb", "ipv6_addr", [prefix_json("2001:db8::/33"), "fd00::1"])
    element_set("ports", "inet_service", [5, {"range": [10, 20]}])
    element_set("links", "ifname", ["a", "c.7"])
    names = ["pre", "fwd"] + ["c%d" % i for i in range(R.randint(1, 4))]
    for i, name in enumerate(names):
        chain = {"family": family, "table": "t", "name": name}
        if i < 2:
            chain.update(type="filter", prio=0, hook=["prerouting", "forward"][i],
                         policy=R.choice(["accept", "drop"]))
        out.append({"chain": chain})
    handle = 10
    for i, name in enumerate(names):
        targets = names[max(2, i + 1):]
        # without this rule replies fare differently, which the importer says
        rules = []
        if i < 2 and states:
            rules.append([match({"ct": {"key": "state"}}, "in", ["established"]),
                          {"accept": None}])
        if i != 0 or R.random() < 0.3:
            rules += [make_rule(states and i != 0, targets) for _ in range(R.randint(1, 5))]
        for expr in rules:
            handle += 1
            out.append({"rule": {"family": family, "table": "t", "chain": name, "handle": handle,
                                 "expr": expr}})
    return out


def make_ruleset():
    states = R.random() < 0.7
    out = [{"metainfo": {"json_schema_version": 1}}]
    for family in R.choice([["inet"], ["inet"], ["ip"], ["ip6"], ["ip", "ip6"]]):
        out += make_table(family, states and (family != "ip6" or R.random() < 0.9))
    return {"nftables": out}


# --- packets ---

def make_packet():
    six = R.random() < 0.4

    def addr():
        net = ipaddress.ip_network(R.choice(V6 if six else V4))
        edge = R.random()
        if edge < 0.2:
            return int(net.network_address)
        if edge < 0.3:
            return int(net.broadcast_address)
        return int(net.network_address) + R.randrange(min(net.num_addresses, 1 << 20))

    proto = R.choice([6, 6, 6, 17, 17, 58 if six else 1, 58 if six else 1, 47, 132, 50])
    ports = proto in WITH_PORTS
    return {
        "family": 6 if six else 4, "in": R.choice(IFACES + ["other"]),
        "out": R.choice(IFACES + ["other"]), "src": addr(), "dst": addr(), "proto": proto,
        "sport": R.randrange(0, 45) if ports else None,
        "dport": R.randrange(0, 45) if ports else None,
        "flags": R.randrange(256) if R.random() < 0.5 else R.choice([2, 16, 18, 17, 0, 4]),
        "type": R.choice(list(ICMP4.values()) + list(ICMP6.values())), "code": R.randrange(5),
        "dscp": R.choice([0, 46, 10, 8, 33]), "state": R.choice(STATES),
    }


# --- what nft does ---

class Absent(Exception):
    """The packet does not have that header: the rule does not match."""


def nft_field(packet, left):
    if "meta" in left:
        key = left["meta"]["key"]
        return {"iifname": packet["in"], "oifname": packet["out"], "l4proto": packet["proto"],
                "nfproto": packet["family"]}[key]
    if "ct" in left:
        return packet["state"]
    protocol, field = left["payload"]["protocol"], left["payload"]["field"]
    family = {"ip": 4, "icmp": 4, "ip6": 6, "icmpv6": 6}.get(protocol)
    if family and packet["family"] != family:
        raise Absent
    proto = {"tcp": (6,), "udp": (17,), "sctp": (132,), "th": WITH_PORTS, "icmp": (1,),
             "icmpv6": (58,)}.get(protocol)
    if proto and packet["proto"] not in proto:
        raise Absent
    return packet[{"saddr": "src", "daddr": "dst", "protocol": "proto"}.get(field, field)]


def nft_value(left, value):
    """A value as the number, or the text, that nft_field() gives."""
    if not isinstance(value, str):
        return value
    if "meta" in left or "ct" in left:
        key = left.get("meta", {}).get("key")
        if key == "l4proto":
            return PROTOS[value]
        return {"ipv4": 4, "ipv6": 6}[value] if key == "nfproto" else value
    protocol, field = left["payload"]["protocol"], left["payload"]["field"]
    if field in ("saddr", "daddr"):
        return int(ipaddress.ip_address(value))
    return {"protocol": PROTOS, "dscp": DSCP, "flags": BITS,
            "type": ICMP6 if protocol == "icmpv6" else ICMP4}[field][value]


def nft_has(sets, left, field, value):
    if isinstance(value, str) and value.startswith("@"):
        return any(nft_has(sets, left, field, e) for e in sets[value[1:]])
    if isinstance(value, list):
        return any(nft_has(sets, left, field, e) for e in value)
    if isinstance(value, dict) and "set" in value:
        return any(nft_has(sets, left, field, e) for e in value["set"])
    if isinstance(value, dict) and "range" in value:
        lo, hi = (nft_value(left, v) for v in value["range"])
        return lo <= field <= hi
    if isinstance(value, dict) and "prefix" in value:
        net = ipaddress.ip_network("%(addr)s/%(len)d" % value["prefix"])
        return int(net.network_address) <= field <= int(net.broadcast_address)
    return nft_value(left, value) == field


def mask_of(value):
    if isinstance(value, dict):
        value = value["|"]
    if isinstance(value, list):
        return sum(BITS[v] for v in value)
    return BITS[value] if isinstance(value, str) else value


def nft_matches(sets, packet, m):
    left, op, right = m["left"], m["op"], m["right"]
    if "concat" in left:
        fields = [nft_field(packet, part) for part in left["concat"]]
        has = any(all(nft_has(sets, part, field, v)
                      for part, field, v in zip(left["concat"], fields, e["concat"]))
                  for e in right["set"])
        return has == (op == "==")
    mask = 255
    if "&" in left:
        left, mask = left["&"][0], mask_of(left["&"][1])
    field = nft_field(packet, left)
    if left.get("payload", {}).get("field") == "flags":
        if op == "in":
            return bool(field & mask_of(right))
        if op == "!":
            return not field & mask_of(right)
        return ((field & mask) == mask_of(right)) == (op == "==")
    if op in ("<", ">", "<=", ">="):
        return {"<": field < right, ">": field > right, "<=": field <= right,
                ">=": field >= right}[op]
    return nft_has(sets, left, field, right) == (op != "!=")


def nft_vmap(sets, packet, vmap):
    key = vmap["key"]
    parts = key.get("concat", [key])
    fields = [nft_field(packet, part) for part in parts]
    for element, verdict in vmap["data"]["set"]:
        if element == "*":
            return verdict
        values = element["concat"] if "concat" in key else [element]
        if all(nft_has(sets, p, f, v) for p, f, v in zip(parts, fields, values)):
            return verdict
    return {"continue": None}


def nft_rule(sets, packet, expr):
    try:
        for statement in expr:
            (kind, detail), = statement.items()
            if kind == "match":
                if not nft_matches(sets, packet, detail):
                    return {"continue": None}
            elif kind == "vmap":
                return nft_vmap(sets, packet, detail)
            elif kind != "counter":
                return statement
    except Absent:
        pass
    return {"continue": None}


def nft_chain(sets, chains, packet, name):
    """accept, drop, or None: it came back."""
    for expr in chains[name]["rules"]:
        (kind, detail), = nft_rule(sets, packet, expr).items()
        if kind in ("accept", "drop"):
            return kind
        if kind == "return":
            return None
        if kind in ("jump", "goto"):
            verdict = nft_chain(sets, chains, packet, detail["target"])
            if verdict or kind == "goto":
                return verdict
    return None


def nft_verdict(ruleset, packet):
    tables = {}
    for wrapper in ruleset["nftables"]:
        (kind, o), = wrapper.items()
        if kind == "metainfo":
            continue
        sets, chains = tables.setdefault(o["family"], ({}, {}))
        if kind == "set":
            sets[o["name"]] = o["elem"]
        elif kind == "chain":
            chains[o["name"]] = dict(o, rules=[])
        elif kind == "rule":
            chains[o["chain"]]["rules"].append(o["expr"])
    routed = packet
    for base in ("pre", "fwd"):
        # before routing there is no interface out
        packet = dict(routed, out="") if base == "pre" else routed
        for family, (sets, chains) in tables.items():
            if family == {4: "ip6", 6: "ip"}[packet["family"]]:
                continue
            verdict = nft_chain(sets, chains, packet, base) or chains[base]["policy"]
            if verdict == "drop":
                return "drop"
    return "accept"


# --- what ours does ---

TOKEN = re.compile(r'\s*(?:#[^\n]*\n\s*)*("(?:[^"\\]|\\.)*"|[-\w.]+|[=;,(){}\[\]])')


def parse(text):
    """A libconfig file of the shape that the importer writes."""
    tokens = TOKEN.findall(re.sub(r"(?m)^\s*#.*$", "", text))
    at = [0]

    def take():
        at[0] += 1
        return tokens[at[0] - 1]

    def value():
        token = take()
        if token in "([":
            items, end = [], ")" if token == "(" else "]"
            while tokens[at[0]] != end:
                items.append(value())
                if tokens[at[0]] == ",":
                    take()
            take()
            return items
        if token == "{":
            return group("}")
        if token.startswith('"'):
            return token[1:-1]
        return token == "true" if token in ("true", "false") else int(token)

    def group(end):
        out = {}
        while at[0] < len(tokens) and tokens[at[0]] != end:
            key = take()
            assert take() == "=", key
            assert key not in out, key
            out[key] = value()
            if at[0] < len(tokens) and tokens[at[0]] == ";":
                take()
        if end:
            take()
        return out

    return group(None)


def words(value):
    return [str(v) for v in (value if isinstance(value, list) else [value])]


def listed(value, has):
    """Any of the words without !, or all where there is none, and none of those with !."""
    yes = [w for w in words(value) if not w.startswith("!")]
    no = [w[1:] for w in words(value) if w.startswith("!")]
    return (not yes or any(has(w) for w in yes)) and not any(has(w) for w in no)


def address_in(sets, packet, addr, word):
    if word.startswith("@"):
        return any(address_in(sets, packet, addr, w)
                   for w in words(sets[word[1:]].get("addresses", [])))
    if (":" in word) != (packet["family"] == 6):
        return False
    if "-" in word:
        lo, hi = (int(ipaddress.ip_address(w)) for w in word.split("-"))
    else:
        net = ipaddress.ip_network(word)
        lo, hi = int(net.network_address), int(net.broadcast_address)
    return lo <= addr <= hi


def port_in(sets, port, word):
    if word.startswith("@"):
        return any(port_in(sets, port, w) for w in words(sets[word[1:]].get("ports", [])))
    lo, _, hi = word.partition("-")
    return port is not None and int(lo) <= port <= int(hi or lo)


def type_in(packet, word):
    names = OURS4 if packet["proto"] == 1 else ICMP6
    kind, _, code = word.partition("/")
    return (names[kind] if kind in names else int(kind)) == packet["type"] and \
        (not code or int(code) == packet["code"])


def flags_in(packet, text):
    for flag in text.split(","):
        bit = BITS[{"ece": "ecn", "!ece": "!ecn"}.get(flag, flag).lstrip("!")]
        if bool(packet["flags"] & bit) == flag.startswith("!"):
            return False
    return True


def our_rule(sets, packet, rule, stateful):
    tests = {
        "in": lambda v: listed(v, lambda w: w == packet["in"]),
        "out": lambda v: listed(v, lambda w: w == packet["out"]),
        "family": lambda v: v == "ipv%d" % packet["family"],
        "from": lambda v: listed(v, lambda w: address_in(sets, packet, packet["src"], w)),
        "to": lambda v: listed(v, lambda w: address_in(sets, packet, packet["dst"], w)),
        "proto": lambda v: listed(v, lambda w: (OURS[w] if w in OURS else int(w)) ==
                                  packet["proto"]),
        "sport": lambda v: listed(v, lambda w: port_in(sets, packet["sport"], w)),
        "dport": lambda v: listed(v, lambda w: port_in(sets, packet["dport"], w)),
        "icmp_type": lambda v: any(type_in(packet, w) for w in words(v)),
        "tcp_flags": lambda v: flags_in(packet, v),
        "dscp": lambda v: any((DSCP[w] if w in DSCP else int(w) if w.isdigit() else -1) ==
                              packet["dscp"] for w in words(v)),
        "state": lambda v: packet["state"] in words(v),
        "name": lambda v: True, "action": lambda v: True,
    }
    if not all(tests[key](value) for key, value in rule.items()):
        return False
    return "state" in rule or not stateful or packet["state"] in ("new", "untracked")


def our_verdict(config, packet):
    for firewall in config.get("firewall", []):
        sets = {s["name"]: s for s in firewall.get("sets", [])}
        stateful = firewall.get("stateful", True)
        if stateful and packet["state"] == "established":
            continue  # no rule is asked
        for rule in firewall.get("rules", []):
            if rule["action"] != "count" and our_rule(sets, packet, rule, stateful):
                verdict = rule["action"]
                break
        else:
            verdict = firewall["default"]
            if stateful and packet["state"] in ("related", "invalid"):
                verdict = "accept" if packet["state"] == "related" else "drop"
        if verdict != "accept":
            return "drop"
    return "accept"


def check(text):
    """What visord has to say against a configuration, if it may be asked."""
    if "VISORD" not in os.environ:
        return ""
    # a ruleset need not name an interface, a configuration has to
    text = text.replace("ports = ( );", 'ports = ( { name = "a"; device = "a"; } );')
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(text)
        file.flush()
        run = subprocess.run([os.environ["VISORD"], "--check", file.name], capture_output=True,
                             text=True, timeout=60, check=False)
    return "" if run.returncode == 0 else run.stderr


def main():
    visorctl, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 5
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else None
    end = time.time() + seconds
    first = seed if seed is not None else 1
    rulesets = packets = rules = 0
    while time.time() < end:
        R.seed(first + rulesets)
        ruleset = make_ruleset()
        run = subprocess.run([visorctl, "import", "nft", "-"], input=json.dumps(ruleset),
                             capture_output=True, text=True, timeout=60, check=False)
        if run.returncode and ("differs" not in run.stderr or run.returncode != 4 or
                               "not carried:" in run.stderr):
            print("# seed %d: status %d\n%s" % (first + rulesets, run.returncode, run.stderr))
            return 1
        wrong = check(run.stdout)
        if wrong:
            print("# seed %d: %s" % (first + rulesets, wrong))
            return 1
        config = parse(run.stdout)
        rules += sum(len(f.get("rules", [])) for f in config.get("firewall", []))
        for _ in range(100):
            packet = make_packet()
            expected, got = nft_verdict(ruleset, packet), our_verdict(config, packet)
            packets += 1
            # replies are what the importer calls different where it is
            if expected != got and packet["state"] != "established":
                print("# seed %d: nft says %s, ours %s: %s" %
                      (first + rulesets, expected, got, packet))
                return 1
        rulesets += 1
        if seed is not None and seconds <= 1:
            break
    print("# %d rulesets, %d rules of ours, %d packets" % (rulesets, rules, packets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
