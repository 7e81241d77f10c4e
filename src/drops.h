/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drop reasons: every packet that does not leave is counted under exactly one name.
 *
 * The engine's own reasons are the list below. A function declares its names in
 * nf_ops.drop_reasons and is given a base when an instance is made; its counter is base + i and is
 * shown as "function:instance/name". Reasons are 16-bit indices into a per-worker array.
 */
#ifndef VISOR_DROPS_H
#define VISOR_DROPS_H

#include <stddef.h>
#include <stdint.h>

#define DROP_REASONS_MAX 1024

/* X(symbol, "name", "what happened, for a person") */
#define ENGINE_DROPS(X)                                                                            \
	X(DROP_NONE, "none", "not dropped")                                                        \
	X(DROP_NOT_IP, "not_ip", "neither IPv4 nor IPv6")                                          \
	X(DROP_TRUNCATED, "truncated", "shorter than its headers say")                             \
	X(DROP_IP4_HEADER, "ip4_header", "bad IPv4 version, header length or total length")        \
	X(DROP_IP4_CHECKSUM, "ip4_checksum", "IPv4 header checksum is wrong")                      \
	X(DROP_IP6_HEADER, "ip6_header", "bad IPv6 version or payload length")                     \
	X(DROP_IP6_EXTENSIONS, "ip6_extensions", "IPv6 extension headers malformed or misplaced")  \
	X(DROP_IP6_CHAIN, "ip6_chain", "more IPv6 extension headers than are walked")              \
	X(DROP_VLAN, "vlan_unknown", "a VLAN tag that no interface of the port carries")           \
	X(DROP_INTERFACE_DOWN, "interface_down", "the ingress interface is administratively down") \
	X(DROP_OTHER_HOST, "other_host", "for another MAC address than the interface's")           \
	X(DROP_NO_CHAIN, "no_chain", "no chain is configured for the ingress interface")           \
	X(DROP_END_OF_CHAIN, "end_of_chain", "every function passed it on and none sent it")       \
	X(DROP_NO_ROUTE, "no_route", "no route to the destination")                                \
	X(DROP_BLACKHOLE, "blackhole", "a blackhole route")                                        \
	X(DROP_UNREACHABLE, "unreachable", "an unreachable route")                                 \
	X(DROP_PROHIBIT, "prohibit", "a prohibit route")                                           \
	X(DROP_LOCAL, "local", "for an address of this host, but not steered to the kernel")       \
	X(DROP_BROADCAST, "broadcast", "directed broadcast or multicast")                          \
	X(DROP_NOT_A_PORT, "not_a_port", "the route leaves by a device that is not a port")        \
	X(DROP_EGRESS_DOWN, "egress_down", "the egress port or interface is down")                 \
	X(DROP_NEIGHBOUR_FAILED, "neighbour_failed", "the next hop does not answer ARP or ND")     \
	X(DROP_NEIGHBOUR_TIMEOUT, "neighbour_timeout", "waited too long for a neighbour")          \
	X(DROP_NEIGHBOUR_QUEUE, "neighbour_queue", "too many packets wait for a neighbour")        \
	X(DROP_TOO_BIG, "too_big", "larger than the egress MTU and may not be fragmented")         \
	X(DROP_FRAGMENTED, "fragmented", "sent on as fragments, each counted as originated")       \
	X(DROP_FRAGMENT_FAILED, "fragment_failed", "could not be fragmented")                      \
	X(DROP_FRAGMENT_OVERLAP, "fragment_overlap", "fragments of one datagram overlap")          \
	X(DROP_FRAGMENT_TINY, "fragment_tiny", "a first fragment without the whole header")        \
	X(DROP_FRAGMENT_LENGTH, "fragment_length", "a fragment of impossible length or offset")    \
	X(DROP_FRAGMENT_DUPLICATE, "fragment_duplicate", "a fragment that came already")           \
	X(DROP_FRAGMENT_TIMEOUT, "fragment_timeout", "waited too long for the first fragment")     \
	X(DROP_FRAGMENT_LIMIT, "fragment_limit", "too many fragments or datagrams under way")      \
	X(DROP_FRAGMENT_DENIED, "fragment_denied", "its datagram's first fragment was dropped")    \
	X(DROP_NO_FRAME, "no_frame", "no free frame")                                              \
	X(DROP_TX_FULL, "tx_full", "the egress queue is full")                                     \
	X(DROP_WORKER_RING_FULL, "worker_ring_full", "the ring to another worker is full")         \
	X(DROP_PORT_GONE, "port_gone", "the egress port went away with the packet queued")         \
	X(DROP_ICMP_RATE, "icmp_rate", "an own ICMP error or TCP reset beyond the rate limit")     \
	X(DROP_ICMP_NO_SOURCE, "icmp_no_source", "an own ICMP error without a source address")     \
	X(DROP_SEGMENTS, "segments", "a packet in more frames than are handled")                   \
	X(DROP_FLOW_TABLE_FULL, "flow_table_full", "no room for a new flow")                       \
	X(DROP_FLOW_CLASH, "flow_clash", "its reply key belongs to another flow")                  \
	X(DROP_FLOW_INVALID, "flow_invalid", "cannot be what its flow needs")                      \
	X(DROP_SYN_PROXY, "syn_proxy", "a handshake that the SYN proxy has answered")              \
	X(DROP_FLOWS_OFF, "flows_off", "the flow table is not there yet")                          \
	X(DROP_RX_INVALID, "rx_invalid", "a descriptor from the kernel that makes no sense")

enum drop_reason {
#define X(symbol, name, doc) symbol,
	ENGINE_DROPS(X)
#undef X
		DROP_ENGINE_COUNT
};

/* Register `names` (NULL-terminated) as "owner/name"; returns the base, or -ENOSPC. The same owner
 * with the same names gets the same base again, so counters survive a reload. control. */
int drops_register(const char *owner, const char *const *names);

/* How many reasons exist; control. */
unsigned drops_count(void);

/* Name ("not_ip", "router:main/ttl") and, for the engine's, explanation ("" otherwise); control. */
const char *drops_name(unsigned reason);
const char *drops_doc(unsigned reason);

#endif
