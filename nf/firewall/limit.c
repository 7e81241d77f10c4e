/* SPDX-License-Identifier: Apache-2.0 */
/* Rates and numbers of flows. See limit.h. */
#include "limit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bytes.h"
#include "clock.h"
#include "mix.h"

#define WINDOW 16
#define COUNT_BITS 24
#define COUNT_MASK ((1ull << COUNT_BITS) - 1)
#define TIME_BITS 40 /* microseconds */
#define TIME_MASK ((1ull << TIME_BITS) - 1)
#define SWEEP_PARTS 64

struct firewall_sources {
	unsigned refs, swept;
	uint64_t secret, mask;
	uint64_t refused;
	uint64_t slot[];
};

/* --- control --- */

static uint64_t cost_ns(int64_t rate, int per)
{
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };

	return rate ? seconds[per] * SECOND_NS / (uint64_t)rate : 0;
}

void firewall_limits_set(struct firewall_limits *limits, const struct firewall_rule_keys *keys)
{
	limits->rate_cost_ns = cost_ns(keys->rate, keys->rate_per);
	limits->rate_depth_ns = limits->rate_cost_ns * (uint64_t)(keys->rate_burst - 1);
	limits->by_source = keys->rate_by == FIREWALL_BY_SOURCE;
	limits->over = keys->rate_over;
	limits->log_cost_ns = keys->log ? SECOND_NS / (uint64_t)keys->log_limit : 0;
	limits->log_depth_ns = limits->log_cost_ns * (uint64_t)(keys->log_limit - 1);
	limits->max_flows = (uint64_t)keys->max_flows;
	limits->max_flows_per_source = (uint32_t)keys->max_flows_per_source;
}

struct firewall_live *firewall_live_new(void)
{
	struct firewall_live *live = aligned_alloc(64, sizeof(*live));

	if (!live)
		return NULL;
	memset(live, 0, sizeof(*live));
	live->refs = 1;
	return live;
}

uint64_t firewall_left_out(const struct firewall_live *live)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < FIREWALL_LEFT_OUT; i++)
		n += __atomic_load_n(&live->left_out[i].n, __ATOMIC_RELAXED);
	return n;
}

void firewall_live_put(struct firewall_live *live)
{
	if (live && !--live->refs)
		free(live);
}

struct firewall_sources *firewall_sources_new(unsigned slots)
{
	struct firewall_sources *sources =
		calloc(1, sizeof(*sources) + slots * sizeof(sources->slot[0]));

	if (!sources)
		return NULL;
	sources->refs = 1;
	sources->mask = slots - 1;
	if (getrandom(&sources->secret, sizeof(sources->secret), 0) !=
	    (ssize_t)sizeof(sources->secret))
		sources->secret = clock_now_ns();
	return sources;
}

struct firewall_sources *firewall_sources_get(struct firewall_sources *sources)
{
	if (sources)
		sources->refs++;
	return sources;
}

void firewall_sources_put(struct firewall_sources *sources)
{
	if (sources && !--sources->refs)
		free(sources);
}

void firewall_sources_use(const struct firewall_sources *sources, uint64_t *used, uint64_t *size,
			  uint64_t *refused)
{
	*used = 0;
	*size = sources->mask + 1;
	*refused = __atomic_load_n(&sources->refused, __ATOMIC_RELAXED);
	for (uint64_t i = 0; i <= sources->mask; i++)
		*used += __atomic_load_n(&sources->slot[i], __ATOMIC_RELAXED) != 0;
}

/* --- words --- */

static uint64_t hash_of(const struct firewall_sources *sources, uint32_t label, uint64_t source)
{
	return mix64(mix64(sources->secret, label), source);
}

static uint64_t load(const uint64_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

static bool swap(uint64_t *slot, uint64_t *from, uint64_t to)
{
	return __atomic_compare_exchange_n(slot, from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static uint64_t *slot_at(struct firewall_sources *sources, uint64_t hash, unsigned i)
{
	return &sources->slot[(hash + i) & sources->mask];
}

/* Tags are the upper bits of the hash, never 0. */
static uint64_t tag_of(uint64_t hash, unsigned low_bits)
{
	const uint64_t tag = hash >> low_bits << low_bits;

	return tag ? tag : 1ull << low_bits;
}

/* The slot with this tag, else a free one that is made its own with `value`; NULL where there is
 * neither. *word is what it holds; *made: it was free. Two workers that make one for the same source
 * at a time want the same slot, so one of them finds the other's; only where a slot before it came
 * free in between can a source have two for a while. */
static uint64_t *slot_find(struct firewall_sources *sources, uint64_t hash, uint64_t tag,
			   uint64_t low_mask, uint64_t value, uint64_t *word, bool *made)
{
	*made = false;
	for (;;) {
		uint64_t *empty = NULL, nothing = 0;

		for (unsigned i = 0; i < WINDOW; i++) {
			uint64_t *slot = slot_at(sources, hash, i);

			*word = load(slot);
			if (*word && (*word & ~low_mask) == tag)
				return slot;
			if (!*word && !empty)
				empty = slot;
		}
		if (!empty)
			return NULL;
		*word = tag | value;
		if (swap(empty, &nothing, *word)) {
			*made = true;
			return empty;
		}
	}
}

/* --- rates --- */

bool firewall_rate_take(uint64_t *time_ns, uint64_t cost, uint64_t depth_ns, uint64_t now_ns)
{
	uint64_t seen = load(time_ns), next;

	do {
		next = seen > now_ns ? seen : now_ns;
		if (next - now_ns > depth_ns)
			return false;
	} while (!swap(time_ns, &seen, next + cost));
	return true;
}

/* How far `time` is ahead of now, negative where it is past: both are modulo 2^40. */
static int64_t ahead(uint64_t time, uint64_t now)
{
	return (int64_t)((time - now) << (64 - TIME_BITS)) >> (64 - TIME_BITS);
}

bool firewall_source_rate_take(struct firewall_sources *rates, uint32_t label, uint64_t source,
			       const struct firewall_limits *limits, uint64_t now_ns)
{
	const uint64_t hash = hash_of(rates, label, source), tag = tag_of(hash, TIME_BITS);
	const uint64_t now = now_ns / 1000 & TIME_MASK, cost = limits->rate_cost_ns / 1000;
	const int64_t depth = (int64_t)(limits->rate_depth_ns / 1000);
	uint64_t word, *slot;
	bool made;

	slot = slot_find(rates, hash, tag, TIME_MASK, (now + cost) & TIME_MASK, &word, &made);
	if (!slot) {
		__atomic_fetch_add(&rates->refused, 1, __ATOMIC_RELAXED);
		return false;
	}
	while (!made) {
		int64_t wait = ahead(word & TIME_MASK, now);
		uint64_t next = wait > 0 ? word & TIME_MASK : now;

		if (wait > depth)
			return false;
		if ((word & ~TIME_MASK) != tag) /* swept away meanwhile, and another's by now */
			return firewall_source_rate_take(rates, label, source, limits, now_ns);
		made = swap(slot, &word, tag | ((next + cost) & TIME_MASK));
	}
	return true;
}

void firewall_sources_sweep(struct firewall_sources *rates, uint64_t now_ns)
{
	const uint64_t part = (rates->mask + 1) / SWEEP_PARTS;
	const uint64_t first = part * (rates->swept++ % SWEEP_PARTS);
	const uint64_t now = now_ns / 1000 & TIME_MASK;

	for (uint64_t i = first; i < first + part; i++) {
		uint64_t word = load(&rates->slot[i]);

		if (word && ahead(word & TIME_MASK, now) <= 0)
			swap(&rates->slot[i], &word, 0);
	}
}

/* --- flows --- */

enum firewall_taken firewall_source_flow_take(struct firewall_sources *flows, uint32_t label,
					      uint64_t source, uint32_t max)
{
	const uint64_t hash = hash_of(flows, label, source), tag = tag_of(hash, COUNT_BITS);
	uint64_t word, *slot;
	bool made;

	for (;;) {
		slot = slot_find(flows, hash, tag, COUNT_MASK, 1, &word, &made);
		if (!slot) {
			__atomic_fetch_add(&flows->refused, 1, __ATOMIC_RELAXED);
			return FIREWALL_TABLE_FULL;
		}
		if (made)
			return FIREWALL_TAKEN;
		while ((word & ~COUNT_MASK) == tag) {
			if ((word & COUNT_MASK) >= max)
				return FIREWALL_TOO_MANY;
			if (swap(slot, &word, word + 1))
				return FIREWALL_TAKEN;
		}
	}
}

void firewall_source_flow_give_back(struct firewall_sources *flows, uint32_t label, uint64_t source)
{
	const uint64_t hash = hash_of(flows, label, source), tag = tag_of(hash, COUNT_BITS);

	for (unsigned i = 0; i < WINDOW; i++) {
		uint64_t *slot = slot_at(flows, hash, i), word = load(slot);

		while (word && (word & ~COUNT_MASK) == tag)
			if (swap(slot, &word, (word & COUNT_MASK) > 1 ? word - 1 : 0))
				return;
	}
}

/* --- notes --- */

#define LABEL_BITS 22
#define LABEL_MASK ((1ull << LABEL_BITS) - 1)

static uint64_t key_hash(const struct firewall_sources *notes, const struct flow_key *key)
{
	uint64_t hash = mix64(notes->secret, key->protocol);

	if (key->family == 4) {
		hash = mix64(hash, (uint64_t)key->v4.source << 32 | key->v4.destination);
		return mix64(hash, (uint32_t)key->v4.sport << 16 | key->v4.dport);
	}
	hash = mix64(hash, bytes_load64(key->v6.source.s6_addr));
	hash = mix64(hash, bytes_load64(key->v6.source.s6_addr + 8));
	hash = mix64(hash, bytes_load64(key->v6.destination.s6_addr));
	hash = mix64(hash, bytes_load64(key->v6.destination.s6_addr + 8));
	return mix64(hash, (uint32_t)key->v6.sport << 16 | key->v6.dport);
}

/* Two workers may open the same flow at a time: one of them gives its own back. */
bool firewall_flow_note(struct firewall_sources *notes, const struct flow_key *key, uint32_t label)
{
	const uint64_t hash = key_hash(notes, key), tag = tag_of(hash, LABEL_BITS);

	for (unsigned i = 0; i < WINDOW; i++) {
		uint64_t nothing = 0;

		if (swap(slot_at(notes, hash, i), &nothing, tag | label))
			return true;
	}
	__atomic_fetch_add(&notes->refused, 1, __ATOMIC_RELAXED);
	return false;
}

uint32_t firewall_flow_forget(struct firewall_sources *notes, const struct flow_key *key)
{
	const uint64_t hash = key_hash(notes, key), tag = tag_of(hash, LABEL_BITS);

	for (unsigned i = 0; i < WINDOW; i++) {
		uint64_t *slot = slot_at(notes, hash, i), word = load(slot);

		if (word && (word & ~LABEL_MASK) == tag && swap(slot, &word, 0))
			return (uint32_t)(word & LABEL_MASK);
	}
	return 0;
}
