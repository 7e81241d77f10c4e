#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Rulesets of nftables and exactly what `visorctl import nft` makes of them: NAME.json, which is what
# nft printed, and NAME.ok: the configuration, what it says on stderr, the exit status. Each
# configuration is given to `visord --check`, too. Then oracle.py and fuzz.py, IMPORT_SECONDS (4) each.
#   run.sh --update   writes the .ok files anew; read the diff
#   run.sh --record   makes NAME.json anew from NAME.nft, or from what NAME.sh does, with the nft of
#                     this machine in a network namespace of its own; needs root
# Prints "ok NAME" or "not ok NAME" for each; what differs goes before it, as comments.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
visorctl=${VISORCTL:-$build/visorctl}
visord=${VISORD:-$build/visord}
export LC_ALL=C
failed=0
cd "$here" || exit 1

record() {
	local source name
	for source in *.nft *.sh; do
		name=${source%.*}
		[ "$name" != run ] || continue
		# shellcheck disable=SC2016  # $1 is the inner shell's
		unshare --net sh -euc 'ip link set lo up
			case $1 in *.nft) nft -f "$1" ;; *) sh -eu "$1" ;; esac
			nft -j list ruleset' - "$source" >"$scratch/json" &&
			cp "$scratch/json" "$name.json" || echo "$source: not recorded" >&2
	done
}

if [ ! -x "$visorctl" ] || [ ! -x "$visord" ]; then
	echo "no $visorctl or no $visord: run make"
	exit 77
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
if [ "${1:-}" = --record ]; then
	record
	exit
fi

result() { # STATUS NAME
	if [ "$1" = 0 ]; then
		echo "ok $2"
	else
		echo "not ok $2"
		failed=1
	fi
}

# import FILE [OPTION…]: all that comes of it.
import() {
	timeout 30 "$visorctl" import nft "$@" >"$scratch/out" 2>"$scratch/err"
	local status=$?
	cat "$scratch/out"
	echo "=== stderr"
	cat "$scratch/err"
	echo "=== exit status $status"
}

# same NAME EXPECTED-FILE GOT-FILE
same() {
	diff "$2" "$3" >"$scratch/diff"
	local status=$?
	sed 's/^/# /' "$scratch/diff"
	result $status "$1"
}

# refuses NAME TEXT WHAT: TEXT is no ruleset.
refuses() {
	printf '%s' "$2" | timeout 30 "$visorctl" import nft - >"$scratch/out" 2>"$scratch/err"
	local status=$?
	[ $status = 1 ] && [ ! -s "$scratch/out" ] && grep -qF -- "$3" "$scratch/err"
	status=$?
	[ $status = 0 ] || sed 's/^/# /' "$scratch/err"
	result $status "$1"
}

for input in *.json; do
	name=${input%.json}
	if [ "${1:-}" = --update ]; then
		import "$input" >"$name.ok"
		continue
	fi
	import "$input" >"$scratch/got"
	same "$name" "$name.ok" "$scratch/got"
	cp "$scratch/out" "$scratch/$name.cfg"
	# a ruleset need not name an interface, a configuration has to
	sed -i 's/^ports = ( );/ports = ( { name = "a"; device = "a"; } );/' "$scratch/$name.cfg"
	"$visord" --check "$scratch/$name.cfg" >"$scratch/check" 2>&1
	status=$?
	[ $status = 0 ] || sed 's/^/# /' "$scratch/check"
	result $status "$name-is-a-configuration"
done
[ "${1:-}" != --update ] || exit 0

refuses not-json 'table inet filter { }' 'standard input:1:'
refuses not-a-ruleset '{ "a": 1 }' 'it has no array "nftables"'
refuses empty '' 'what `nft -j list ruleset` prints was expected'
refuses an-array-of-numbers '{ "nftables": [ 1 ] }' 'nftables[0]: an object with one member was expected'
refuses unknown-object '{ "nftables": [ { "tables": { } } ] }' "'tables' is nothing that"
refuses other-version '{ "nftables": [ { "metainfo": { "json_schema_version": 2 } } ] }' \
	'json_schema_version 1 was expected'
refuses chain-without-table '{ "nftables": [ { "chain": { "family": "ip", "name": "x" } } ] }' \
	'nftables[0]: chain: it has no family, table or name'
refuses rule-without-chain \
	'{ "nftables": [ { "rule": { "family": "ip", "table": "t", "chain": "c" } } ] }' \
	"nftables[0]: rule: there is no chain 'c' in table ip t"

# Random rulesets against a plain interpreter of both sides; rulesets with mistakes in them.
for script in oracle fuzz; do
	if ! command -v python3 >"$scratch/python"; then
		echo "ok $script # SKIP no python3"
		continue
	fi
	VISORD=$visord timeout 60 python3 -B "./$script.py" "$visorctl" "${IMPORT_SECONDS:-4}" >"$scratch/said" 2>&1
	status=$?
	sed 's/^#* */# /' "$scratch/said"
	result $status "$script"
done
exit $failed
