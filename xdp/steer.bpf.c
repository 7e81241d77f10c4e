/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The steering program: one question per packet, the kernel's or the appliance's?
 *
 * To the kernel (XDP_PASS) go
 *   - what is not IPv4 or IPv6 below at most two VLAN tags (ARP, LLDP, STP, PPPoE, …),
 *   - Ethernet multicast and broadcast, IP multicast, the limited broadcast,
 *   - IPv6 link-local destinations, which no router may forward (RFC 4291 2.5.6),
 *   - neighbour discovery and MLD to a unicast address, with the hop limit that proves that they
 *     come from this link (255, RFC 4861 7.1; 1, RFC 3810 5). With any other hop limit they are
 *     packets in transit, and passing those would let them around the appliance's functions,
 *   - the host's own addresses and its networks' directed broadcasts.
 * All other unicast IP goes to the AF_XDP socket of the queue that received it, or takes the
 * fallback where there is none: the daemon has not come up yet, or is gone, however it ended.
 *
 * There is no policy here, and no header is validated: what claims to be IP and cannot be read
 * goes to the socket too, because there it is dropped under a name instead of disappearing.
 *
 * Headers are read from the first buffer alone, so the program is right for multi-buffer packets
 * without asking for their other buffers, and the daemon may load it with BPF_F_XDP_HAS_FRAGS.
 *
 * The addresses are two hash tables, one a family, behind one small bitmap that keeps packets in
 * transit from being looked up at all. Only packets that the sockets never see are counted.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "steer.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_config);
} visor_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STEER_QUEUES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} visor_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_LOCAL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32);
	__type(value, __u32);
} visor_local4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STEER_LOCAL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct in6_addr);
	__type(value, __u32);
} visor_local6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_filter);
} visor_filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} visor_counters SEC(".maps");

struct vlan_tag {
	__be16 tci;
	__be16 protocol;
};

/* Where a packet goes: to its socket, or to the kernel under one of the counters. */
#define TO_SOCKET STEER_COUNTERS

static __always_inline void count(__u32 which)
{
	__u64 *counter = bpf_map_lookup_elem(&visor_counters, &which);

	if (counter)
		(*counter)++;
}

static __always_inline int to_socket(struct xdp_md *ctx)
{
	const struct steer_config *config;
	__u32 fallback = XDP_PASS, zero = 0;
	int action;

	config = bpf_map_lookup_elem(&visor_config, &zero);
	if (config)
		fallback = config->fallback;
	action = bpf_redirect_map(&visor_sockets, ctx->rx_queue_index, fallback & 3);
	if (action != XDP_REDIRECT)
		count(STEER_COUNT_FALLBACK);
	return action;
}

static __always_inline bool is_tag(__be16 protocol)
{
	return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD);
}

static __always_inline bool maybe_local(__u64 high, __u64 low)
{
	const struct steer_filter *filter;
	__u32 bit = steer_filter_bit(high, low), zero = 0;

	filter = bpf_map_lookup_elem(&visor_filter, &zero);
	return filter && filter->word[bit / 64] >> (bit % 64) & 1;
}

static __always_inline bool is_local4(__be32 addr)
{
	return maybe_local(0, addr) && bpf_map_lookup_elem(&visor_local4, &addr);
}

static __always_inline bool is_local6(const struct in6_addr *addr)
{
	__u64 half[2];

	__builtin_memcpy(half, addr, sizeof(half));
	return maybe_local(half[0], half[1]) && bpf_map_lookup_elem(&visor_local6, addr);
}

static __always_inline __u32 steer_ipv4(const struct iphdr *ip, const void *end)
{
	__be32 to;

	if ((const void *)(ip + 1) > end)
		return TO_SOCKET;
	to = ip->daddr;
	if ((to & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || to == bpf_htonl(0xffffffff))
		return STEER_COUNT_OTHER;
	if (is_local4(to))
		return STEER_COUNT_LOCAL;
	return TO_SOCKET;
}

/* ND or MLD of this link? MLD stands behind a hop-by-hop header with its router alert. */
static __always_inline bool is_link_control(const struct ipv6hdr *ip, const void *end)
{
	const __u8 *next = (const __u8 *)(ip + 1);
	__u8 protocol = ip->nexthdr;

	if (protocol == IPPROTO_HOPOPTS) {
		if ((const void *)(next + 8) > end)
			return false;
		protocol = next[0];
		next += 8 + 8 * (__u32)next[1];
	}
	if (protocol != IPPROTO_ICMPV6 || (const void *)(next + 1) > end)
		return false;
	switch (*next) {
	case 130 ... 132: /* MLD query, report, done */
	case 143: /* MLDv2 report */ return ip->hop_limit == 1;
	case 133 ... 137: /* router and neighbour solicitation and advertisement, redirect */
		return ip->hop_limit == 255;
	default: return false;
	}
}

static __always_inline __u32 steer_ipv6(const struct ipv6hdr *ip, const void *end)
{
	if ((const void *)(ip + 1) > end)
		return TO_SOCKET;
	if (ip->daddr.s6_addr[0] == 0xff)
		return STEER_COUNT_OTHER;
	if (ip->daddr.s6_addr[0] == 0xfe && (ip->daddr.s6_addr[1] & 0xc0) == 0x80)
		return STEER_COUNT_OTHER;
	if (is_local6(&ip->daddr))
		return STEER_COUNT_LOCAL;
	if (is_link_control(ip, end))
		return STEER_COUNT_OTHER;
	return TO_SOCKET;
}

static __always_inline __u32 steer_packet(struct xdp_md *ctx)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)(long)ctx->data;
	const void *next = eth + 1;
	__be16 protocol;

	if (next > end || eth->h_dest[0] & 1)
		return STEER_COUNT_OTHER;
	protocol = eth->h_proto;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		const struct vlan_tag *tag = next;

		if (!is_tag(protocol))
			break;
		if ((const void *)(tag + 1) > end)
			return STEER_COUNT_OTHER;
		protocol = tag->protocol;
		next = tag + 1;
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return steer_ipv4(next, end);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return steer_ipv6(next, end);
	return STEER_COUNT_OTHER;
}

SEC("xdp")
int visor_steer(struct xdp_md *ctx)
{
	__u32 to = steer_packet(ctx);

	if (to == TO_SOCKET)
		return to_socket(ctx);
	count(to);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
