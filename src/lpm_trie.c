/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of the longest-prefix-match tables.
 *
 * Readers see a root of 2^16 entries and, below it, nodes of one key byte each (lpm_node.h), with
 * every answer pushed down to the leaves: the first answer met is the right one, and no reader ever
 * combines two. The prefixes themselves are not in there. They live in the shadow, a trie of the same
 * shape that only the control thread touches: a shadow node has the prefixes that end within its byte,
 * by their position in a binary heap (a prefix of l bits b is at 2^l + b, so positions 2 to 511), and
 * the value that it inherits from the shorter ones.
 *
 * A change is two-phased. First every node whose picture changes is built anew, bottom up, unreachable:
 * the node of the prefix, those that it shows through to, and its ancestors up to one that merely
 * refers to another node than before. Memory can run out only here, and then the new nodes are dropped
 * and nothing has happened. Then they are published: for a prefix of more than 16 bits by one store,
 * into the root or into the reference in the node above, for a shorter one by one store for each root
 * slot. An address has one path from one root slot, so a reader sees the old answer or the new one for
 * it and nothing else; addresses outside of the prefix find nodes with the same answers as before. The
 * replaced nodes wait in the arena for a grace period.
 */
#include "lpm_trie.h"

#include <errno.h>
#include <stdlib.h>

#include "lpm_lanes.h"

#define HEAP_NODE 512
#define HEAP_ROOT (2 * LPM_ROOT_SLOTS)
#define LIMBO_LINES 8192 /* half a MB awaits a grace period before the next change asks for one */
#define PATH_MAX_NODES (LPM_KEY_MAX - LPM_ROOT_BITS / 8)

struct lpm_shadow {
	uint64_t have[HEAP_NODE / 64];	 /* heap positions with a prefix */
	uint16_t before[HEAP_NODE / 64]; /* prefixes in the words before */
	uint64_t kid_have[LPM_NODE_SLOTS / 64];
	uint32_t *value;	 /* in the order of their positions */
	struct lpm_shadow **kid; /* in the order of their slots */
	uint16_t values, value_room;
	uint16_t kids, kid_room;
	uint32_t entry;	    /* what readers have for this node */
	uint32_t inherited; /* the answer where no prefix in here matches */
	uint32_t new_entry; /* the same two, built and not yet published */
	uint32_t new_inherited;
	struct lpm_shadow *next_pending;
	bool pending;
};

/* The shadow nodes from below the root down to the one that a prefix ends in. */
struct lpm_path {
	struct lpm_shadow *node[PATH_MAX_NODES];
	unsigned int depth;
};

enum lpm_cpu lpm_cpu_limit = LPM_CPU_AVX512;

enum lpm_cpu lpm_cpu_best(void)
{
	enum lpm_cpu best = LPM_CPU_ANY;

#ifdef LPM_TSAN
	return best; /* the others' loads would need explaining: lpm_node.h */
#endif
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
		best = lpm_lanes_cpu() ? LPM_CPU_AVX512 : LPM_CPU_AVX2;
	return best < lpm_cpu_limit ? best : lpm_cpu_limit;
}

/* --- the writer's own memory ------------------------------------------------------------------ */

static bool control_may_grow(const struct lpm_trie *t, size_t bytes)
{
	size_t now = lpm_trie_control_bytes(t);

	return now <= t->control_limit && bytes <= t->control_limit - now;
}

static void *control_alloc(struct lpm_trie *t, size_t bytes)
{
	void *p = control_may_grow(t, bytes) ? calloc(1, bytes) : NULL;

	if (p)
		t->control_bytes += bytes;
	return p;
}

static void control_free(struct lpm_trie *t, void *p, size_t bytes)
{
	if (p)
		t->control_bytes -= bytes;
	free(p);
}

static void *control_enlarge(struct lpm_trie *t, void *old, size_t old_bytes, size_t bytes)
{
	void *p = control_may_grow(t, bytes - old_bytes) ? realloc(old, bytes) : NULL;

	if (p)
		t->control_bytes += bytes - old_bytes;
	return p;
}

/* --- a shadow node ---------------------------------------------------------------------------- */

static unsigned int shadow_rank(const struct lpm_shadow *s, unsigned int position)
{
	uint64_t below = s->have[position / 64] & (((uint64_t)1 << position % 64) - 1);

	return s->before[position / 64] + (unsigned int)__builtin_popcountll(below);
}

static bool shadow_has(const struct lpm_shadow *s, unsigned int position)
{
	return s->have[position / 64] >> position % 64 & 1;
}

static bool shadow_empty(const struct lpm_shadow *s)
{
	return !s->values && !s->kids;
}

static uint32_t shadow_get(const struct lpm_shadow *s, unsigned int position)
{
	return shadow_has(s, position) ? s->value[shadow_rank(s, position)] : 0;
}

/* Makes room for one more prefix. @return false when there is no memory. */
static bool shadow_reserve(struct lpm_trie *t, struct lpm_shadow *s)
{
	uint16_t room = s->value_room < 4 ? 4 : (uint16_t)(s->value_room + s->value_room / 2);
	uint32_t *value;

	if (s->values < s->value_room)
		return true;
	value = control_enlarge(t, s->value, s->value_room * sizeof(*value), room * sizeof(*value));
	if (!value)
		return false;
	s->value = value;
	s->value_room = room;
	return true;
}

static void shadow_count_from(struct lpm_shadow *s, unsigned int word, int change)
{
	while (++word < HEAP_NODE / 64)
		s->before[word] = (uint16_t)(s->before[word] + change);
}

/*
 * Inserts, replaces or, with @value 0, removes; room for an insertion has been reserved.
 * @return the value before, 0 = none.
 */
static uint32_t shadow_put(struct lpm_shadow *s, unsigned int position, uint32_t value)
{
	unsigned int rank = shadow_rank(s, position);
	uint32_t *at = s->value + rank;
	uint64_t bit = (uint64_t)1 << position % 64;
	uint32_t old = 0;

	if (shadow_has(s, position)) {
		old = *at;
		if (value) {
			*at = value;
			return old;
		}
		s->values--;
		memmove(at, at + 1, (s->values - rank) * sizeof(*at));
		s->have[position / 64] &= ~bit;
		shadow_count_from(s, position / 64, -1);
	} else if (value) {
		memmove(at + 1, at, (s->values - rank) * sizeof(*at));
		*at = value;
		s->values++;
		s->have[position / 64] |= bit;
		shadow_count_from(s, position / 64, 1);
	}
	return old;
}

static unsigned int kid_rank(const struct lpm_shadow *s, unsigned int slot)
{
	unsigned int rank = 0;

	for (unsigned int w = 0; w < slot / 64; w++)
		rank += (unsigned int)__builtin_popcountll(s->kid_have[w]);
	return rank + (unsigned int)__builtin_popcountll(s->kid_have[slot / 64] &
							 (((uint64_t)1 << slot % 64) - 1));
}

static struct lpm_shadow *kid_get(const struct lpm_shadow *s, unsigned int slot)
{
	return s->kid_have[slot / 64] >> slot % 64 & 1 ? s->kid[kid_rank(s, slot)] : NULL;
}

static bool kid_add(struct lpm_trie *t, struct lpm_shadow *s, unsigned int slot,
		    struct lpm_shadow *kid)
{
	unsigned int rank = kid_rank(s, slot);

	if (s->kids == s->kid_room) {
		uint16_t room = (uint16_t)(s->kid_room + s->kid_room / 2 + 1);
		struct lpm_shadow **p =
			control_enlarge(t, s->kid, s->kid_room * sizeof(*p), room * sizeof(*p));

		if (!p)
			return false;
		s->kid = p;
		s->kid_room = room;
	}
	memmove(s->kid + rank + 1, s->kid + rank, (s->kids - rank) * sizeof(*s->kid));
	s->kid[rank] = kid;
	s->kids++;
	s->kid_have[slot / 64] |= (uint64_t)1 << slot % 64;
	return true;
}

static void kid_drop(struct lpm_shadow *s, unsigned int slot)
{
	unsigned int rank = kid_rank(s, slot);

	s->kids--;
	memmove(s->kid + rank, s->kid + rank + 1, (s->kids - rank) * sizeof(*s->kid));
	s->kid_have[slot / 64] &= ~((uint64_t)1 << slot % 64);
}

static void shadow_free(struct lpm_trie *t, struct lpm_shadow *s)
{
	control_free(t, s->value, s->value_room * sizeof(*s->value));
	control_free(t, s->kid, s->kid_room * sizeof(*s->kid));
	control_free(t, s, sizeof(*s));
}

/* The answer that prefixes give for a slot when nothing longer does. */
static uint32_t shadow_match(const struct lpm_shadow *s, unsigned int slot)
{
	for (unsigned int position = 256 | slot; position > 1; position >>= 1)
		if (shadow_has(s, position))
			return s->value[shadow_rank(s, position)];
	return s->inherited;
}

static uint32_t root_match(const struct lpm_trie *t, uint32_t position)
{
	while (position && !t->short_value[position])
		position >>= 1;
	return t->short_value[position]; /* position 0 has none */
}

/* --- building, unpublished -------------------------------------------------------------------- */

static uint32_t entry_now(const struct lpm_shadow *s)
{
	return s->pending ? s->new_entry : s->entry;
}

static void entry_retire(struct lpm_trie *t, uint32_t entry)
{
	if (entry & LPM_ENTRY_NODE)
		lpm_arena_retire(&t->arena, entry & LPM_VALUE_MAX, lpm_entry_format(entry)->order);
}

static void entry_release(struct lpm_trie *t, uint32_t entry)
{
	if (entry & LPM_ENTRY_NODE)
		lpm_arena_release(&t->arena, entry & LPM_VALUE_MAX, lpm_entry_format(entry)->order);
}

static void fill(uint32_t *slot, unsigned int n, uint32_t value)
{
	for (unsigned int i = 0; i < n; i++)
		slot[i] = value;
}

/* Shorter prefixes come first in the heap: longer ones paint over them. */
static void shadow_paint(const struct lpm_shadow *s, uint32_t inherited,
			 uint32_t slot[LPM_NODE_SLOTS])
{
	const uint32_t *value = s->value;

	fill(slot, LPM_NODE_SLOTS, inherited);
	for (unsigned int w = 0; w < 4; w++) {
		for (uint64_t bits = s->have[w]; bits; bits &= bits - 1) {
			unsigned int position = w * 64 + (unsigned int)__builtin_ctzll(bits);
			unsigned int free_bits = 8 - (31 - (unsigned int)__builtin_clz(position));

			fill(slot + ((position << free_bits) & 255), 1u << free_bits, *value++);
		}
	}
	for (unsigned int w = 4; w < 8; w++)
		for (uint64_t bits = s->have[w]; bits; bits &= bits - 1)
			slot[(w - 4) * 64 + (unsigned int)__builtin_ctzll(bits)] = *value++;
}

/* Finds the entry for an image: the present one if nothing differs. @return false: no memory. */
static bool image_place(struct lpm_trie *t, const struct lpm_shadow *s, uint32_t kind,
			const struct lpm_node_image *image, uint32_t *entry)
{
	size_t bytes;
	uint32_t line;

	*entry = kind;
	if (!(kind & LPM_ENTRY_NODE))
		return true;
	bytes = (size_t)LPM_LINE << lpm_entry_format(kind)->order;
	if ((s->entry & ~LPM_VALUE_MAX) == kind &&
	    !memcmp(image->bytes, lpm_entry_line(t->base, s->entry, 0), bytes)) {
		*entry = s->entry;
		return true;
	}
	line = lpm_arena_alloc(&t->arena, lpm_entry_format(kind)->order);
	if (!line)
		return false;
	memcpy(t->arena.base + (size_t)line * LPM_LINE, image->bytes, bytes);
	*entry = kind | line;
	return true;
}

/* Builds the node of @s, and those below it that the inherited value shows through to. */
static bool shadow_build(struct lpm_trie *t, struct lpm_shadow *s, uint32_t inherited)
{
	uint32_t slot[LPM_NODE_SLOTS];
	struct lpm_node_image image;
	unsigned int k = 0;
	uint32_t entry;

	shadow_paint(s, inherited, slot);
	for (unsigned int w = 0; w < LPM_NODE_SLOTS / 64; w++) {
		for (uint64_t bits = s->kid_have[w]; bits; bits &= bits - 1) {
			uint32_t *at = &slot[w * 64 + (unsigned int)__builtin_ctzll(bits)];
			struct lpm_shadow *kid = s->kid[k++];

			if (!kid->pending && kid->inherited != *at && !shadow_build(t, kid, *at))
				return false;
			*at = entry_now(kid);
		}
	}
	if (!image_place(t, s, lpm_node_encode(slot, &image), &image, &entry))
		return false;
	s->new_entry = entry;
	s->new_inherited = inherited;
	s->pending = true;
	s->next_pending = t->pending;
	t->pending = s;
	return true;
}

static void pending_drop(struct lpm_trie *t)
{
	for (struct lpm_shadow *s = t->pending; s; s = s->next_pending) {
		if (s->new_entry != s->entry)
			entry_release(t, s->new_entry);
		s->pending = false;
	}
	t->pending = NULL;
}

/* After the root slots have been switched. */
static void pending_commit(struct lpm_trie *t)
{
	for (struct lpm_shadow *s = t->pending; s; s = s->next_pending) {
		if (s->new_entry != s->entry)
			entry_retire(t, s->entry);
		s->entry = s->new_entry;
		s->inherited = s->new_inherited;
		s->pending = false;
	}
	t->pending = NULL;
}

static void root_publish(struct lpm_trie *t, uint32_t slot, uint32_t entry)
{
	uint32_t *root = (uint32_t *)(uintptr_t)t->root;

	if (root[slot] != entry)
		__atomic_store_n(&root[slot], entry, __ATOMIC_RELEASE);
}

/* --- prefixes of up to 16 bits: many root slots ------------------------------------------------ */

typedef bool (*slot_action)(struct lpm_trie *t, uint32_t slot, uint32_t value);

static bool slot_build(struct lpm_trie *t, uint32_t slot, uint32_t value)
{
	return !t->kid[slot] || shadow_build(t, t->kid[slot], value);
}

static bool slot_switch(struct lpm_trie *t, uint32_t slot, uint32_t value)
{
	root_publish(t, slot, t->kid[slot] ? entry_now(t->kid[slot]) : value);
	return true;
}

/* The slots below a heap position that no longer prefix of up to 16 bits covers. */
static bool slots_each(struct lpm_trie *t, uint32_t position, uint32_t value, slot_action act)
{
	if (position >= LPM_ROOT_SLOTS)
		return act(t, position - LPM_ROOT_SLOTS, value);
	for (uint32_t half = 2 * position; half <= 2 * position + 1; half++)
		if (!t->short_value[half] && !slots_each(t, half, value, act))
			return false;
	return true;
}

static int change_short(struct lpm_trie *t, const uint8_t *key, unsigned int len, uint32_t value)
{
	uint32_t position = ((uint32_t)key[0] << 8 | key[1]) >> (LPM_ROOT_BITS - len) | 1u << len;
	uint32_t old = t->short_value[position];
	uint32_t shown = value ? value : root_match(t, position >> 1);

	if (!old && !value)
		return -ENOENT;
	if (!slots_each(t, position, shown, slot_build)) {
		pending_drop(t);
		return -ENOMEM;
	}
	t->short_value[position] = value;
	slots_each(t, position, shown, slot_switch);
	pending_commit(t);
	t->prefixes = t->prefixes + !old - !value;
	return 0;
}

/* --- longer prefixes: one root slot ------------------------------------------------------------ */

static struct lpm_shadow *path_kid(const struct lpm_trie *t, const struct lpm_path *p,
				   const uint8_t *key)
{
	if (!p->depth)
		return t->kid[(uint32_t)key[0] << 8 | key[1]];
	return kid_get(p->node[p->depth - 1], key[p->depth + 1]);
}

/* Adds an empty node below the path: until something is put in, it is the answer it inherits. */
static bool path_extend(struct lpm_trie *t, struct lpm_path *p, const uint8_t *key)
{
	struct lpm_shadow *s = control_alloc(t, sizeof(*s));
	uint32_t root_slot = (uint32_t)key[0] << 8 | key[1];

	if (!s)
		return false;
	if (!p->depth) {
		s->inherited = root_match(t, LPM_ROOT_SLOTS | root_slot);
		t->kid[root_slot] = s;
	} else {
		struct lpm_shadow *parent = p->node[p->depth - 1];

		s->inherited = shadow_match(parent, key[p->depth + 1]);
		if (!kid_add(t, parent, key[p->depth + 1], s)) {
			control_free(t, s, sizeof(*s));
			return false;
		}
	}
	s->entry = s->inherited;
	p->node[p->depth++] = s;
	return true;
}

/* Takes empty nodes off the path's end; their entries are what remains without them. */
static void path_prune(struct lpm_trie *t, struct lpm_path *p, const uint8_t *key)
{
	while (p->depth && shadow_empty(p->node[p->depth - 1])) {
		shadow_free(t, p->node[--p->depth]);
		if (p->depth)
			kid_drop(p->node[p->depth - 1], key[p->depth + 1]);
		else
			t->kid[(uint32_t)key[0] << 8 | key[1]] = NULL;
	}
}

/* The depth at which a prefix of @len > 16 bits ends, and its position in that node's heap. */
static unsigned int path_depth(unsigned int len)
{
	return (len - 1) / 8 - 1;
}

static unsigned int path_position(const uint8_t *key, unsigned int len)
{
	unsigned int bits = (len - 1) % 8 + 1;

	return key[(len - 1) / 8] >> (8 - bits) | 1u << bits;
}

/* @create: with the nodes that are missing. @return 0, -ENOENT, -ENOMEM (and no trace left). */
static int path_find(struct lpm_trie *t, const uint8_t *key, unsigned int len, bool create,
		     struct lpm_path *p)
{
	p->depth = 0;
	while (p->depth < path_depth(len)) {
		struct lpm_shadow *kid = path_kid(t, p, key);

		if (kid) {
			p->node[p->depth++] = kid;
		} else if (!create) {
			return -ENOENT;
		} else if (!path_extend(t, p, key)) {
			path_prune(t, p, key);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Where readers find the entry of the path's node @i: in the root or in the node above. */
static uint32_t *path_entry(const struct lpm_trie *t, const struct lpm_path *p, const uint8_t *key,
			    unsigned int i)
{
	uint32_t offset;

	if (!i)
		return (uint32_t *)(uintptr_t)t->root + ((uint32_t)key[0] << 8 | key[1]);
	offset = lpm_entry_offset(t->base, p->node[i - 1]->entry, key[i + 1]);
	return (uint32_t *)(void *)(t->arena.base + offset);
}

/*
 * Builds the last node of the path, and its ancestors up to the one where one store makes all of it
 * visible: a node's place in the node above belongs to it alone, so one node can take over another's.
 * @return false: no memory. *@at: where to store what, NULL = no reader sees a difference.
 */
static bool path_build(struct lpm_trie *t, const struct lpm_path *p, const uint8_t *key,
		       uint32_t **at, uint32_t *entry)
{
	*at = NULL;
	for (unsigned int i = p->depth; i-- > 0;) {
		const struct lpm_shadow *s = p->node[i];

		if (!shadow_build(t, p->node[i], s->inherited))
			return false;
		if (s->new_entry == s->entry)
			return true;
		if (!i || s->entry & s->new_entry & LPM_ENTRY_NODE) {
			*at = path_entry(t, p, key, i);
			*entry = s->new_entry;
			return true;
		}
	}
	return true;
}

static int change_long(struct lpm_trie *t, const uint8_t *key, unsigned int len, uint32_t value)
{
	unsigned int position = path_position(key, len);
	struct lpm_shadow *last;
	struct lpm_path p;
	uint32_t old, entry;
	uint32_t *at;
	int rc = path_find(t, key, len, value != 0, &p);

	if (rc)
		return rc;
	last = p.node[p.depth - 1];
	if (!value && !shadow_has(last, position))
		return -ENOENT;
	if (value && !shadow_reserve(t, last)) {
		path_prune(t, &p, key);
		return -ENOMEM;
	}
	old = shadow_put(last, position, value);
	if (!path_build(t, &p, key, &at, &entry)) {
		pending_drop(t);
		shadow_put(last, position, old);
		path_prune(t, &p, key);
		return -ENOMEM;
	}
	if (at)
		__atomic_store_n(at, entry, __ATOMIC_RELEASE);
	pending_commit(t);
	path_prune(t, &p, key);
	t->prefixes = t->prefixes + !old - !value;
	return 0;
}

/* --- the interface ------------------------------------------------------------------------------ */

static bool host_bits_set(const uint8_t *key, unsigned int len, unsigned int bytes)
{
	unsigned int i = len / 8;

	if (len % 8 && key[i++] & (0xff >> len % 8))
		return true;
	for (; i < bytes; i++)
		if (key[i])
			return true;
	return false;
}

static int change(struct lpm_trie *t, const uint8_t *key, unsigned int len, uint32_t value)
{
	if (len > t->key_bytes * 8 || host_bits_set(key, len, t->key_bytes))
		return -EINVAL;
	if (t->arena.limbo >= LIMBO_LINES)
		lpm_arena_reclaim(&t->arena);
	return len <= LPM_ROOT_BITS ? change_short(t, key, len, value) :
				      change_long(t, key, len, value);
}

int lpm_trie_set(struct lpm_trie *t, const uint8_t *key, unsigned int len, uint32_t value)
{
	return value && value <= LPM_VALUE_MAX ? change(t, key, len, value) : -EINVAL;
}

int lpm_trie_del(struct lpm_trie *t, const uint8_t *key, unsigned int len)
{
	return change(t, key, len, 0);
}

uint32_t lpm_trie_get(const struct lpm_trie *t, const uint8_t *key, unsigned int len)
{
	struct lpm_path p;

	if (len > t->key_bytes * 8 || host_bits_set(key, len, t->key_bytes))
		return 0;
	if (len <= LPM_ROOT_BITS)
		return t->short_value[((uint32_t)key[0] << 8 | key[1]) >> (LPM_ROOT_BITS - len) |
				      1u << len];
	if (path_find((struct lpm_trie *)(uintptr_t)t, key, len, false, &p))
		return 0;
	return shadow_get(p.node[p.depth - 1], path_position(key, len));
}

struct walk {
	lpm_trie_visit visit;
	void *arg;
	uint8_t key[LPM_KEY_MAX];
};

static int walk_shadow(struct walk *w, const struct lpm_shadow *s, unsigned int byte,
		       unsigned int position)
{
	unsigned int bits = 31 - (unsigned int)__builtin_clz(position);
	int rc = 0;

	w->key[byte] = (uint8_t)(position << (8 - bits));
	if (shadow_has(s, position))
		rc = w->visit(w->key, byte * 8 + bits, shadow_get(s, position), w->arg);
	if (rc)
		return rc;
	if (bits < 8) {
		rc = walk_shadow(w, s, byte, 2 * position);
		if (!rc)
			rc = walk_shadow(w, s, byte, 2 * position + 1);
	} else {
		const struct lpm_shadow *kid = kid_get(s, position & 255);

		if (kid)
			rc = walk_shadow(w, kid, byte + 1, 1);
		if (kid)
			w->key[byte + 1] = 0;
	}
	return rc;
}

static int walk_root(struct walk *w, const struct lpm_trie *t, uint32_t position)
{
	unsigned int bits = 31 - (unsigned int)__builtin_clz(position);
	uint32_t first = (position << (LPM_ROOT_BITS - bits)) & (LPM_ROOT_SLOTS - 1);
	int rc = 0;

	w->key[0] = (uint8_t)(first >> 8);
	w->key[1] = (uint8_t)first;
	if (t->short_value[position])
		rc = w->visit(w->key, bits, t->short_value[position], w->arg);
	if (rc)
		return rc;
	if (bits < LPM_ROOT_BITS) {
		rc = walk_root(w, t, 2 * position);
		return rc ? rc : walk_root(w, t, 2 * position + 1);
	}
	if (t->kid[first])
		rc = walk_shadow(w, t->kid[first], 2, 1);
	w->key[2] = 0;
	return rc;
}

int lpm_trie_walk(const struct lpm_trie *t, lpm_trie_visit visit, void *arg)
{
	struct walk w = { .visit = visit, .arg = arg };

	return walk_root(&w, t, 1);
}

int lpm_trie_init(struct lpm_trie *t, unsigned int key_bytes)
{
	uint32_t root_lines = LPM_ROOT_SLOTS * sizeof(*t->root) / LPM_LINE;
	int rc;

	memset(t, 0, sizeof(*t));
	t->key_bytes = key_bytes;
	t->control_limit = SIZE_MAX;
	/* In front of the root are the lines that an answer's "node" reads: lpm_entry_line(). */
	rc = lpm_arena_init(&t->arena, root_lines + 16);
	if (rc)
		return rc;
	t->base = t->arena.base;
	t->root = (const uint32_t *)(const void *)(t->arena.base + (size_t)16 * LPM_LINE);
	t->short_value = control_alloc(t, HEAP_ROOT * sizeof(*t->short_value));
	t->kid = control_alloc(t, LPM_ROOT_SLOTS * sizeof(*t->kid));
	if (t->short_value && t->kid)
		return 0;
	lpm_trie_fini(t);
	return -ENOMEM;
}

static void shadow_free_all(struct lpm_trie *t, struct lpm_shadow *s)
{
	for (unsigned int i = 0; i < s->kids; i++)
		shadow_free_all(t, s->kid[i]);
	shadow_free(t, s);
}

void lpm_trie_fini(struct lpm_trie *t)
{
	for (uint32_t i = 0; t->kid && i < LPM_ROOT_SLOTS; i++)
		if (t->kid[i])
			shadow_free_all(t, t->kid[i]);
	control_free(t, t->kid, LPM_ROOT_SLOTS * sizeof(*t->kid));
	control_free(t, t->short_value, HEAP_ROOT * sizeof(*t->short_value));
	lpm_arena_fini(&t->arena);
}

size_t lpm_trie_control_bytes(const struct lpm_trie *t)
{
	return t->control_bytes + lpm_arena_control_bytes(&t->arena);
}

void lpm_trie_limit(struct lpm_trie *t, size_t data_bytes, size_t control_bytes)
{
	t->arena.limit = data_bytes;
	t->control_limit = control_bytes;
}
