/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams under way: table, lists and pieces. See reassembly_datagram.h. */
#include "reassembly_datagram.h"

#include <errno.h>
#include <stdlib.h>

#include "bytes.h"
#include "drops.h"
#include "mix.h"

static uint32_t bucket_of(const struct datagram_table *table, const struct datagram_key *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint64_t h = table->seed;

	for (unsigned at = 0; at < sizeof(*key); at += 8)
		h = mix64(h, bytes_load64(bytes + at));
	return (uint32_t)h & table->mask;
}

int datagram_table_new(struct datagram_table *table, uint32_t datagrams, uint64_t seed)
{
	uint32_t buckets = 1;

	while (buckets < datagrams)
		buckets *= 2;
	*table = (struct datagram_table){ .seed = seed, .mask = buckets - 1 };
	table->bucket = calloc(buckets, sizeof(struct datagram *));
	table->memory = calloc(datagrams, sizeof(*table->memory));
	if (!table->bucket || !table->memory) {
		datagram_table_free(table);
		return -ENOMEM;
	}
	for (uint32_t i = datagrams; i--;) {
		table->memory[i].next = table->free;
		table->free = &table->memory[i];
	}
	return 0;
}

void datagram_table_free(struct datagram_table *table)
{
	free(table->bucket);
	free(table->memory);
}

struct datagram *datagram_find(const struct datagram_table *table, const struct datagram_key *key)
{
	struct datagram *d = table->bucket[bucket_of(table, key)];

	while (d && memcmp(&d->key, key, sizeof(*key)))
		d = d->next;
	return d;
}

static void list_append(struct datagram_list *list, struct datagram *d)
{
	d->older = list->newest;
	d->newer = NULL;
	if (list->newest)
		list->newest->newer = d;
	else
		list->oldest = d;
	list->newest = d;
}

static void list_remove(struct datagram_list *list, struct datagram *d)
{
	if (d->older)
		d->older->newer = d->newer;
	else
		list->oldest = d->newer;
	if (d->newer)
		d->newer->older = d->older;
	else
		list->newest = d->older;
}

struct datagram *datagram_add(struct datagram_table *table, const struct datagram_key *key,
			      uint64_t now_ns)
{
	struct datagram *d = table->free;
	const uint32_t bucket = bucket_of(table, key);

	table->free = d->next;
	/* all but the pieces, of which there are none: their memory need not be touched */
	memset(d, 0, offsetof(struct datagram, piece));
	d->key = *key;
	d->bucket = bucket;
	d->state = DATAGRAM_WAITING;
	d->since_ns = now_ns;
	d->next = table->bucket[bucket];
	table->bucket[bucket] = d;
	table->count++;
	list_append(&table->list[DATAGRAM_WAITING], d);
	return d;
}

void datagram_move(struct datagram_table *table, struct datagram *d, enum datagram_state to,
		   uint64_t now_ns)
{
	list_remove(&table->list[d->state], d);
	d->state = (uint8_t)to;
	d->since_ns = now_ns;
	list_append(&table->list[to], d);
}

void datagram_remove(struct datagram_table *table, struct datagram *d)
{
	struct datagram **at = &table->bucket[d->bucket];

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	list_remove(&table->list[d->state], d);
	d->next = table->free;
	table->free = d;
	table->count--;
}

/* Does it contradict what is known of the length? The last fragment's end is the datagram's. */
static bool length_contradicts(const struct datagram *d, const struct fragment *f)
{
	return (d->total && f->end > d->total) || (!f->more && f->end < d->reach);
}

/* The first piece that does not begin before `start`. */
static unsigned position(const struct datagram *d, uint16_t start)
{
	unsigned low = 0, high = d->pieces;

	while (low < high) {
		const unsigned middle = (low + high) / 2;

		if (d->piece[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint16_t datagram_piece(struct datagram *d, const struct fragment *f)
{
	const uint16_t start = (uint16_t)(f->start / 8), end = (uint16_t)((f->end + 7) / 8);
	const unsigned at = position(d, start);
	const bool behind = at < d->pieces;

	if (length_contradicts(d, f))
		return DROP_FRAGMENT_LENGTH;
	if (behind && d->piece[at].start == start && d->piece[at].end == end)
		return DROP_FRAGMENT_DUPLICATE;
	if ((behind && d->piece[at].start < end) || (at && d->piece[at - 1].end > start))
		return DROP_FRAGMENT_OVERLAP;
	if (d->pieces == REASSEMBLY_PIECES_MAX)
		return DROP_FRAGMENT_LIMIT;
	memmove(&d->piece[at + 1], &d->piece[at], (d->pieces - at) * sizeof(d->piece[0]));
	d->piece[at].start = start;
	d->piece[at].end = end;
	d->pieces++;
	d->covered = (uint16_t)(d->covered + end - start);
	if (f->end > d->reach)
		d->reach = f->end;
	if (!f->more)
		d->total = f->end;
	return DROP_NONE;
}
