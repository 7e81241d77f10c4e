#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The same as docker.sh with what iptables' own translator makes of it: no extensions are left.
sh -eu ./docker.sh
iptables-save | iptables-restore-translate -f /dev/stdin >rules.tmp
nft flush ruleset
nft -f rules.tmp
rm rules.tmp
