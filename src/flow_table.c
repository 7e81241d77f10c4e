/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table as a whole: one mapping for all the arrays, so that huge pages serve all of them.
 *
 * The arrays begin at cache lines' starts and at different offsets within a page, as the same element
 * of each is often wanted at once.
 */
#include "flow_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "flow_index.h"
#include "flow_pool.h"
#include "hugepage.h"

#define FLOWS_MIN 1024

struct flow_memory {
	struct hugepage_area area;
	struct flow_pool *pool;
	struct flow_index index;
};

/* The next part of the area, or (base NULL) only its size. */
static void *area_part(uint8_t *base, size_t *at, size_t bytes)
{
	void *part = base ? base + *at : NULL;

	*at += (bytes + 63) / 64 * 64;
	return part;
}

/* Lays the arrays out from `base` on; returns the bytes they take. */
static size_t table_lay_out(struct flow_table *t, uint8_t *base)
{
	struct flow_index *index = &t->memory->index;
	size_t narrow = (size_t)t->narrow + 1, wide = (size_t)t->wide + 1, at = 0;

	index->buckets = flow_index_buckets((uint64_t)t->narrow + t->wide);
	index->bucket = area_part(base, &at, index->buckets * sizeof(*index->bucket));
	t->hot4 = area_part(base, &at, narrow * sizeof(*t->hot4));
	t->hot6 = area_part(base, &at, wide * sizeof(*t->hot6));
	t->counters4 = area_part(base, &at, narrow * sizeof(*t->counters4));
	t->counters6 = area_part(base, &at, wide * sizeof(*t->counters6));
	t->cold4 = area_part(base, &at, narrow * sizeof(*t->cold4));
	t->cold6 = area_part(base, &at, wide * sizeof(*t->cold6));
	return at;
}

/* The secret is for hash flooding only; /dev/urandom's quality, and it never waits for long. */
static int secret_draw(struct flow_secret *secret, char *why)
{
	if (getrandom(secret, sizeof(*secret), 0) == (ssize_t)sizeof(*secret))
		return 0;
	snprintf(why, 256, "flow table: no random numbers from the kernel: %s", strerror(errno));
	return -EIO;
}

static int table_check(uint32_t narrow, uint32_t wide, unsigned workers, char *why)
{
	if (narrow >= FLOWS_MIN && wide >= FLOWS_MIN && narrow <= FLOW_MAX && wide <= FLOW_MAX &&
	    workers >= 1 && workers <= 256)
		return 0;
	snprintf(why, 256,
		 "flow table: %u IPv4 and %u IPv6 flows for %u workers: expected %u to %u of each "
		 "and 1 to 256 workers",
		 narrow, wide, workers, FLOWS_MIN, FLOW_MAX);
	return -EINVAL;
}

static int table_map(struct flow_table *table, enum hugepages pages, char *why)
{
	struct flow_memory *memory = table->memory;
	char what[64];
	int err;

	snprintf(what, sizeof(what), "%u IPv4 and %u IPv6 flows", table->narrow, table->wide);
	err = hugepage_map(&memory->area, table_lay_out(table, NULL), pages, what, why);
	if (err)
		return err;
	table_lay_out(table, memory->area.base);
	memcpy(table->pages, memory->area.pages, sizeof(table->pages));
	return 0;
}

int flow_table_new(struct flow_table **result, uint32_t narrow, uint32_t wide, unsigned workers,
		   enum hugepages pages, char *why)
{
	struct flow_table *table;
	int err = table_check(narrow, wide, workers, why);

	if (err)
		return err;
	table = calloc(1, sizeof(*table));
	if (!table)
		goto no_memory;
	table->narrow = narrow;
	table->wide = wide;
	table->memory = calloc(1, sizeof(*table->memory));
	if (!table->memory)
		goto no_memory;
	table->index = &table->memory->index;
	err = secret_draw(&table->index->secret, why);
	if (!err)
		err = table_map(table, pages, why);
	if (err)
		goto fail;
	if (flow_pool_new(&table->memory->pool, table, workers))
		goto no_memory;
	*result = table;
	return 0;
no_memory:
	snprintf(why, 256, "flow table: no memory for %u workers' caches", workers);
	err = -ENOMEM;
fail:
	flow_table_free(table);
	return err;
}

void flow_table_free(struct flow_table *table)
{
	if (!table)
		return;
	if (table->memory) {
		flow_pool_free(table->memory->pool);
		hugepage_unmap(&table->memory->area);
	}
	free(table->memory);
	free(table);
}

struct flow_cache *flow_table_cache(struct flow_table *table, unsigned worker)
{
	return flow_pool_cache(table->memory->pool, worker);
}

static void key_of_wide(const struct flow6 *flow, enum flow_direction direction,
			struct flow_key *key)
{
	const struct flow_tuple6 *from = &flow->key[direction];

	key->family = flow->family[direction];
	key->protocol = flow->protocol[direction];
	if (key->family == 6) {
		key->v6 = *from;
		return;
	}
	memcpy(&key->v4.source, &from->source.s6_addr[12], 4);
	memcpy(&key->v4.destination, &from->destination.s6_addr[12], 4);
	key->v4.sport = from->sport;
	key->v4.dport = from->dport;
}

void flow_key_of(const struct flow_table *table, uint32_t handle, enum flow_direction direction,
		 struct flow_key *key)
{
	const struct flow4 *narrow = &table->hot4[handle & FLOW_INDEX];

	memset(key, 0, sizeof(*key));
	if (handle & FLOW_WIDE) {
		key_of_wide(&table->hot6[handle & FLOW_INDEX], direction, key);
		return;
	}
	key->family = 4;
	key->protocol = narrow->head.protocol;
	key->v4 = narrow->key[direction];
}

void flow_table_use(const struct flow_table *table, struct flow_table_use *use)
{
	use->narrow = flow_pool_use(table->memory->pool, false);
	use->wide = flow_pool_use(table->memory->pool, true);
	use->bytes = table->memory->area.bytes;
}
