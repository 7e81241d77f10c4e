#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A kernel for the virtual machine, from Debian's backports: AF_XDP zero-copy on virtio needs 6.16,
# Debian 13 has 6.12. Packages are downloaded and unpacked into a cache; nothing is installed on the
# host, and what is in the cache is used without asking the network again.
#
#   kernel.sh      the folder with vmlinuz, version and modules/*.ko, on stdout
#
# Status 77 with a reason on stderr where there is none to be had.
# VISOR_VM_CACHE: where to keep them (~/.cache/visor/vm); VISOR_VM_MIRROR: a Debian mirror, else the
# one that apt uses here; VISOR_VM_SUITE: trixie-backports.
set -euo pipefail
cache=${VISOR_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/visor/vm}
suite=${VISOR_VM_SUITE:-trixie-backports}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
modules=(net/core/failover drivers/net/net_failover drivers/net/virtio_net)
image=linux-image-cloud-amd64
target=$cache/cloud

none() {
	echo "$*" >&2
	exit 77
}
[ "$(uname -m)" = x86_64 ] || none "the virtual machine is for x86-64 hosts"
mkdir -p "$cache" 2>/dev/null || none "the cache folder $cache cannot be made"
exec 9>"$cache/lock"
flock -w 300 9 || none "another run has held $cache/lock for five minutes"
if [ -f "$target/version" ]; then
	echo "$target"
	exit 0
fi

for tool in apt-get apt-cache dpkg-deb xz; do
	command -v $tool >/dev/null || none "no kernel in $target, and no $tool to get one"
done
[ -r $keys ] || none "no kernel in $target, and no $keys to check one with"
mirror=${VISOR_VM_MIRROR:-$(apt-get indextargets --format '$(SITE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
	awk '$2 ~ /\/debian\/?$/ { print $2; exit }')}
[ -n "$mirror" ] || none "no kernel in $target, and apt knows no Debian mirror; set VISOR_VM_MIRROR"

work=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,archives/partial,debs,root,ready/modules}
echo "deb [signed-by=$keys] $mirror $suite main" >"$work/sources.list"
options=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
	-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work" -o Dir::State::status=/dev/null
	-o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=20
	-o APT::Sandbox::User=root -o APT::Update::Post-Invoke-Success::=true)
timeout 120 apt-get "${options[@]}" -o APT::Update::Error-Mode=any update >"$work/said" 2>&1 ||
	none "no kernel in $target, and $mirror $suite cannot be read: $(tail -n 1 "$work/said")"
version=$(apt-cache "${options[@]}" depends $image 2>/dev/null |
	sed -n 's/.*Depends: linux-image-\([0-9].*\)/\1/p' | head -n 1)
[ -n "$version" ] || none "$suite of $mirror has no $image"
# Older packages have all in one, newer ones three of them.
packages=()
for part in binary modules image; do
	[ "$part" = image ] && [ ${#packages[@]} -gt 0 ] && break
	apt-cache "${options[@]}" show "linux-$part-$version" >/dev/null 2>&1 && packages+=("linux-$part-$version")
done
(cd "$work/debs" && timeout 300 apt-get "${options[@]}" download "${packages[@]}" >"$work/said" 2>&1) ||
	none "${packages[*]} cannot be downloaded: $(tail -n 1 "$work/said")"
for package in "$work"/debs/*.deb; do
	dpkg-deb -x "$package" "$work/root"
done
vmlinuz=$(find "$work/root" -type f -name 'vmlinuz*' | head -n 1)
folder=$(find "$work/root" -type d -path '*/modules/*/kernel' -prune | head -n 1)
[ -n "$vmlinuz" ] && [ -n "$folder" ] || none "${packages[*]}: no vmlinuz or no modules in there"
cp "$vmlinuz" "$work/ready/vmlinuz"
n=10
for module in "${modules[@]}"; do # numbered, in the order to load them; what is missing is built in
	n=$((n + 1))
	if [ -f "$folder/$module.ko.xz" ]; then
		xz -dc "$folder/$module.ko.xz" >"$work/ready/modules/$n-${module##*/}.ko"
	fi
done
echo "$version" >"$work/ready/version"
rm -rf "$target"
mv "$work/ready" "$target"
echo "$target"
