/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets at run time: `visorctl set add|del|flush|list`, and what a reload brings along. See set.h.
 *
 * An entry of the configuration can be deleted, too; it is back when its definition or its file has
 * changed, while what was added stays until it is deleted or its time is over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "set.h"
#include "words.h"

/* --- an entry, part by part --- */

struct edit {
	struct firewall_set *set;
	int (*part)(struct edit *edit, const struct firewall_set_part *part);
	unsigned family;
	uint64_t expires_ns; /* 0: never */
	bool changed;
	int err;
};

static void edit_prefix(void *arg, __uint128_t prefix, unsigned len)
{
	struct edit *edit = arg;
	const struct firewall_set_part part = { prefix, (uint8_t)edit->family, (uint8_t)len };

	if (!edit->err)
		edit->err = edit->part(edit, &part);
}

static char *edit_entry(struct edit *edit, const char *entry)
{
	const bool ports = edit->set->type == FIREWALL_SET_PORTS;
	struct span span;
	struct spans one = { 1, 1, &span, false };
	const char *expected = ports ? words_ports(entry, &span) :
				       words_addresses(entry, &edit->family, &span);
	char *why = NULL;

	if (expected) {
		if (asprintf(&why, "\"%.80s\": expected %s", entry, expected) < 0)
			why = strdup("out of memory");
		return why;
	}
	for (unsigned port = (unsigned)span.lo; ports && port <= span.hi; port++)
		edit_prefix(edit, port, 16);
	if (!ports)
		spans_prefixes(&one, edit->family == 4 ? 32 : 128, edit_prefix, edit);
	if (!edit->err)
		return NULL;
	if (asprintf(&why, "\"%.80s\": %s", entry,
		     edit->err == -E2BIG ? "the set is full: 4000000 entries" :
					   strerror(-edit->err)) < 0)
		why = strdup("out of memory");
	return why;
}

static int add_part(struct edit *edit, const struct firewall_set_part *part)
{
	enum firewall_set_origin origin = firewall_set_origin_of(edit->set, part);
	struct firewall_set_timed *timed;
	int err;

	if (origin == FIREWALL_SET_FIXED)
		return 0;
	timed = firewall_set_timed_find(edit->set, part);
	if (edit->expires_ns) {
		edit->changed |= !origin || !timed || timed->expires_ns != edit->expires_ns;
		/* a time without an entry is harmless, an entry that never goes is not */
		err = firewall_set_timed_put(edit->set, part, edit->expires_ns);
		return err ? err : firewall_set_write(edit->set, part, FIREWALL_SET_ADDED);
	}
	edit->changed |= !origin || timed;
	err = firewall_set_write(edit->set, part, FIREWALL_SET_ADDED);
	if (!err && timed)
		firewall_set_timed_remove(edit->set, timed);
	return err;
}

static int del_part(struct edit *edit, const struct firewall_set_part *part)
{
	struct firewall_set_timed *timed = firewall_set_timed_find(edit->set, part);
	int err;

	if (!firewall_set_origin_of(edit->set, part))
		return 0;
	err = firewall_set_write(edit->set, part, FIREWALL_SET_NONE);
	if (err)
		return err;
	if (timed)
		firewall_set_timed_remove(edit->set, timed);
	edit->changed = true;
	return 0;
}

char *firewall_set_add(struct firewall_set *set, const char *entry, uint64_t timeout_s,
		       uint64_t now_ns, bool *changed)
{
	const uint64_t seconds = timeout_s == FIREWALL_SET_USUAL ? set->timeout_s : timeout_s;
	struct edit edit = { .set = set,
			     .part = add_part,
			     .expires_ns = seconds ? now_ns + seconds * SECOND_NS : 0 };
	char *why = edit_entry(&edit, entry);

	*changed = edit.changed;
	return why;
}

char *firewall_set_del(struct firewall_set *set, const char *entry, bool *changed)
{
	struct edit edit = { .set = set, .part = del_part };
	char *why = edit_entry(&edit, entry);

	*changed = edit.changed;
	return why;
}

static int addresses_flush(struct firewall_set *set)
{
	struct lpm4 *lpm4 = lpm4_new(), *old4 = set->lpm4;
	struct lpm6 *lpm6 = lpm6_new(), *old6 = set->lpm6;

	if (!lpm4 || !lpm6) {
		lpm4_free(lpm4);
		lpm6_free(lpm6);
		return -ENOMEM;
	}
	rcu_assign_pointer(set->lpm4, lpm4);
	rcu_assign_pointer(set->lpm6, lpm6);
	urcu_qsbr_synchronize_rcu();
	lpm4_free(old4);
	lpm6_free(old6);
	return 0;
}

int64_t firewall_set_flush(struct firewall_set *set)
{
	const int64_t n = (int64_t)(set->fixed + set->added);

	if (set->type == FIREWALL_SET_ADDRESSES && n && addresses_flush(set))
		return -ENOMEM;
	for (unsigned i = 0; set->type == FIREWALL_SET_PORTS && i < 1024; i++) {
		__atomic_store_n(&set->ports[i], 0, __ATOMIC_RELAXED);
		set->fixed_ports[i] = 0;
	}
	while (set->n_heap)
		firewall_set_timed_remove(set, set->heap[0]);
	set->fixed = set->added = 0;
	return n;
}

/* --- every entry --- */

struct walk {
	int (*visit)(void *arg, const struct firewall_set_part *part,
		     enum firewall_set_origin origin);
	void *arg;
};

static int walk4(uint32_t prefix, unsigned len, uint32_t value, void *arg)
{
	const struct firewall_set_part part = { prefix, 4, (uint8_t)len };
	const struct walk *walk = arg;

	return walk->visit(walk->arg, &part, (enum firewall_set_origin)value);
}

static int walk6(const struct in6_addr *prefix, unsigned len, uint32_t value, void *arg)
{
	const struct firewall_set_part part = { span_address6(prefix), 6, (uint8_t)len };
	const struct walk *walk = arg;

	return walk->visit(walk->arg, &part, (enum firewall_set_origin)value);
}

static int each_part(const struct firewall_set *set, struct walk walk)
{
	int stop = 0;

	if (set->type == FIREWALL_SET_ADDRESSES) {
		stop = lpm4_walk(set->lpm4, walk4, &walk);
		return stop ? stop : lpm6_walk(set->lpm6, walk6, &walk);
	}
	for (unsigned port = 0; port <= UINT16_MAX && !stop; port++) {
		const struct firewall_set_part part = { port, 0, 16 };

		if (firewall_set_has_port(set, (uint16_t)port))
			stop = walk.visit(walk.arg, &part, firewall_set_origin_of(set, &part));
	}
	return stop;
}

struct inheriting {
	struct firewall_set *set;
	const struct firewall_set *old;
};

static int inherit_part(void *arg, const struct firewall_set_part *part,
			enum firewall_set_origin origin)
{
	struct inheriting *i = arg;
	const struct firewall_set_timed *timed;
	int err;

	if (origin != FIREWALL_SET_ADDED || firewall_set_origin_of(i->set, part))
		return 0;
	timed = firewall_set_timed_find(i->old, part);
	err = timed ? firewall_set_timed_put(i->set, part, timed->expires_ns) : 0;
	return err ? err : firewall_set_write(i->set, part, FIREWALL_SET_ADDED);
}

int firewall_set_inherit(struct firewall_set *set, struct firewall_set *old)
{
	struct inheriting inheriting = { set, old };

	if (set == old || set->type != old->type)
		return 0;
	return each_part(old, (struct walk){ inherit_part, &inheriting });
}

/* --- shown --- */

static const char *part_text(const struct firewall_set_part *part, char *text, size_t size)
{
	const unsigned bits = part->family == 4 ? 32 : 128;
	struct in6_addr addr = span_in6(part->value);
	char address[INET6_ADDRSTRLEN];

	if (!part->family) {
		snprintf(text, size, "%u", (unsigned)part->value);
		return text;
	}
	inet_ntop(part->family == 4 ? AF_INET : AF_INET6,
		  part->family == 4 ? &addr.s6_addr[12] : addr.s6_addr, address, sizeof(address));
	if (part->len == bits)
		snprintf(text, size, "%s", address);
	else
		snprintf(text, size, "%s/%u", address, part->len);
	return text;
}

struct listing {
	const struct firewall_set *set;
	json_t *entries;
	uint64_t now_ns;
	size_t skip, limit;
};

static int list_part(void *arg, const struct firewall_set_part *part,
		     enum firewall_set_origin origin)
{
	struct listing *l = arg;
	const struct firewall_set_timed *timed = firewall_set_timed_find(l->set, part);
	char text[INET6_ADDRSTRLEN + 8];
	json_t *entry;

	if (l->skip) {
		l->skip--;
		return 0;
	}
	if (json_array_size(l->entries) >= l->limit)
		return 1;
	entry = json_pack("{s:s,s:s}", "entry", part_text(part, text, sizeof(text)), "origin",
			  origin == FIREWALL_SET_FIXED ? "configuration" : "run time");
	if (timed)
		json_object_set_new(
			entry, "expires_s",
			json_integer(
				timed->expires_ns > l->now_ns ?
					(json_int_t)((timed->expires_ns - l->now_ns) / SECOND_NS) :
					0));
	json_array_append_new(l->entries, entry);
	return 0;
}

static const char *type_name(const struct firewall_set *set)
{
	return set->type == FIREWALL_SET_PORTS ? "ports" : "addresses";
}

json_t *firewall_set_show(const struct firewall_set *set)
{
	return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "name", set->name, "type",
			 type_name(set), "entries", (json_int_t)(set->fixed + set->added),
			 "configured", (json_int_t)set->fixed, "added", (json_int_t)set->added,
			 "timed", (json_int_t)set->n_heap, "expired", (json_int_t)set->expired,
			 "timeout", (json_int_t)set->timeout_s);
}

json_t *firewall_set_list(const struct firewall_set *set, uint64_t now_ns, size_t first,
			  size_t limit)
{
	struct listing l = { set, json_array(), now_ns, first, limit };
	const size_t total = set->fixed + set->added;
	size_t n;

	each_part(set, (struct walk){ list_part, &l });
	n = json_array_size(l.entries);
	return json_pack(
		"{s:s,s:s,s:o,s:I,s:I,s:o}", "set", set->name, "type", type_name(set), "entries",
		l.entries, "total", (json_int_t)total, "shown", (json_int_t)n, "next",
		first + n < total && n ? json_integer((json_int_t)(first + n)) : json_null());
}
