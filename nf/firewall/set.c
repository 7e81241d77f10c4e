/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets: from their definitions, and their entries with a time. See set.h.
 *
 * Entries with a time stand in a hash table, to be found by what they are, and in a binary heap by
 * when they end; a set of a million fixed entries has neither.
 */
#include "set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mix.h"
#include "words.h"

#define LINE_MISTAKES 10 /* told of one file */
#define EXPIRE_MAX 20000 /* in one tick */

static struct firewall_set *all_sets;

bool firewall_set_is_ports(const struct firewall_set_keys *keys)
{
	return keys->type == FIREWALL_SET_PORTS || keys->ports.n;
}

/* --- the definition --- */

/* What stands on a line without comment and blanks; NULL nothing. */
static char *line_entry(char *line)
{
	char *end = line + strcspn(line, "#\r\n");

	*end = '\0';
	line += strspn(line, " \t");
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return *line ? line : NULL;
}

/* Relative to the folder of the configuration, as includes are. */
static char *file_path(const struct firewall_set_keys *keys)
{
	const char *slash = keys->where.file ? strrchr(keys->where.file, '/') : NULL;
	char *path = NULL;

	if (*keys->file == '/' || !slash)
		return strdup(keys->file);
	if (asprintf(&path, "%.*s%s", (int)(slash + 1 - keys->where.file), keys->where.file,
		     keys->file) < 0)
		return NULL;
	return path;
}

static int file_each(const struct firewall_set_keys *keys,
		     int (*entry)(void *arg, const char *text, unsigned line), void *arg)
{
	char *path = file_path(keys), *line = NULL, *text;
	FILE *file = path ? fopen(path, "re") : NULL;
	int err = file ? 0 : path ? -errno : -ENOMEM;
	unsigned number = 0;
	size_t room = 0;

	while (!err && getline(&line, &room, file) >= 0) {
		number++;
		text = line_entry(line);
		if (text)
			err = entry(arg, text, number);
	}
	if (!err && ferror(file))
		err = -EIO;
	if (file)
		fclose(file);
	free(line);
	free(path);
	return err;
}

static const char *entry_parse(bool ports, const char *text, unsigned *family, struct span *span)
{
	*family = 0;
	return ports ? words_ports(text, span) : words_addresses(text, family, span);
}

struct checking {
	const struct firewall_set_keys *keys;
	struct conf_errors *errors;
	unsigned mistakes, entries;
};

static int check_line(void *arg, const char *text, unsigned line)
{
	struct checking *c = arg;
	struct span span;
	unsigned family;
	const char *expected = entry_parse(firewall_set_is_ports(c->keys), text, &family, &span);

	if (!expected)
		return ++c->entries > FIREWALL_SET_ENTRIES ? -E2BIG : 0;
	conf_error_at(c->errors, &c->keys->where, &c->keys->file,
		      "set \"%s\": file \"%s\", line %u: \"%.60s\": expected %s", c->keys->name,
		      c->keys->file, line, text, expected);
	return ++c->mistakes < LINE_MISTAKES ? 0 : -ECANCELED;
}

static void check_words(const struct firewall_set_keys *keys, const struct conf_strings *words,
			const char *key, bool ports, struct conf_errors *errors)
{
	struct span span;
	unsigned family;

	for (unsigned i = 0; i < words->n; i++) {
		const char *expected = entry_parse(ports, words->value[i], &family, &span);

		if (expected)
			conf_error_at(errors, &keys->where, &words->value[i],
				      "set \"%s\": %s = \"%.60s\": expected %s", keys->name, key,
				      words->value[i], expected);
	}
}

void firewall_set_check(const struct firewall_set_keys *keys, struct conf_errors *errors)
{
	struct checking checking = { keys, errors, 0, 0 };
	int err;

	if (firewall_set_is_ports(keys) && keys->addresses.n)
		conf_error_at(errors, &keys->where, &keys->addresses,
			      "set \"%s\": it is of ports; expected no addresses", keys->name);
	check_words(keys, &keys->addresses, "addresses", false, errors);
	check_words(keys, &keys->ports, "ports", true, errors);
	if (!keys->file)
		return;
	err = file_each(keys, check_line, &checking);
	if (err && err != -ECANCELED)
		conf_error_at(errors, &keys->where, &keys->file, "set \"%s\": file \"%s\": %s",
			      keys->name, keys->file,
			      err == -E2BIG ? "more than 4000000 entries" : strerror(-err));
}

static uint64_t hash_text(uint64_t state, const char *text)
{
	for (; *text; text++)
		state = mix64(state, (uint8_t)*text);
	return mix64(state, 0x100);
}

static uint64_t definition_hash(const struct firewall_set_keys *keys)
{
	uint64_t hash = mix64((uint64_t)firewall_set_is_ports(keys), (uint64_t)keys->timeout);
	char *path = keys->file ? file_path(keys) : NULL;
	struct stat st;

	for (unsigned i = 0; i < keys->addresses.n; i++)
		hash = hash_text(hash, keys->addresses.value[i]);
	for (unsigned i = 0; i < keys->ports.n; i++)
		hash = hash_text(hash, keys->ports.value[i]);
	if (path && !stat(path, &st)) {
		hash = mix64(hash_text(hash, path), (uint64_t)st.st_ino);
		hash = mix64(hash, (uint64_t)st.st_size);
		hash = mix64(hash, (uint64_t)st.st_mtim.tv_sec);
		hash = mix64(hash, (uint64_t)st.st_mtim.tv_nsec);
		hash = mix64(hash, (uint64_t)st.st_ctim.tv_sec);
		hash = mix64(hash, (uint64_t)st.st_ctim.tv_nsec);
	}
	free(path);
	return hash;
}

/* --- entries --- */

enum firewall_set_origin firewall_set_origin_of(const struct firewall_set *set,
						const struct firewall_set_part *part)
{
	const uint64_t port = (uint64_t)part->value;
	struct in6_addr addr;

	if (part->family == 4)
		return (enum firewall_set_origin)lpm4_get(set->lpm4, (uint32_t)part->value,
							  part->len);
	if (part->family == 6) {
		addr = span_in6(part->value);
		return (enum firewall_set_origin)lpm6_get(set->lpm6, &addr, part->len);
	}
	if (!firewall_set_has_port(set, (uint16_t)port))
		return FIREWALL_SET_NONE;
	return set->fixed_ports[port / 64] >> port % 64 & 1 ? FIREWALL_SET_FIXED :
							      FIREWALL_SET_ADDED;
}

static void port_write(struct firewall_set *set, uint16_t port, enum firewall_set_origin origin)
{
	const uint64_t bit = 1ull << port % 64;
	uint64_t word = set->ports[port / 64] & ~bit;

	if (origin != FIREWALL_SET_NONE)
		word |= bit;
	if (origin == FIREWALL_SET_FIXED)
		set->fixed_ports[port / 64] |= bit;
	else
		set->fixed_ports[port / 64] &= ~bit;
	__atomic_store_n(&set->ports[port / 64], word, __ATOMIC_RELAXED);
}

static int part_write(struct firewall_set *set, const struct firewall_set_part *part,
		      enum firewall_set_origin origin)
{
	struct in6_addr addr;

	switch (part->family) {
	case 4:
		return origin ? lpm4_set(set->lpm4, (uint32_t)part->value, part->len, origin) :
				lpm4_del(set->lpm4, (uint32_t)part->value, part->len);
	case 6:
		addr = span_in6(part->value);
		return origin ? lpm6_set(set->lpm6, &addr, part->len, origin) :
				lpm6_del(set->lpm6, &addr, part->len);
	default: port_write(set, (uint16_t)part->value, origin); return 0;
	}
}

int firewall_set_write(struct firewall_set *set, const struct firewall_set_part *part,
		       enum firewall_set_origin origin)
{
	enum firewall_set_origin before = firewall_set_origin_of(set, part);
	int err;

	if (before == origin)
		return 0;
	if (!before && set->fixed + set->added >= FIREWALL_SET_ENTRIES)
		return -E2BIG;
	err = part_write(set, part, origin);
	if (err)
		return err;
	set->fixed -= before == FIREWALL_SET_FIXED;
	set->added -= before == FIREWALL_SET_ADDED;
	set->fixed += origin == FIREWALL_SET_FIXED;
	set->added += origin == FIREWALL_SET_ADDED;
	return 0;
}

/* --- entries with a time --- */

static uint64_t part_hash(const struct firewall_set_part *part)
{
	return mix64(mix64((uint64_t)part->value, (uint64_t)(part->value >> 64)),
		     (uint64_t)part->family << 8 | part->len);
}

struct firewall_set_timed *firewall_set_timed_find(const struct firewall_set *set,
						   const struct firewall_set_part *part)
{
	struct hnode *node = htable_first(&set->timed, part_hash(part));

	for (; node; node = htable_next(node)) {
		struct firewall_set_timed *timed =
			htable_entry(node, struct firewall_set_timed, node);

		if (timed->part.value == part->value && timed->part.family == part->family &&
		    timed->part.len == part->len)
			return timed;
	}
	return NULL;
}

static void heap_place(struct firewall_set *set, unsigned at, struct firewall_set_timed *timed)
{
	set->heap[at] = timed;
	timed->place = at;
}

/* Up or down to where it belongs, from where there is room now. */
static void heap_sift(struct firewall_set *set, unsigned at, struct firewall_set_timed *timed)
{
	while (at && set->heap[(at - 1) / 2]->expires_ns > timed->expires_ns) {
		heap_place(set, at, set->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (unsigned child = 2 * at + 1; child < set->n_heap; child = 2 * at + 1) {
		if (child + 1 < set->n_heap &&
		    set->heap[child + 1]->expires_ns < set->heap[child]->expires_ns)
			child++;
		if (set->heap[child]->expires_ns >= timed->expires_ns)
			break;
		heap_place(set, at, set->heap[child]);
		at = child;
	}
	heap_place(set, at, timed);
}

int firewall_set_timed_put(struct firewall_set *set, const struct firewall_set_part *part,
			   uint64_t expires_ns)
{
	struct firewall_set_timed *timed = firewall_set_timed_find(set, part), **heap;
	unsigned room = set->heap_room ? 2 * set->heap_room : 64;

	if (timed) {
		timed->expires_ns = expires_ns;
		heap_sift(set, timed->place, timed);
		return 0;
	}
	if (set->n_heap == set->heap_room) {
		heap = realloc(set->heap, room * sizeof(struct firewall_set_timed *));
		if (!heap)
			return -ENOMEM;
		set->heap = heap;
		set->heap_room = room;
	}
	timed = calloc(1, sizeof(*timed));
	if (!timed)
		return -ENOMEM;
	timed->part = *part;
	timed->expires_ns = expires_ns;
	htable_add(&set->timed, &timed->node, part_hash(part));
	set->n_heap++;
	heap_sift(set, set->n_heap - 1, timed);
	return 0;
}

void firewall_set_timed_remove(struct firewall_set *set, struct firewall_set_timed *timed)
{
	struct firewall_set_timed *last = set->heap[--set->n_heap];

	if (last != timed)
		heap_sift(set, timed->place, last);
	htable_del(&set->timed, &timed->node);
	free(timed);
}

bool firewall_set_tick(struct firewall_set *set, uint64_t now_ns)
{
	unsigned n = 0;

	while (set->n_heap && set->heap[0]->expires_ns <= now_ns && n < EXPIRE_MAX) {
		struct firewall_set_timed *timed = set->heap[0];

		if (firewall_set_write(set, &timed->part, FIREWALL_SET_NONE))
			break; /* no memory: the next tick tries again */
		firewall_set_timed_remove(set, timed);
		set->expired++;
		n++;
	}
	return n != 0;
}

/* --- coming and going --- */

struct loading {
	struct firewall_set *set;
	unsigned family;
	int err;
};

static void load_prefix(void *arg, __uint128_t prefix, unsigned len)
{
	struct loading *l = arg;
	const struct firewall_set_part part = { prefix, (uint8_t)l->family, (uint8_t)len };

	if (!l->err)
		l->err = firewall_set_write(l->set, &part, FIREWALL_SET_FIXED);
}

static int load_entry(void *arg, const char *text, unsigned line)
{
	struct loading *l = arg;
	struct span span;
	struct spans one = { 1, 1, &span, false };
	bool ports = l->set->type == FIREWALL_SET_PORTS;

	if (entry_parse(ports, text, &l->family, &span))
		return -EINVAL;
	for (unsigned port = (unsigned)span.lo; ports && port <= span.hi; port++)
		load_prefix(l, port, 16);
	if (!ports)
		spans_prefixes(&one, l->family == 4 ? 32 : 128, load_prefix, l);
	(void)line;
	return l->err;
}

static int set_load(struct firewall_set *set, const struct firewall_set_keys *keys)
{
	const struct conf_strings *words = keys->ports.n ? &keys->ports : &keys->addresses;
	struct loading loading = { .set = set };
	int err = 0;

	for (unsigned i = 0; i < words->n && !err; i++)
		err = load_entry(&loading, words->value[i], 0);
	if (!err && keys->file)
		err = file_each(keys, load_entry, &loading);
	return err;
}

static void set_free(struct firewall_set *set)
{
	while (set->n_heap)
		firewall_set_timed_remove(set, set->heap[0]);
	free(set->heap);
	htable_fini(&set->timed);
	lpm4_free(set->lpm4);
	lpm6_free(set->lpm6);
	free(set->ports);
	free(set->fixed_ports);
	free(set);
}

static struct firewall_set *set_new(const char *owner, const struct firewall_set_keys *keys)
{
	struct firewall_set *set = calloc(1, sizeof(*set));
	bool ok;

	if (!set || htable_init(&set->timed)) {
		free(set);
		return NULL;
	}
	set->refs = 1;
	snprintf(set->owner, sizeof(set->owner), "%s", owner);
	snprintf(set->name, sizeof(set->name), "%s", keys->name);
	set->timeout_s = (uint64_t)keys->timeout;
	set->type = firewall_set_is_ports(keys) ? FIREWALL_SET_PORTS : FIREWALL_SET_ADDRESSES;
	if (set->type == FIREWALL_SET_PORTS) {
		set->ports = calloc(1024, sizeof(uint64_t));
		set->fixed_ports = calloc(1024, sizeof(uint64_t));
		ok = set->ports && set->fixed_ports;
	} else {
		set->lpm4 = lpm4_new();
		set->lpm6 = lpm6_new();
		ok = set->lpm4 && set->lpm6;
	}
	if (ok)
		return set;
	set_free(set);
	return NULL;
}

int firewall_set_get(struct firewall_set **result, const char *owner,
		     const struct firewall_set_keys *keys)
{
	const uint64_t definition = definition_hash(keys);
	struct firewall_set *set;
	int err;

	for (set = all_sets; set; set = set->next) {
		if (set->definition != definition || strcmp(set->owner, owner) ||
		    strcmp(set->name, keys->name))
			continue;
		set->refs++;
		*result = set;
		return 0;
	}
	set = set_new(owner, keys);
	if (!set)
		return -ENOMEM;
	set->definition = definition;
	err = set_load(set, keys);
	if (err) {
		set_free(set);
		return err;
	}
	set->next = all_sets;
	all_sets = set;
	*result = set;
	return 0;
}

void firewall_set_put(struct firewall_set *set)
{
	struct firewall_set **at = &all_sets;

	if (!set || --set->refs)
		return;
	while (*at != set)
		at = &(*at)->next;
	*at = set->next;
	set_free(set);
}
