/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's surroundings in plain memory: frames from malloc (of exactly the packet's size, so
 * that a sanitizer sees each byte read too far), a FIB with real lookup tables and hand-made next
 * hops, and a TX ring that keeps what was sent. For tests of what runs on the data path.
 *
 * The network that support_new() builds:
 *   slot 0 "lan"  port 0  10.0.0.1/24    2001:db8:1::1/64  fe80::1   02:00:00:00:00:01
 *   slot 1 "wan"  port 1  192.0.2.1/24   2001:db8:2::1/64  fe80::2   02:00:00:00:00:02
 *   the subnets are on-link, own addresses local, 10.0.0.255 and 192.0.2.255 broadcast;
 *   neighbours 10.0.0.5, 192.0.2.5, 2001:db8:1::5, 2001:db8:2::5 are known
 *   default routes: HOP_WAN, via 192.0.2.254 and fe80::254 on slot 1
 */
#ifndef VISOR_SUPPORT_PACKET_H
#define VISOR_SUPPORT_PACKET_H

#include "src/datapath.h"

#define LAN 0
#define WAN 1
#define SUPPORT_FRAME 2048
#define SUPPORT_NEIGHBOURS 64
#define SUPPORT_HOPS 512
#define SUPPORT_SENT 1024

enum {
	HOP_NONE,
	HOP_WAN,
	HOP_WAN6,
	HOP_LAN_LINK,
	HOP_WAN_LINK,
	HOP_LOCAL,
	HOP_BROADCAST,
	HOP_TEST
};

struct nf;

struct sent {
	uint8_t *data; /* the Ethernet header */
	uint32_t len;
	uint16_t port, iface;
	uint16_t l3;
};

struct support {
	struct datapath dp;
	struct datapath_counters counters;
	struct fib fib;
	const struct nexthop *nexthops[SUPPORT_HOPS];
	struct nexthop hop[SUPPORT_HOPS];
	const struct interface *slots[IFACE_MAX];
	struct interface iface[4];
	unsigned n_neighbours;
	struct nexthop neighbour[SUPPORT_NEIGHBOURS];
	unsigned n_asked;
	struct {
		uint16_t iface;
		struct ip_addr addr;
	} asked[1024];
	unsigned n_events;
	struct datapath_event events[64]; /* the last ones */
	unsigned n_sent;
	struct sent sent[SUPPORT_SENT];
	/* called for each packet that datapath_finish() is done with; may be NULL */
	void (*finished)(struct support *s, const struct packet *p);
	unsigned frames_left;
	void **memory;
	unsigned n_memory;
};

struct support *support_new(void);
void support_free(struct support *s);

struct ip_addr support_addr(const char *text);
/* Set up hop `id`; gateway NULL: none. A FORWARD hop's MAC address is 02:aa:…:id. */
struct nexthop *support_hop(struct support *s, uint32_t id, enum nexthop_kind kind, uint16_t iface,
			    const char *gateway);
/* "prefix/len" to a hop; 0 removes the route. */
void support_route(struct support *s, const char *prefix, uint32_t id);
/* A neighbour's entry becomes (or is) of this kind; NEXTHOP_NONE: it goes. */
void support_neighbour(struct support *s, uint16_t iface, const char *addr, enum nexthop_kind kind);

/* A packet to build: addresses decide the family. What is 0 has a sensible value. */
struct probe {
	const char *from, *to;
	uint8_t ttl;	       /* 64 */
	uint8_t protocol;      /* UDP */
	uint16_t ip_len;       /* of the whole datagram: 100 */
	uint16_t fragment;     /* IPv4: the 16 bits of flags and offset */
	uint16_t id;	       /* 0x1234 */
	uint8_t icmp_type;     /* with ICMP */
	uint16_t sport, dport; /* 1000, 2000 */
	uint8_t tcp_flags;     /* with TCP: a header of 20 bytes with these, and */
	uint32_t seq, ack;
	uint16_t window;
	uint16_t icmp_id; /* with ICMP */
	uint16_t vlan, outer_vlan;
	const char *options; /* IPv4 options or IPv6 extension headers, as they stand */
	unsigned options_len;
	uint8_t extension; /* IPv6: protocol number of the first extension header */
	bool group;	   /* Ethernet broadcast */
};

/* Write the frame; returns its length. */
uint32_t support_build(const struct probe *probe, uint8_t *frame);

/* A packet descriptor over a copy of `frame` in memory of its own. */
struct packet *support_packet(struct support *s, const uint8_t *frame, uint32_t len,
			      uint16_t iface);
struct packet *support_probe(struct support *s, const struct probe *probe, uint16_t iface);

/* What a worker does with a burst: parse, the function, finish, flush. Verdicts and reasons stay
 * to be read in the descriptors. */
void support_run(struct support *s, struct nf *nf, struct packet **packets, unsigned n);

/* The same through a whole chain. */
struct chain;
void support_run_chain(struct support *s, const struct chain *chain, struct packet **packets,
		       unsigned n);

/* received + originated = transmitted + drops + waiting + held */
bool support_balanced(const struct support *s);

/* RFC 1071 in its simplest form, host order; 0 over data that contains its right checksum. */
uint16_t support_checksum(const uint8_t *data, uint32_t len, uint32_t sum);
/* IPv4 header checksum, and that of ICMP, ICMPv6, UDP or TCP behind it, are right. */
bool support_checksums_good(const uint8_t *ip, uint32_t len);

#endif
