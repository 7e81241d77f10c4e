#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rulesets with mistakes in them: the importer says what is wrong, or carries what is left, and does
not crash, hang or print what is no configuration.

usage: fuzz.py VISORCTL [SECONDS [SEED]]       VISORD in the environment: as for oracle.py

The recorded rulesets beside this file are changed, a few places at a time: values swapped for others
of another kind, members left out, doubled or renamed, lists cut; or the text itself is.
"""
import copy
import glob
import json
import os
import random
import subprocess
import sys
import time

from oracle import check, parse

R = random.Random()
ODD = [None, True, False, 0, -1, 1 << 40, -(1 << 62), 1.5, "", "*", "@", "@nothing", "lo", "x" * 300,
       "\n}; firewall", "é\u202e", "\"; drop", "10.0.0.1", "::1", "0x10", [], {}, [[]], [{}],
       {"set": []}, {"set": [[]]}, {"range": [5, 1]}, {"range": []}, {"prefix": {}}, {"concat": []},
       {"elem": {}}, {"|": []}, {"|": [{"|": ["syn"]}]}, {"prefix": {"addr": "10.0.0.0", "len": 99}},
       {"payload": {"protocol": "tcp", "field": "dport"}}, {"ct": {"key": "state"}},
       {"meta": {"key": "iifname"}}, {"jump": {"target": "forward"}}, {"goto": {}}, {"vmap": {}},
       {"limit": {}}, {"limit": {"rate": 1 << 40, "per": "second"}}, {"accept": None}]


def places(value, found):
    """Every container with each of its keys or indices."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        found.append((value, key))
        if isinstance(inner, (dict, list)):
            places(inner, found)
    return found


def mutate(ruleset):
    for _ in range(R.choice([1, 1, 1, 2, 3, 10])):
        all_places = places(ruleset, [])
        if not all_places:
            return
        where, key = R.choice(all_places)
        kind = R.randrange(6)
        if kind == 0:
            where[key] = copy.deepcopy(R.choice(ODD))
        elif kind == 1:
            del where[key]
        elif kind == 2:
            other, other_key = R.choice(all_places)
            if key in where if isinstance(where, dict) else key < len(where):
                where[key] = copy.deepcopy(other[other_key])
        elif kind == 3 and isinstance(where, list):
            where.insert(key, copy.deepcopy(R.choice([where[key]] + ODD)))
        elif kind == 4 and isinstance(where, dict):
            where[R.choice(["set", "elem", "val", "op", "left", "right", "", "\n"])] = where.pop(key)
        elif isinstance(where[key], dict):
            where[key] = [where[key]]


def case(texts):
    text = R.choice(texts)
    if R.random() < 0.9:
        ruleset = json.loads(text)
        mutate(ruleset)
        return json.dumps(ruleset).encode()
    raw = bytearray(text.encode())
    for _ in range(R.randint(1, 5)):
        at = R.randrange(len(raw))
        raw[at:at + R.randint(0, 3)] = bytes(R.randrange(256) for _ in range(R.randint(0, 3)))
    return bytes(raw)


def main():
    visorctl, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 5
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    here = os.path.dirname(os.path.abspath(__file__))
    texts = [open(name, encoding="utf-8").read() for name in glob.glob(here + "/*.json")]
    end = time.time() + seconds
    counts = {0: 0, 1: 0, 4: 0}
    while time.time() < end:
        R.seed(seed)
        data = case(texts)
        try:
            run = subprocess.run([visorctl, "import", "nft", "-"], input=data, timeout=60,
                                 capture_output=True, check=False)
        except subprocess.TimeoutExpired:
            print("# seed %d: not done after a minute" % seed)
            return 1
        said = run.stderr.decode("utf-8", "replace")
        if run.returncode not in counts or "runtime error" in said or "Sanitizer" in said or \
           (run.returncode == 1) != (not run.stdout) or not said:
            print("# seed %d: status %d\n%s" % (seed, run.returncode, said[-3000:]))
            return 1
        try:
            parse(run.stdout.decode("utf-8"))
        except (AssertionError, IndexError, ValueError, UnicodeDecodeError) as error:
            print("# seed %d: no configuration: %r" % (seed, error))
            return 1
        wrong = check(run.stdout.decode("utf-8")) if run.stdout else ""
        if wrong:
            print("# seed %d: %s" % (seed, wrong))
            return 1
        counts[run.returncode] += 1
        seed += 1
    print("# %d carried, %d refused, %d carried in part" % (counts[0], counts[1], counts[4]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
