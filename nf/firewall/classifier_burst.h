/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ways of searching share: the state of a burst, keys as words, and what a key has still to
 * look into.
 */
#ifndef FIREWALL_CLASSIFIER_BURST_H
#define FIREWALL_CLASSIFIER_BURST_H

#include <string.h>

#include "bytes.h"
#include "classifier_search.h"

#define INLINE static inline __attribute__((always_inline))
#define ROOTS_MAX 12u /* what is split further is split by the walk */
#define LANES 8u      /* as many may be written beyond the end of a list */

/* What a key has passed and not looked into. */
struct pending {
	uint64_t ref;
	uint64_t priority;
};

/* Keys by their number, and where they are. */
struct places {
	uint64_t ref[CLASSIFIER_BURST_MAX + LANES];
	uint32_t key[CLASSIFIER_BURST_MAX + LANES];
};

/* How many there are: apart, in registers. */
struct counts {
	unsigned int nodes, leaves;
};

struct search {
	struct classifier_words key[CLASSIFIER_BURST_MAX];
	const uint8_t *base;
	uint32_t from[CLASSIFIER_BURST_MAX];
	uint32_t best[CLASSIFIER_BURST_MAX]; /* priority, and */
	uint32_t rule[CLASSIFIER_BURST_MAX];
	struct places node, leaf; /* @node also: leaves with blocks left */
	uint8_t depth[CLASSIFIER_BURST_MAX];
	struct pending stack[CLASSIFIER_BURST_MAX][CLASSIFIER_DEPTH_MAX + 2];
};

/* --- keys --------------------------------------------------------------------------------------- */

/* Zones that no entry can have become one that none has. */
INLINE uint32_t zone_of(uint16_t zone)
{
	return zone < CLASSIFIER_ZONE_MASK ? zone : CLASSIFIER_ZONE_MASK;
}

INLINE void key_ports(uint32_t *word, const struct classifier_key *key)
{
	word[0] = key->has_ports ? key->sport : CLASSIFIER_NO_PORT;
	word[1] = key->has_ports ? key->dport : CLASSIFIER_NO_PORT;
}

INLINE void key_words(struct classifier_words *words, const struct classifier_key *key,
		      const bool v6)
{
	uint32_t *word = words->word;

	if (v6) {
		for (unsigned int i = 0; i < 4; i++) {
			word[i] = bytes_get32(&key->src.v6.s6_addr[4 * i]);
			word[4 + i] = bytes_get32(&key->dst.v6.s6_addr[4 * i]);
		}
		key_ports(word + 8, key);
		word[10] = word[11] = 0;
	} else {
		word[0] = key->src.v4;
		word[1] = key->dst.v4;
		key_ports(word + 2, key);
	}
	word[CLASSIFIER_META] = key->proto | zone_of(key->in) << CLASSIFIER_IN_SHIFT |
				zone_of(key->out) << CLASSIFIER_OUT_SHIFT;
}

/* --- places ------------------------------------------------------------------------------------- */

/* Adds a key to the nodes or the leaves without a branch, which would be mispredicted. */
INLINE void place(struct search *s, struct counts *c, unsigned int key, uint64_t ref)
{
	unsigned int node = ref >> 63;

	s->node.ref[c->nodes] = s->leaf.ref[c->leaves] = ref;
	s->node.key[c->nodes] = s->leaf.key[c->leaves] = key;
	c->nodes += node;
	c->leaves += !node;
}

/* Leaves the node's rest for later. */
INLINE void rest_push(struct search *s, unsigned int key, uint64_t ref)
{
	const struct classifier_node *node = classifier_node_at(s->base, ref);
	uint64_t rest = __atomic_load_n(&node->rest, __ATOMIC_ACQUIRE);

	s->stack[key][s->depth[key]] =
		(struct pending){ rest, __atomic_load_n(&node->rest_priority, __ATOMIC_RELAXED) };
	s->depth[key] = (uint8_t)(s->depth[key] + (rest != 0));
}

/* What all keys begin with. Whole arrays: loops of known length become a few stores. */
INLINE void search_clear(struct search *s, const uint32_t *from, unsigned int n)
{
	for (unsigned int i = 0; i < CLASSIFIER_BURST_MAX; i++) {
		s->best[i] = CLASSIFIER_NONE;
		s->rule[i] = CLASSIFIER_NONE;
		s->from[i] = 0;
		s->depth[i] = 0;
	}
	if (from)
		memcpy(s->from, from, n * sizeof(*from));
}

/* --- roots -------------------------------------------------------------------------------------- */

/*
 * Splits at the top are the same way for all keys, so the trees below them are searched one after the
 * other by the whole burst.
 */
struct roots {
	struct pending root[ROOTS_MAX];
	unsigned int n;
};

INLINE void roots_add(struct roots *r, const uint8_t *base, uint64_t ref, uint32_t priority)
{
	while (r->n < ROOTS_MAX - 2 && ref & CLASSIFIER_NODE && !classifier_ref_bits(ref)) {
		const struct classifier_node *node = classifier_node_at(base, ref);

		r->root[r->n++] =
			(struct pending){ __atomic_load_n(&node->child[0], __ATOMIC_ACQUIRE),
					  priority };
		ref = __atomic_load_n(&node->rest, __ATOMIC_ACQUIRE);
		priority = __atomic_load_n(&node->rest_priority, __ATOMIC_RELAXED);
	}
	if (ref)
		r->root[r->n++] = (struct pending){ ref, priority };
}

INLINE void roots_find(struct roots *r, const struct classifier_tree *t)
{
	uint64_t wide = __atomic_load_n(&t->root[CLASSIFIER_WIDE], __ATOMIC_ACQUIRE);

	r->n = 0;
	roots_add(r, t->arena.base, __atomic_load_n(&t->root[CLASSIFIER_MAIN], __ATOMIC_ACQUIRE),
		  0);
	if (wide)
		r->root[r->n++] = (struct pending){ wide, __atomic_load_n(&t->wide_priority,
									  __ATOMIC_RELAXED) };
}

/* The keys that can still find something better below a root, and their first step. */
INLINE struct counts search_root(struct search *s, const struct pending *root, unsigned int n)
{
	const struct classifier_node *node = classifier_node_at(s->base, root->ref);
	unsigned int word = classifier_ref_word(root->ref), shift = classifier_ref_shift(root->ref);
	uint32_t mask = (1u << classifier_ref_bits(root->ref)) - 1;
	bool inner = root->ref & CLASSIFIER_NODE;
	struct counts c = { 0, 0 };
	unsigned int keys = 0;

	for (unsigned int i = 0; i < n; i++) {
		s->node.key[keys] = i;
		keys += root->priority < s->best[i];
	}
	for (unsigned int j = 0; j < keys; j++) {
		unsigned int i = s->node.key[j];

		if (!inner) {
			place(s, &c, i, root->ref);
			continue;
		}
		if (root->ref & CLASSIFIER_RESTS)
			rest_push(s, i, root->ref);
		place(s, &c, i,
		      __atomic_load_n(&node->child[s->key[i].word[word] >> shift & mask],
				      __ATOMIC_ACQUIRE));
	}
	return c;
}

INLINE void search_start(struct search *s, struct roots *r, const struct classifier_tree *t,
			 const struct classifier_key *key, const uint32_t *from, unsigned int n,
			 const bool v6)
{
	s->base = t->arena.base;
	search_clear(s, from, n);
	roots_find(r, t);
	for (unsigned int i = 0; i < n; i++)
		key_words(&s->key[i], &key[i], v6);
}

/* The keys whose leaves have been searched go on with what they have left. */
INLINE struct counts search_next(struct search *s, unsigned int n)
{
	struct counts c = { 0, 0 };

	for (unsigned int j = 0; j < n; j++) {
		unsigned int i = s->leaf.key[j];

		while (s->depth[i]) {
			const struct pending *p = &s->stack[i][--s->depth[i]];

			if (p->priority < s->best[i]) {
				place(s, &c, i, p->ref);
				break;
			}
		}
	}
	return c;
}

INLINE void search_end(const struct search *s, struct classifier_match *match, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		match[i] = (struct classifier_match){ s->rule[i], s->best[i] };
}

/* --- leaves ------------------------------------------------------------------------------------- */

/*
 * @matches: of the tail's four places, in the order of their priorities. Masks, since a compiler makes
 * branches of conditions, and these cannot be predicted.
 */
INLINE void found(struct search *s, unsigned int key, const struct classifier_tail *tail,
		  unsigned int matches)
{
	unsigned int at = (unsigned int)__builtin_ctz(matches | 1u << (CLASSIFIER_BLOCK - 1));
	uint32_t none = (uint32_t)(matches != 0) - 1;
	uint32_t priority = tail->priority[at] | none;
	uint32_t better = -(uint32_t)(priority < s->best[key]);

	s->best[key] ^= (s->best[key] ^ priority) & better;
	s->rule[key] ^= (s->rule[key] ^ tail->rule[at]) & better;
}

#endif
