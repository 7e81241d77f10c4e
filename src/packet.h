/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet and a burst of them, as the data path sees them.
 *
 * A *frame* is memory: a fixed-size, aligned piece of the UMEM. A *packet* is its contents. The
 * descriptor below stands beside the packet: the parser fills it once per packet and nothing
 * parses again. One descriptor is one cache line; it belongs to the worker that holds the packet.
 *
 * Multi-buffer packets (MTU larger than a frame): `data` is in the first frame; the further
 * frames are listed, in order, in the first frame's own headroom (struct packet_segments at the
 * frame's base), so that the list travels with the packet and costs nothing where it is not used.
 *
 * Byte order: fields here are host order; the packet's bytes are wire order.
 */
#ifndef VISOR_PACKET_H
#define VISOR_PACKET_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#define BURST_MAX 64
#define PACKET_SEGMENTS_MAX 17 /* further frames of one packet; the kernel's MAX_SKB_FRAGS */

enum packet_verdict {
	PACKET_CONTINUE = 0, /* the next function of the chain sees it */
	PACKET_TX,	     /* leave by `out_port`: headers are complete */
	PACKET_DROP,	     /* counted under `reason`, the frame goes back */
	PACKET_STOLEN,	     /* somebody else owns the frame now (waits for a neighbour …) */
};

/* packet.flags */
#define PKT_FRAGMENT 0x01	/* an IPv4/IPv6 fragment (first or later) */
#define PKT_LATER_FRAGMENT 0x02 /* offset > 0: no L4 header here, l4 is the payload's offset */
#define PKT_IP_OPTIONS 0x04	/* IPv4 options, or an IPv6 hop-by-hop header, are present */
#define PKT_SOURCE_ROUTE 0x08	/* LSRR/SSRR, or an IPv6 routing header type 0 */
#define PKT_ORIGINATED 0x10	/* made here (ICMP errors, fragments), not received */
#define PKT_L4_COMPLETE 0x20	/* the L4 header's fixed part is inside the first frame */
#define PKT_NO_ERROR 0x40 /* never answer with an ICMP error (RFC 1122 3.2.2, RFC 4443 2.4 e) */
#define PKT_L2_GROUP 0x80 /* came in as link-layer multicast or broadcast */

/* packet.marks */
#define PKT_NEW_SOURCE 0x02  /* its source address is a translation's, and may be our own */
#define PKT_REASSEMBLED 0x01 /* a fragment that reassembly let pass; sport, dport are set */

struct packet {
	uint8_t *data;	     /* the Ethernet header */
	uint32_t len;	     /* bytes from the Ethernet header on, over all frames */
	uint16_t first_len;  /* bytes of them in the first frame; == len without segments */
	uint8_t segments;    /* further frames, see struct packet_segments */
	uint8_t flags;	     /* PKT_* */
	uint16_t l3;	     /* offset of the IP header from data */
	uint16_t l4;	     /* offset of the L4 header from data */
	uint16_t ip_len;     /* the IP datagram's length by its own header (IPv6: 40 + payload) */
	uint8_t ip_version;  /* 4, 6, or 0 where it is no IP */
	uint8_t protocol;    /* upper-layer protocol after extension headers (IPPROTO_*) */
	uint16_t vlan;	     /* innermost VLAN id, 0 none */
	uint16_t outer_vlan; /* outer (802.1ad) VLAN id, 0 none */
	uint16_t iface;	     /* slot of the ingress interface in the interface table */
	uint16_t port;	     /* ingress port */
	uint32_t hash;	 /* flow hash: five-tuple, for fragments addresses+protocol; ECMP, spread */
	uint8_t verdict; /* enum packet_verdict */
	uint8_t marks;	 /* PKT_REASSEMBLED … */
	uint16_t reason; /* with PACKET_DROP: index of the drop counter */
	uint16_t out_port;   /* with PACKET_TX */
	uint16_t out_iface;  /* with PACKET_TX */
	uint32_t nexthop;    /* next-hop id once a route is known, 0 none */
	uint64_t rx_ns;	     /* time of the burst that it came with */
	uint32_t mtu;	     /* IP MTU towards the next hop, once a route is known */
	__be16 sport, dport; /* of a fragment's datagram, as flow.h has them (reassembly.h) */
};
_Static_assert(sizeof(struct packet) == 64, "a packet descriptor is one cache line");

struct packet_segments {
	uint64_t desc[PACKET_SEGMENTS_MAX]; /* UMEM address | (uint64_t)len << 48 */
};

/* A burst: up to BURST_MAX packets of one worker. Functions see only packets still to be decided. */
struct burst {
	unsigned count;
	struct packet *packet[BURST_MAX];
};

static inline void packet_drop(struct packet *p, uint16_t reason)
{
	p->verdict = PACKET_DROP;
	p->reason = reason;
}

static inline uint8_t *packet_l3(const struct packet *p)
{
	return p->data + p->l3;
}

static inline uint8_t *packet_l4(const struct packet *p)
{
	return p->data + p->l4;
}

#endif
