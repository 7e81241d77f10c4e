/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compact store of one family's routes: a hash from prefix to its candidates.
 *
 * A full Internet table is a million prefixes with one candidate each, so the record is what
 * matters: 16 bytes for IPv4, 28 for IPv6, plus 4 of the bucket array. What routes share is held
 * once elsewhere and named by a 24-bit id: where they lead (nexthop.h) and table, metric, protocol
 * and preferred source (struct route_attr). Records live in chunks that never move and are named
 * by 32-bit index; the hash is a linear one (Litwin 1980): each insertion splits at most one
 * bucket, so no single change pays for all routes.
 *
 * The candidates of one prefix, its *run*, stand one behind the other in their bucket's chain, the
 * preferred first. All: control thread.
 */
#ifndef VISOR_ROUTE_TABLE_H
#define VISOR_ROUTE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTE_SEEN 0x01	     /* this resync has met it (== the table's epoch bit) */
#define ROUTE_SHARED 0x02    /* its run has other members */
#define ROUTE_INSTALLED 0x04 /* it is what the LPM table has for the prefix */
#define ROUTE_DOOMED 0x08    /* to be removed as soon as memory allows */

struct route {
	uint32_t next; /* index, 0 end */
	uint32_t path : 24, flags : 8;
	uint32_t attr : 24, len : 8;
	uint32_t key[]; /* IPv4: one word in host order; IPv6: the 16 bytes of the address */
};

struct route_table {
	unsigned words; /* of a key: 1 or 4 */
	uint32_t size;	/* bytes of a record */
	uint8_t **chunk;
	uint32_t n_chunks;
	uint32_t top; /* records ever handed out; 0 is never one */
	uint32_t free_head;
	uint32_t count;
	uint32_t shared; /* records with ROUTE_SHARED */
	uint32_t *bucket;
	uint32_t n_buckets, bucket_room;
	uint64_t seed;
};

int route_table_init(struct route_table *t, unsigned words);
void route_table_fini(struct route_table *t);
size_t route_table_bytes(const struct route_table *t);

/* The record with this index, 1..top; one whose `path` is 0 is free. */
#define ROUTE_CHUNK_BITS 12
static inline struct route *route_table_at(const struct route_table *t, uint32_t index)
{
	uint32_t in_chunk = index & ((1u << ROUTE_CHUNK_BITS) - 1);

	return (struct route *)(void *)(t->chunk[index >> ROUTE_CHUNK_BITS] +
					(size_t)in_chunk * t->size);
}

/* Index of the first candidate of the prefix, 0 when there is none. */
uint32_t route_table_find(const struct route_table *t, const uint32_t *key, unsigned len);

/* The next candidate of the same prefix, 0 at the end. */
uint32_t route_table_next(const struct route_table *t, uint32_t index);

/* A new candidate, before the first one that `before` says it comes before. Returns its index, 0
 * where memory fails. flags are 0 (and SHARED as due). */
uint32_t route_table_add(struct route_table *t, const uint32_t *key, unsigned len, uint32_t path,
			 uint32_t attr,
			 bool (*before)(const struct route *a, const struct route *b, void *arg),
			 void *arg);
/* Move it to its place after its attr has changed. */
void route_table_reorder(struct route_table *t, uint32_t index,
			 bool (*before)(const struct route *a, const struct route *b, void *arg),
			 void *arg);
void route_table_del(struct route_table *t, uint32_t index);

#endif
