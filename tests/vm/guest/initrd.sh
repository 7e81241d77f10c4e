#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The virtual machine's files, as an initramfs:  initrd.sh KERNEL_FOLDER OUT [PATH[=SOURCE]]…
# Every PATH is there under the same name (with SOURCE's contents), with the shared libraries that it
# needs; `guest` as well under /usr/sbin.
set -euo pipefail
kernel=$1 out=$2
shift 2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bb,mnt,modules,usr/sbin,usr/bin,usr/lib,usr/lib64}
ln -s usr/sbin "$root/sbin"
ln -s usr/bin "$root/bin"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
cp "$(command -v busybox)" "$root/bb/busybox"
cp "$(dirname "$0")/init" "$root/init"
cp "$kernel"/modules/* "$root/modules"
# put SOURCE PATH
put() {
	mkdir -p "$root$(dirname "$2")"
	[ -e "$root$2" ] || cp -L "$1" "$root$2"
}
for entry; do
	path=${entry%%=*} source=${entry#*=}
	put "$source" "$path"
	for library in $(ldd "$source" 2>/dev/null | grep -o '/[^ ]*' || true); do
		put "$library" "$library"
	done
done
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$out"
