/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams under way, as reassembly sees them: which pieces of each have come. One worker's.
 *
 * Pieces are kept one by one and in order, not merged: only so can an exact duplicate, which the
 * network makes by itself (RFC 8200 4.5), be told from an overlap, which it does not.
 *
 * Each datagram is in the hash table under its key and, by its state, in one of several lists from
 * the oldest to the newest. `since_ns` is the time at which it entered the list, so that the oldest
 * is always the next to expire. The hash is keyed with a secret: who sends fragments cannot choose
 * their bucket.
 */
#ifndef VISOR_REASSEMBLY_DATAGRAM_H
#define VISOR_REASSEMBLY_DATAGRAM_H

#include <netinet/in.h>

#include "packet.h"
#include "reassembly.h"

/* RFC 791: addresses, protocol and identification; RFC 8200 4.5: the same without protocol. */
struct datagram_key {
	struct in6_addr from, to; /* IPv4: ::ffff:a.b.c.d */
	uint32_t id;
	uint8_t family;
	uint8_t protocol; /* IPv6: 0 */
	uint8_t zero[2];
};
_Static_assert(sizeof(struct datagram_key) == 40, "compared and hashed as bytes");

/* What a fragment says of itself. */
struct fragment {
	struct datagram_key key;
	uint32_t start, end; /* bytes of the datagram's fragmentable part; end <= 65535 */
	bool more;
	bool tiny; /* its header is cut in two */
};

enum datagram_state {
	DATAGRAM_WAITING,  /* for its first fragment */
	DATAGRAM_DECIDING, /* its first fragment is in the burst at hand */
	DATAGRAM_PASSED,   /* its first fragment was let through */
	DATAGRAM_DEAD,	   /* all of it is dropped, for `reason` */
	DATAGRAM_STATES
};

struct datagram {
	struct datagram_key key;
	uint32_t bucket;
	uint8_t state;	  /* enum datagram_state */
	uint8_t protocol; /* of the first fragment, behind IPv6 extension headers */
	__be16 sport, dport;
	uint16_t reason;
	uint64_t since_ns;
	struct datagram *next;			 /* in its bucket, or free */
	struct datagram *older, *newer;		 /* in its state's list */
	struct packet *first;			 /* DECIDING: to look its verdict up */
	uint16_t oldest_held, newest_held, held; /* reassembly.c's */
	uint16_t pieces;
	uint16_t covered; /* by them, in eights */
	uint32_t reach;	  /* furthest end of a piece, in bytes */
	uint32_t total;	  /* bytes, once the last fragment has come; 0: not yet */
	struct {
		uint16_t start, end; /* in eights; the last one's end is rounded up */
	} piece[REASSEMBLY_PIECES_MAX];
};

struct datagram_list {
	struct datagram *oldest, *newest;
};

struct datagram_table {
	uint64_t seed;
	uint32_t mask; /* of the buckets */
	uint32_t count;
	struct datagram **bucket;
	struct datagram *memory, *free;
	struct datagram_list list[DATAGRAM_STATES];
};

/* Read p, which has PKT_FRAGMENT. DROP_NONE, or the reason to drop this packet alone. */
uint16_t fragment_read(const struct packet *p, struct fragment *fragment);

/* control */
int datagram_table_new(struct datagram_table *table, uint32_t datagrams, uint64_t seed);
void datagram_table_free(struct datagram_table *table);

struct datagram *datagram_find(const struct datagram_table *table, const struct datagram_key *key);
/* A new one, WAITING, without pieces. There has to be a free one. */
struct datagram *datagram_add(struct datagram_table *table, const struct datagram_key *key,
			      uint64_t now_ns);
void datagram_move(struct datagram_table *table, struct datagram *d, enum datagram_state to,
		   uint64_t now_ns);
/* Forget it. */
void datagram_remove(struct datagram_table *table, struct datagram *d);

/* One more piece. DROP_NONE; DROP_FRAGMENT_DUPLICATE: it changes nothing; any other reason: the
 * datagram makes no sense any more. */
uint16_t datagram_piece(struct datagram *d, const struct fragment *fragment);

static inline bool datagram_complete(const struct datagram *d)
{
	return d->total && d->covered == (d->total + 7) / 8;
}

#endif
