/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flow: both directions of a conversation in one object, and what is remembered of it.
 *
 * Direction 0 (*original*) is that of the packet that opened the flow, direction 1 is the *reply*.
 * key[0] is the five-tuple of an original packet as it comes in, key[1] that of a reply as it comes
 * in. Without translation key[1] is key[0] turned round. With it, it is not, and that is all there
 * is to remember: an original packet leaves as key[1] turned round, a reply as key[0] turned round.
 *
 * Ports: TCP, UDP, SCTP … the wire's. An ICMP echo request is from "port" id to 0 and its reply from
 * 0 to id, so that translating the identifier is translating a port. Others: 0.
 *
 * Layout. A flow is spread over parallel arrays by how often its parts are touched, so that a packet
 * costs one line to read and one to count in:
 *
 *   hot      64 bytes (narrow: IPv4) or 128 (wide)   keys, route, policy, state, TCP windows
 *   counters 32 bytes                                packets and bytes, each direction
 *   cold     20 bytes                                timer, age, rule: opened, closed, shown
 *   index    12 bytes                                two entries (flow_index.h)
 *
 * which is 128 bytes for an IPv4 flow and 192 for an IPv6 flow. Wide flows also hold what IPv4
 * flows seldom need: a translation between the families, a sequence number offset (SYN proxy), an
 * encapsulation. Their IPv4 addresses are IPv4-mapped.
 *
 * Who writes. The worker that opens a flow is its *owner* and the only one that links it into its
 * timing wheel and gives its memory back. Any worker may meet packets of either direction, on two
 * workers at once: every field is a naturally aligned word that is stored whole (relaxed); what a
 * packet of direction d changes in `tcp` has index d, so the two directions write different words;
 * `state` changes by compare-and-swap (flow_state_change()). A flow that has ended is taken out of
 * the index, and its memory is used again only after each worker has passed a quiescent state, so a
 * reference from a lookup is good until the burst ends.
 */
#ifndef VISOR_FLOW_H
#define VISOR_FLOW_H

#include <linux/types.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum flow_direction { FLOW_ORIGINAL = 0, FLOW_REPLY = 1 };

/* A reference: 0 is none. Lookups return the direction with it. */
#define FLOW_WIDE 0x80000000u	   /* in the wide array */
#define FLOW_DIRECTION 0x40000000u /* set: the key that was found is the reply's */
#define FLOW_INDEX 0x3fffffffu	   /* index in its array, from 1 on */
#define FLOW_MAX 0x3ffffffeu

static inline enum flow_direction flow_direction(uint32_t ref)
{
	return ref & FLOW_DIRECTION ? FLOW_REPLY : FLOW_ORIGINAL;
}

static inline uint32_t flow_handle(uint32_t ref)
{
	return ref & ~FLOW_DIRECTION;
}

/* The state of the protocol; decides the time-out, and who goes first when the table is full. */
enum flow_state {
	FLOW_FREE = 0, /* the memory belongs to no flow */
	FLOW_DEAD,     /* ended: out of the index or on its way, or not used again yet;
			* its packets are misses */
	FLOW_TCP_SYN_SENT,
	FLOW_TCP_SYN_RECEIVED,
	FLOW_TCP_ESTABLISHED,
	FLOW_TCP_FIN_WAIT,  /* one side has sent FIN */
	FLOW_TCP_CLOSING,   /* both have */
	FLOW_TCP_TIME_WAIT, /* both, and both are acknowledged */
	FLOW_TCP_CLOSED,    /* reset */
	FLOW_TCP_LOOSE,	    /* picked up in mid-stream, only one side seen so far */
	FLOW_TCP_PROXY,	    /* the client has proved itself to the SYN proxy, the server not yet */
	FLOW_UDP_NEW,
	FLOW_UDP_REPLIED,
	FLOW_ICMP_NEW,
	FLOW_ICMP_REPLIED,
	FLOW_SCTP_NEW,
	FLOW_SCTP_ESTABLISHED,
	FLOW_SCTP_SHUTDOWN,
	FLOW_OTHER_NEW,
	FLOW_OTHER_REPLIED,
	FLOW_STATES
};

/* flow_head.flags */
#define FLOW_TRANSLATED 0x01   /* key[1] is not key[0] turned round */
#define FLOW_ASSURED 0x02      /* established in earnest: the last to go when the table is full */
#define FLOW_SEQ_OFFSET 0x04   /* wide: sequence numbers are rewritten by seq_offset */
#define FLOW_ENCAPSULATED 0x08 /* wide: `action` names what is put around original packets */
#define FLOW_LOOSE 0x10	       /* opened by a packet in mid-stream */
#define FLOW_ONE_WAY 0x20      /* replies do not come this way (DSR): no TCP windows */
#define FLOW_PENDING 0x40      /* the table's: not inserted yet, not to be found */
#define FLOW_ABORTED 0x80      /* the table's: an insertion that has to look around again */

/* Sequence space, by direction of the packets that write it (RFC 9293; the idea is van Rooij's
 * "Real stateful TCP packet filtering", 2001). What the other side may send is bounded by the highest
 * acknowledgement and the largest window together: never less than the exact bound, and the
 * acknowledgement alone says which sequence number a reset must have. Other protocols keep what they
 * need in the same words (flow_track.c, flow_sctp.c). */
struct flow_tcp {
	uint32_t end[2];	/* one past the highest sequence number that was sent */
	uint32_t acked[2];	/* highest acknowledgement that was sent */
	uint16_t max_window[2]; /* largest window that was announced, unscaled */
};

struct flow_head {
	uint64_t route;	 /* flow_route.h: next hops of both directions and their generation */
	uint32_t policy; /* generation of the policy that it was last asked for */
	uint16_t seen;	 /* low bits of the time of the last packet, FLOW_TICK_NS each */
	uint8_t state;	 /* enum flow_state */
	uint8_t flags;
	struct flow_tcp tcp;
	uint8_t tcp_scale; /* window shift, 4 bits each, direction 0 low; 15: none or not known */
	uint8_t tcp_seen;  /* flow_tcp.c's */
	uint8_t protocol;
	uint8_t owner; /* worker */
};

/* Addresses and ports as they stand in a packet, source first. */
struct flow_tuple4 {
	__be32 source, destination;
	__be16 sport, dport;
};

struct flow_tuple6 {
	struct in6_addr source, destination;
	__be16 sport, dport;
};

struct flow4 {
	struct flow_head head;
	struct flow_tuple4 key[2];
};
_Static_assert(sizeof(struct flow_head) == 40, "a narrow flow is one cache line");
_Static_assert(sizeof(struct flow4) == 64, "a narrow flow is one cache line");

struct flow6 {
	struct flow_head head;
	uint8_t family[2];   /* 4 or 6, of key[]: they differ where families are translated */
	uint8_t protocol[2]; /* of key[]: so do ICMP's numbers then */
	uint8_t scale[2]; /* FLOW_SEQ_OFFSET: the server's window scale, and what the client was told */
	uint8_t spare[2];
	struct flow_tuple6 key[2];
	uint32_t seq_offset; /* server's sequence number - the one that the client knows */
	uint32_t action;     /* FLOW_ENCAPSULATED: the function's own number for it */
};
_Static_assert(sizeof(struct flow6) == 128, "a wide flow is two cache lines");

/* Each direction is counted by the worker that meets it. */
struct flow_counters {
	uint64_t packets[2], bytes[2]; /* bytes: IP datagrams' */
};

struct flow_cold {
	uint32_t next, prev;	/* in the owner's wheel */
	uint32_t seen, created; /* ticks */
	uint32_t label : 22;	/* flow_label.h: the rule that let it in; 0 none */
	uint32_t iface : 10;	/* slot of the interface that its first packet came in by */
};
_Static_assert(sizeof(struct flow_cold) == 20, "128 and 192 bytes a flow");

/* Time is kept in ticks of about a quarter second; 32 bits of them are 36 years. */
#define FLOW_TICK_SHIFT 28
#define FLOW_TICK_NS (1ull << FLOW_TICK_SHIFT)

static inline uint32_t flow_ticks(uint64_t ns)
{
	return (uint32_t)(ns >> FLOW_TICK_SHIFT);
}

/* A key to look for, or half of a flow to make. Both families: IPv4 in v4, IPv6 in v6. */
struct flow_key {
	union {
		struct flow_tuple4 v4;
		struct flow_tuple6 v6;
	};
	uint8_t family; /* 4 or 6 */
	uint8_t protocol;
	uint8_t spare[6]; /* 0 */
};

/* The key of the packets that answer those of `key`. */
static inline struct flow_key flow_key_turned(const struct flow_key *key)
{
	struct flow_key turned = *key;

	if (key->family == 4)
		turned.v4 = (struct flow_tuple4){ key->v4.destination, key->v4.source,
						  key->v4.dport, key->v4.sport };
	else
		turned.v6 = (struct flow_tuple6){ key->v6.destination, key->v6.source,
						  key->v6.dport, key->v6.sport };
	return turned;
}

/* From one state to another; false: it was not in `from` any more. Any worker. */
static inline bool flow_state_change(struct flow_head *head, uint8_t from, uint8_t to)
{
	return __atomic_compare_exchange_n(&head->state, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static inline uint8_t flow_state(const struct flow_head *head)
{
	return __atomic_load_n(&head->state, __ATOMIC_RELAXED);
}

#endif
