/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels. See flow_label.h.
 *
 * A label is an index into arrays that are reserved whole and touched as labels come into use: one
 * of names, and one of counters for each worker, so that counting is an addition to an address that
 * is known. Names are found by a hash table.
 *
 * A label whose last reference is gone while flows still have it waits in a queue. Each registration
 * looks at the two that wait longest, so the queue shrinks faster than it can grow and nobody sweeps
 * it; only where no label is free is all of it looked at. Numbers that became free are given out
 * again oldest first, before any that was never used: the memory stays that of the labels in use.
 */
#include "flow_label.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "config.h"
#include "htable.h"
#include "mix.h"

#define LOOK_AT 2

struct name {
	struct hnode by_name;
	uint32_t label;
	char text[];
};

struct entry {
	struct name *name; /* NULL: free */
	uint32_t references;
	uint32_t next; /* in the queue of free or of waiting labels */
	bool queued;   /* waits; maybe it has been registered again since */
};

struct queue_of_labels {
	uint32_t first, last, n;
};

struct living {
	uint64_t packets, bytes;
};

static struct {
	unsigned workers;
	struct flow_label_counters *counters[WORKERS_MAX];
	struct living *living;
	struct entry *entry;
	uint32_t used; /* 1 .. used have been given out at least once */
	struct queue_of_labels free, waiting;
	struct htable by_name;
} labels;

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void unreserve(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

#define ENTRIES_BYTES (FLOW_LABELS_MAX * sizeof(struct entry))
#define COUNTERS_BYTES (FLOW_LABELS_MAX * sizeof(struct flow_label_counters))
#define LIVING_BYTES (FLOW_LABELS_MAX * sizeof(struct living))

int flow_labels_start(unsigned workers)
{
	if (labels.workers)
		return -EALREADY;
	if (!workers || workers > WORKERS_MAX)
		return -EINVAL;
	labels.workers = workers;
	labels.entry = reserve(ENTRIES_BYTES);
	labels.living = reserve(LIVING_BYTES);
	if (!labels.entry || !labels.living || htable_init(&labels.by_name))
		goto fail;
	for (unsigned i = 0; i < workers; i++) {
		labels.counters[i] = reserve(COUNTERS_BYTES);
		if (!labels.counters[i])
			goto fail;
	}
	return 0;
fail:
	flow_labels_stop();
	return -ENOMEM;
}

void flow_labels_stop(void)
{
	for (uint32_t i = 1; labels.entry && i <= labels.used; i++)
		free(labels.entry[i].name);
	unreserve(labels.entry, ENTRIES_BYTES);
	unreserve(labels.living, LIVING_BYTES);
	for (unsigned i = 0; i < labels.workers; i++)
		unreserve(labels.counters[i], COUNTERS_BYTES);
	htable_fini(&labels.by_name);
	memset(&labels, 0, sizeof(labels));
}

static void enqueue(struct queue_of_labels *q, uint32_t label)
{
	if (q->n++)
		labels.entry[q->last].next = label;
	else
		q->first = label;
	q->last = label;
}

static uint32_t dequeue(struct queue_of_labels *q)
{
	const uint32_t label = q->first;

	q->n--;
	q->first = labels.entry[label].next;
	return label;
}

static uint64_t name_hash(const char *owner, const char *name)
{
	uint64_t hash = 0;

	for (; *owner; owner++)
		hash = mix64(hash, (uint8_t)*owner);
	hash = mix64(hash, '/');
	for (; *name; name++)
		hash = mix64(hash, (uint8_t)*name);
	return hash;
}

static bool name_is(const struct name *known, const char *owner, const char *name)
{
	const size_t n = strlen(owner);

	return !strncmp(known->text, owner, n) && known->text[n] == '/' &&
	       !strcmp(known->text + n + 1, name);
}

static struct name *name_find(const char *owner, const char *name, uint64_t hash)
{
	for (struct hnode *node = htable_first(&labels.by_name, hash); node;
	     node = htable_next(node)) {
		struct name *known = htable_entry(node, struct name, by_name);

		if (name_is(known, owner, name))
			return known;
	}
	return NULL;
}

static struct name *name_new(const char *owner, const char *name)
{
	const size_t n = strlen(owner), m = strlen(name);
	struct name *made = malloc(sizeof(*made) + n + m + 2);

	if (!made)
		return NULL;
	memcpy(made->text, owner, n);
	made->text[n] = '/';
	memcpy(made->text + n + 1, name, m + 1);
	return made;
}

/* Nothing refers to it and it has no flow: no worker writes its counters any more. */
static void label_free(uint32_t label)
{
	struct entry *e = &labels.entry[label];

	htable_del(&labels.by_name, &e->name->by_name);
	free(e->name);
	e->name = NULL;
	for (unsigned i = 0; i < labels.workers; i++)
		memset(&labels.counters[i][label], 0, sizeof(labels.counters[i][label]));
	labels.living[label] = (struct living){ 0 };
	enqueue(&labels.free, label);
}

static void look_at_waiting(uint32_t most)
{
	for (uint32_t i = labels.waiting.n < most ? labels.waiting.n : most; i; i--) {
		const uint32_t label = dequeue(&labels.waiting);
		struct entry *e = &labels.entry[label];

		e->queued = false;
		if (e->references)
			continue;
		if (flow_label_alive(label)) {
			e->queued = true;
			enqueue(&labels.waiting, label);
		} else {
			label_free(label);
		}
	}
}

/* A number for a new name, 0 where there is none. */
static uint32_t label_take(void)
{
	look_at_waiting(LOOK_AT);
	if (!labels.free.n && labels.used == FLOW_LABELS_MAX - 1)
		look_at_waiting(labels.waiting.n);
	if (labels.free.n)
		return dequeue(&labels.free);
	return labels.used < FLOW_LABELS_MAX - 1 ? ++labels.used : 0;
}

int flow_label_register(const char *owner, const char *name)
{
	const uint64_t hash = name_hash(owner, name);
	struct name *known = name_find(owner, name, hash);

	if (!known) {
		uint32_t label;

		known = name_new(owner, name);
		if (!known)
			return -ENOMEM;
		label = label_take();
		if (!label) {
			free(known);
			return -ENOSPC;
		}
		known->label = label;
		labels.entry[label].name = known;
		htable_add(&labels.by_name, &known->by_name, hash);
	}
	labels.entry[known->label].references++;
	return (int)known->label;
}

void flow_label_release(uint32_t label)
{
	struct entry *e = &labels.entry[label];

	if (!label)
		return;
	assert(e->references);
	if (--e->references || e->queued)
		return;
	if (flow_label_alive(label)) {
		e->queued = true;
		enqueue(&labels.waiting, label);
	} else {
		label_free(label);
	}
}

const char *flow_label_name(uint32_t label)
{
	if (label >= FLOW_LABELS_MAX || !labels.entry || !labels.entry[label].name)
		return "";
	return labels.entry[label].name->text;
}

uint32_t flow_labels_count(void)
{
	return labels.by_name.count;
}

struct flow_label_counters *flow_label_of(unsigned worker, uint32_t label)
{
	return &labels.counters[worker][label];
}

void flow_label_living_reset(void)
{
	if (labels.living)
		memset(labels.living, 0, (labels.used + 1) * sizeof(labels.living[0]));
}

void flow_label_living_add(uint32_t label, uint64_t packets, uint64_t bytes)
{
	struct living *living = &labels.living[label];

	__atomic_store_n(&living->packets, living->packets + packets, __ATOMIC_RELAXED);
	__atomic_store_n(&living->bytes, living->bytes + bytes, __ATOMIC_RELAXED);
}

void flow_label_read(uint32_t label, struct flow_label_counters *sum)
{
	*sum = (struct flow_label_counters){
		.packets = __atomic_load_n(&labels.living[label].packets, __ATOMIC_RELAXED),
		.bytes = __atomic_load_n(&labels.living[label].bytes, __ATOMIC_RELAXED),
	};
	for (unsigned i = 0; i < labels.workers; i++) {
		const struct flow_label_counters *c = &labels.counters[i][label];
		const uint64_t last_ns = __atomic_load_n(&c->last_ns, __ATOMIC_RELAXED);

		sum->closed += __atomic_load_n(&c->closed, __ATOMIC_ACQUIRE);
		sum->packets += __atomic_load_n(&c->packets, __ATOMIC_RELAXED);
		sum->bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
		if (last_ns > sum->last_ns)
			sum->last_ns = last_ns;
	}
	for (unsigned i = 0; i < labels.workers; i++)
		sum->opened += __atomic_load_n(&labels.counters[i][label].opened, __ATOMIC_RELAXED);
}

/* Closed ones are counted first, so one that is closed or opened meanwhile counts as alive. One may
 * be counted as closed before it is as opened: another worker found it, and gave it another label,
 * before the worker that opened it came to count. */
uint64_t flow_label_alive(uint32_t label)
{
	int64_t alive = 0;

	for (unsigned i = 0; i < labels.workers; i++)
		alive -= (int64_t)__atomic_load_n(&labels.counters[i][label].closed,
						  __ATOMIC_ACQUIRE);
	for (unsigned i = 0; i < labels.workers; i++)
		alive += (int64_t)__atomic_load_n(&labels.counters[i][label].opened,
						  __ATOMIC_RELAXED);
	return alive < 0 ? 0 : (uint64_t)alive;
}
