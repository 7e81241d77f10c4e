#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Configurations and exactly what `visord --check` says about them: NAME.in and NAME.ok, in which
# the file is called FILE. `run.sh --update` writes the .ok files anew; read the diff.
# Prints "ok NAME" or "not ok NAME" for each; what differs goes before it, as comments.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
visord=${VISORD:-$build/visord}
export LC_ALL=C
failed=0

if [ ! -x "$visord" ]; then
	echo "no $visord: run make"
	exit 77
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

result() { # STATUS NAME
	if [ "$1" = 0 ]; then
		echo "ok $2"
	else
		echo "not ok $2"
		failed=1
	fi
}

# check FILE: what is said about it, and the exit status where that does not fit to it.
check() {
	local said status
	said=$(timeout 30 "$visord" --check "$1" 2>&1)
	status=$?
	printf '%s\n' "$said" | sed "s|$1|FILE|g"
	case $status:$said in
	"0:$1: ok" | 1:*" mistake" | 1:*" mistakes") ;;
	*) echo "exit status $status" ;;
	esac
}

# same NAME EXPECTED-FILE GOT-FILE
same() {
	diff "$2" "$3" >"$scratch/diff"
	local status=$?
	sed 's/^/# /' "$scratch/diff"
	result $status "$1"
}

# says NAME FILE EXPECTED
says() {
	check "$2" >"$scratch/got"
	printf '%s\n' "$3" >"$scratch/expected"
	same "$1" "$scratch/expected" "$scratch/got"
}

cd "$here" || exit 1
for input in *.in; do
	name=${input%.in}
	if [ "${1:-}" = --update ]; then
		check "$input" >"$name.ok"
		continue
	fi
	check "$input" >"$scratch/got"
	same "$name" "$name.ok" "$scratch/got"
done
[ "${1:-}" != --update ] || exit 0

# The shipped examples.
for example in "$root"/config/*.cfg; do
	says "example-$(basename "$example" .cfg)" "$example" "FILE: ok"
done
lines=$(grep -cvE '^[[:space:]]*(#|$)' "$root/config/router.cfg")
[ "$lines" -lt 10 ]
result $? example-router-is-under-ten-lines

# full.cfg has every key of every section that is in it.
"$visord" --reference | awk -v full="$root/config/full.cfg" '
	BEGIN { while ((getline line < full) > 0) { sub(/#.*/, "", line); text = text " " line } }
	/^[a-z]/ { section = text ~ ("(^|[^a-z_])" $1 " *=") }
	/ = / && section && text !~ ("(^|[^a-z_])" $1 " *=") { print "# " $1 " is not there"; bad = 1 }
	END { exit bad }'
result $? example-full-has-every-key

# The reference is made from the same tables as the checks; the manual page is made of it.
"$visord" --reference=troff >"$scratch/reference"
grep -qF '.B "rx_ring = NUMBER;"' "$scratch/reference"
result $? reference-names-the-keys
sed -e "/^@REFERENCE@\$/{r $scratch/reference" -e 'd}' "$root/config/visord.conf.5.in" >"$scratch/visord.conf.5"
if command -v groff >"$scratch/groff"; then
	for page in "$scratch/visord.conf.5" "$root/config/visord.8"; do
		warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
		[ -z "$warnings" ] || printf '%s\n' "$warnings" | sed 's/^/# /'
		[ -z "$warnings" ]
		result $? "manual-$(basename "$page")"
	done
fi

# Files that do not belong into a repository.
says not-there "$scratch/none.cfg" "FILE: cannot read it: No such file or directory
FILE: 1 mistake"
says a-folder "$scratch" "FILE: cannot read it: it is a folder
FILE: 1 mistake"
mkfifo "$scratch/fifo"
says a-pipe "$scratch/fifo" "FILE: cannot read it: it is not a regular file
FILE: 1 mistake"
printf 'ports = ( );\n\nlog\0 = { };\n' >"$scratch/nul.cfg"
says nul-byte "$scratch/nul.cfg" "FILE:3: a NUL byte; this is no text file
FILE: 1 mistake"
truncate -s 67108865 "$scratch/large.cfg"
says too-large "$scratch/large.cfg" "FILE: cannot read it: it is too large: a configuration has at most 64 MiB
FILE: 1 mistake"
{ printf 'a = '; head -c 100000 /dev/zero | tr '\0' '('; } >"$scratch/deep.cfg"
says nested-deeply "$scratch/deep.cfg" 'FILE:1: brackets are nested more than 64 deep
FILE: 1 mistake'
seq -f 'a%g = 1;' 5000 >"$scratch/keys.cfg"
check "$scratch/keys.cfg" >"$scratch/got"
[ "$(head -n 1 "$scratch/got")" = 'FILE:4097: more than 4096 keys in one group' ]
result $? too-many-keys
{ echo 'routes = ('; seq -f '{ to = "%g"; },' 30000; echo ');'; } >"$scratch/many.cfg"
check "$scratch/many.cfg" >"$scratch/got"
[ "$(tail -n 2 "$scratch/got")" = "29002 more mistakes, not shown
FILE: 30002 mistakes" ]
result $? mistakes-are-bounded
for i in {0..10}; do echo "@include \"$((i + 1)).cfg\"" >"$scratch/$i.cfg"; done
echo '# the end' >"$scratch/11.cfg"
check "$scratch/0.cfg" >"$scratch/got"
[ "$(tail -n 2 "$scratch/got" | sed "s|$scratch/||g")" = \
	'10.cfg:1: @include "11.cfg": more than 10 files deep
FILE: 1 mistake' ]
result $? includes-nested-deeply
check "$scratch/1.cfg" >"$scratch/got"
! grep -q deep "$scratch/got"
result $? includes-nested-ten-deep
head -c 300000 /dev/urandom >"$scratch/random.cfg"
check "$scratch/random.cfg" >"$scratch/got"
! grep -q '^exit status' "$scratch/got"
result $? random-bytes
exit $failed
