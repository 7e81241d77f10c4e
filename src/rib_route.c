/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: candidates per prefix, the choice among them, and the LPM tables.
 *
 * The LPM table has, for each prefix, the id of the path of its best candidate. A change of a route
 * is a change of one prefix. What happens to paths (a link goes, an object is deleted) changes what
 * the id stands for at once and touches no route; only where it matters which candidate wins, or
 * where the kernel has dropped routes, the next commit scans the records: in order of memory, a few
 * milliseconds for a million, and it works only on routes by orphaned paths and on prefixes with
 * more than one candidate.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lpm4.h"
#include "lpm6.h"
#include "mix.h"
#include "rib_internal.h"

/* Prefixes */

void route_key(const struct in6_addr *prefix, uint8_t family, unsigned len, uint32_t key[4])
{
	unsigned words = family == 4 ? 1 : 4;

	memset(key, 0, 4 * sizeof(*key));
	if (family == 4)
		key[0] = ntohl(prefix->s6_addr32[3]);
	for (unsigned i = 0; i < words && family == 6; i++)
		key[i] = ntohl(prefix->s6_addr32[i]);
	for (unsigned i = 0; i < words; i++) {
		unsigned bits = len > 32 * i ? len - 32 * i : 0;

		if (bits < 32)
			key[i] &= bits ? ~0u << (32 - bits) : 0;
		key[i] = family == 6 ? htonl(key[i]) : key[i];
	}
}

static int lpm_install(struct rib *rib, unsigned family, const struct route *r, uint32_t id)
{
	struct in6_addr prefix;
	int err;

	if (family == 4) {
		err = id ? lpm4_set(rib->fib.lpm4, r->key[0], r->len, id) :
			   lpm4_del(rib->fib.lpm4, r->key[0], r->len);
	} else {
		memcpy(&prefix, r->key, sizeof(prefix));
		err = id ? lpm6_set(rib->fib.lpm6, &prefix, r->len, id) :
			   lpm6_del(rib->fib.lpm6, &prefix, r->len);
	}
	if (!err)
		rib->changed = true;
	return err;
}

static unsigned table_family(const struct rib *rib, const struct route_table *t)
{
	return t == &rib->routes[0] ? 4 : 6;
}

static struct route_table *table_of(struct rib *rib, unsigned family)
{
	return &rib->routes[family == 6];
}

/* What routes have in common */

static uint64_t attr_hash(const struct rib *rib, const struct route_attr *a)
{
	uint64_t h = mix64(rib->seed, (uint64_t)a->table << 32 | a->metric);

	h = mix64(h, (uint64_t)a->protocol << 8 | a->origin);
	return a->prefsrc.family ? ip_addr_hash(&a->prefsrc, h) : h;
}

/* Position of a table among those that count: the local one first; -1: does not count. A static
 * route always does. */
static int table_rank(const struct rib *rib, uint32_t table, uint8_t origin)
{
	if (table == TABLE_LOCAL)
		return 0;
	for (unsigned i = 0; i < rib->n_tables; i++)
		if (rib->tables[i] == table)
			return (int)i + 1;
	return origin == ORIGIN_STATIC ? 1 : -1;
}

static struct route_attr *attr_find(const struct rib *rib, const struct route_attr *want)
{
	struct hnode *node = htable_first(&rib->attrs, attr_hash(rib, want));

	for (; node; node = htable_next(node)) {
		struct route_attr *a = htable_entry(node, struct route_attr, by_content);

		if (a->table == want->table && a->metric == want->metric &&
		    a->protocol == want->protocol && a->origin == want->origin &&
		    ip_addr_equal(&a->prefsrc, &want->prefsrc))
			return a;
	}
	return NULL;
}

/* Ids and the array of what is free grow together, so giving one back needs no memory. */
static int attr_grow(struct rib *rib)
{
	uint32_t room = rib->attr_room ? rib->attr_room * 2 : 64;
	struct route_attr **attr;
	uint32_t *unused;

	if (room > 1u << 24)
		return -ENOSPC;
	attr = realloc(rib->attr, room * sizeof(struct route_attr *));
	if (!attr)
		return -ENOMEM;
	rib->attr = attr;
	unused = realloc(rib->free_attrs, room * sizeof(*unused));
	if (!unused)
		return -ENOMEM;
	rib->free_attrs = unused;
	rib->attr_room = room;
	return 0;
}

/* The shared record with this content; a reference for the caller. */
static int attr_get(struct rib *rib, const struct route_attr *want, struct route_attr **out)
{
	struct route_attr *a = attr_find(rib, want);
	int err;

	if (a) {
		a->refs++;
		*out = a;
		return 0;
	}
	if (!rib->n_free_attrs && rib->attr_top + 1 >= rib->attr_room) {
		err = attr_grow(rib);
		if (err)
			return err;
	}
	a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = *want;
	a->refs = 1;
	a->rank = table_rank(rib, a->table, a->origin);
	a->id = rib->n_free_attrs ? rib->free_attrs[--rib->n_free_attrs] : ++rib->attr_top;
	rib->attr[a->id] = a;
	htable_add(&rib->attrs, &a->by_content, attr_hash(rib, a));
	*out = a;
	return 0;
}

static void attr_put(struct rib *rib, struct route_attr *a)
{
	if (--a->refs)
		return;
	if (!a->orphan)
		htable_del(&rib->attrs, &a->by_content);
	rib->attr[a->id] = NULL;
	rib->free_attrs[rib->n_free_attrs++] = a->id;
	free(a);
}

static void attr_make_orphan(struct rib *rib, struct route_attr *a)
{
	htable_del(&rib->attrs, &a->by_content);
	a->orphan = true;
	rib->scan = true;
}

static struct route_attr attr_wanted(const struct rib_route *r)
{
	return (struct route_attr){
		.table = r->table,
		.metric = r->metric,
		.prefsrc = ip_addr_clean(&r->prefsrc),
		.protocol = r->protocol,
		.origin = r->is_static ? ORIGIN_STATIC : ORIGIN_KERNEL,
	};
}

/* The choice */

static const struct route_attr *attr_of(const struct rib *rib, const struct route *r)
{
	return rib->attr[r->attr];
}

bool route_before(const struct route *a, const struct route *b, void *arg)
{
	const struct route_attr *x = attr_of(arg, a), *y = attr_of(arg, b);

	if (x->rank != y->rank)
		return x->rank < y->rank;
	if (x->metric != y->metric)
		return x->metric < y->metric;
	return x->origin < y->origin;
}

static bool route_gone(const struct rib *rib, const struct route *r)
{
	return (r->flags & ROUTE_DOOMED) || attr_of(rib, r)->orphan || rib->path[r->path]->orphan;
}

/* The first that can be used; where none can, the first that is still a route; or none. */
static uint32_t best_of(const struct rib *rib, const struct route_table *t, uint32_t first)
{
	uint32_t fallback = 0;

	for (uint32_t i = first; i; i = route_table_next(t, i)) {
		const struct route *r = route_table_at(t, i);

		if (route_gone(rib, r))
			continue;
		if (rib->path[r->path]->eligible)
			return i;
		if (!fallback)
			fallback = i;
	}
	return fallback;
}

/* Makes the LPM table have the best candidate of a prefix. `first`: of its run. */
static int reselect(struct rib *rib, struct route_table *t, uint32_t first)
{
	uint32_t best = best_of(rib, t, first), installed = 0, i;
	const struct route *head = route_table_at(t, first);
	unsigned family = table_family(rib, t);
	uint32_t have = 0, want = best ? route_table_at(t, best)->path : 0;
	int err;

	for (i = first; i && !installed; i = route_table_next(t, i))
		if (route_table_at(t, i)->flags & ROUTE_INSTALLED)
			installed = i;
	if (installed)
		have = route_table_at(t, installed)->path;
	if (have != want) {
		err = lpm_install(rib, family, head, want);
		if (err)
			return err;
	}
	if (installed)
		route_table_at(t, installed)->flags &= ~ROUTE_INSTALLED & 0xff;
	if (best)
		route_table_at(t, best)->flags |= ROUTE_INSTALLED;
	return 0;
}

static uint32_t run_of(const struct route_table *t, uint32_t index)
{
	const struct route *r = route_table_at(t, index);

	return r->flags & ROUTE_SHARED ? route_table_find(t, r->key, r->len) : index;
}

static void mark_seen(struct rib *rib, struct route *r)
{
	r->flags = (r->flags & (0xff & ~ROUTE_SEEN)) | rib->epoch;
}

static bool is_seen(const struct rib *rib, const struct route *r)
{
	return (r->flags & ROUTE_SEEN) == rib->epoch;
}

/* Takes a route out. Where the LPM table lacks the memory to let go of it, it stays, doomed, until
 * a later commit. */
static int route_remove(struct rib *rib, struct route_table *t, uint32_t index)
{
	struct route *r = route_table_at(t, index);
	struct route_attr *attr = rib->attr[r->attr];
	struct path *path = path_by_id(rib, r->path);
	int err;

	r->flags |= ROUTE_DOOMED;
	if (r->flags & ROUTE_INSTALLED) {
		err = reselect(rib, t, run_of(t, index));
		if (err) {
			rib->scan = true;
			return err;
		}
	}
	route_table_del(t, index);
	attr_put(rib, attr);
	path_put(rib, path);
	return 0;
}

/* Where a new route stands among its equals: behind them, or ... */
static bool before_equals(const struct route *a, const struct route *b, void *arg)
{
	return !route_before(b, a, arg);
}

/* ... in a dump, which is in the kernel's order: behind those that it has shown. */
static bool before_unseen(const struct route *a, const struct route *b, void *arg)
{
	return route_before(a, b, arg) || (!route_before(b, a, arg) && !is_seen(arg, b));
}

/* Takes over the references to attr and path, also on failure. */
static int route_insert(struct rib *rib, struct route_table *t, const uint32_t *key, unsigned len,
			struct route_attr *attr, struct path *path, enum rib_route_how how)
{
	uint32_t index = route_table_add(t, key, len, path->id, attr->id,
					 how == RIB_ROUTE_PREPEND		? before_equals :
					 how == RIB_ROUTE_ADD && rib->resyncing ? before_unseen :
										  route_before,
					 rib);
	int err;

	if (!index) {
		attr_put(rib, attr);
		path_put(rib, path);
		return -ENOMEM;
	}
	mark_seen(rib, route_table_at(t, index));
	err = reselect(rib, t, run_of(t, index));
	if (err)
		route_remove(rib, t, index);
	return err;
}

/* As route_insert(), in the place of a candidate that is there. On failure that one stays. */
static int route_replace(struct rib *rib, struct route_table *t, uint32_t index,
			 struct route_attr *attr, struct path *path)
{
	struct route *r = route_table_at(t, index);
	struct route_attr *old_attr = rib->attr[r->attr];
	struct path *old_path = path_by_id(rib, r->path);
	int err;

	if ((r->flags & ROUTE_INSTALLED) && old_path != path) {
		err = lpm_install(rib, table_family(rib, t), r, path->id);
		if (err) {
			attr_put(rib, attr);
			path_put(rib, path);
			return err;
		}
	}
	r->path = path->id;
	r->attr = attr->id;
	r->flags &= ~ROUTE_DOOMED & 0xff;
	mark_seen(rib, r);
	attr_put(rib, old_attr);
	path_put(rib, old_path);
	if (r->flags & ROUTE_SHARED || !(r->flags & ROUTE_INSTALLED))
		return reselect(rib, t, run_of(t, index));
	return 0;
}

/* Setting */

static bool same_identity(const struct route_attr *a, const struct route_attr *b)
{
	return a->table == b->table && a->metric == b->metric && a->origin == b->origin;
}

enum route_class {
	CLASS_GATEWAY, /* the only ones that join to one multipath route */
	CLASS_ONLINK,
	CLASS_OBJECT,
	CLASS_SPECIAL,
};

static enum route_class class_of(const struct path *p)
{
	if (p->key.type == PATH_SPECIAL)
		return CLASS_SPECIAL;
	if (p->key.type == PATH_OBJECT)
		return CLASS_OBJECT;
	return p->key.type == PATH_LEG && !p->key.gateway.family ? CLASS_ONLINK : CLASS_GATEWAY;
}

/* IPv6: is `new` another version of the route by `old`, or one beside it? See rib_route_set(). */
static bool replaces6(const struct path *old, const struct path *new)
{
	enum route_class class = class_of(new);

	return class_of(old) == class &&
	       (class == CLASS_GATEWAY || old->key.where == new->key.where);
}

/* The candidate whose place the new route takes, 0 if it is one more. */
static uint32_t victim_of(const struct rib *rib, const struct route_table *t, uint32_t first,
			  const struct route_attr *attr, const struct path *path,
			  enum rib_route_how how)
{
	bool ipv6 = t->words == 4 && attr->origin == ORIGIN_KERNEL;
	bool any_alike = false, alike;
	uint32_t any = 0;

	if ((how == RIB_ROUTE_APPEND || how == RIB_ROUTE_PREPEND) && !ipv6)
		return 0;
	for (uint32_t i = first; i; i = route_table_next(t, i)) {
		const struct route *r = route_table_at(t, i);

		if (!same_identity(attr_of(rib, r), attr) || route_gone(rib, r))
			continue;
		if (rib->resyncing && how == RIB_ROUTE_ADD && attr->origin == ORIGIN_KERNEL &&
		    is_seen(rib, r))
			continue; /* the dump has had this one already */
		if (!ipv6 || (how != RIB_ROUTE_REPLACE && replaces6(rib->path[r->path], path)))
			return i;
		/* the kernel replaces the first of its kind: legs that may join, or any other */
		alike = (class_of(rib->path[r->path]) == CLASS_GATEWAY) ==
			(class_of(path) == CLASS_GATEWAY);
		if (!any || (alike && !any_alike))
			any = i;
		any_alike |= alike;
	}
	return how == RIB_ROUTE_REPLACE ? any : 0;
}

/* The very same route: nothing to do but to remember that it was seen. */
static uint32_t route_unchanged(struct rib *rib, struct route_table *t, uint32_t first,
				const struct route_attr *attr, const struct path *path)
{
	for (uint32_t i = first; i; i = route_table_next(t, i)) {
		struct route *r = route_table_at(t, i);

		if (r->attr != attr->id || r->path != path->id || (r->flags & ROUTE_DOOMED))
			continue;
		if (rib->resyncing && !is_seen(rib, r))
			route_table_reorder(t, i, before_unseen, rib);
		mark_seen(rib, r);
		if (rib->resyncing && reselect(rib, t, run_of(t, i)))
			rib->scan = true;
		return i;
	}
	return 0;
}

static enum path_owner owner_of(const struct rib_route *r)
{
	if (r->is_static)
		return OWNER_PLAIN;
	return r->family == 4 ? OWNER_KERNEL4 : OWNER_KERNEL6;
}

static int route_check(const struct rib_route *r)
{
	if (r->family == 4)
		return r->len <= 32 ? 0 : -EINVAL;
	return r->family == 6 && r->len <= 128 ? 0 : -EINVAL;
}

/* IPv6 APPEND: the hops of the message join those of the route that is there. */
static int path_joined(struct rib *rib, const struct path *have, const struct rib_route *route,
		       struct path **path)
{
	struct rib_hop hops[2 * RIB_HOPS_MAX];
	struct rib_target target = { .kind = NEXTHOP_FORWARD, .hops = hops };
	unsigned n, i, j;

	if (route->target.n_hops > RIB_HOPS_MAX)
		return -E2BIG;
	for (n = 0; n < have->key.n; n++) {
		const struct path *leg = path_by_id(rib, have->key.members[n].id);

		hops[n] = (struct rib_hop){ .ifindex = (int)leg->key.where,
					    .gateway = leg->key.gateway,
					    .weight = (uint16_t)have->key.members[n].weight };
	}
	if (have->key.type == PATH_LEG)
		hops[n++] = (struct rib_hop){ .ifindex = (int)have->key.where,
					      .gateway = have->key.gateway,
					      .weight = 1 };
	for (i = 0; i < route->target.n_hops; i++) {
		const struct rib_hop *hop = &route->target.hops[i];

		for (j = 0; j < n; j++)
			if (hops[j].ifindex == hop->ifindex &&
			    ip_addr_equal(&hops[j].gateway, &hop->gateway))
				break;
		hops[j] = *hop; /* the same one: with the weight of the message */
		n += j == n;
	}
	target.n_hops = (uint16_t)n;
	return path_of_target(rib, &target, route->mtu, OWNER_KERNEL6, true, path);
}

static bool joins(const struct rib_route *r, enum rib_route_how how)
{
	return how == RIB_ROUTE_APPEND && r->family == 6 && !r->is_static &&
	       r->target.kind == NEXTHOP_FORWARD && r->target.n_hops && !r->target.nexthop_object;
}

/* An IPv6 route may take the place of one while a second with its content is there already. Routes
 * by an object are also announced as replacing themselves, when the object has changed. */
static bool replaces_another(const struct path *path, const struct rib_route *route,
			     enum rib_route_how how)
{
	return how == RIB_ROUTE_REPLACE && route->family == 6 && !route->is_static &&
	       class_of(path) != CLASS_OBJECT;
}

static int route_set(struct rib *rib, struct route_table *t, const uint32_t *key, unsigned len,
		     struct route_attr *attr, struct path *path, const struct rib_route *route,
		     enum rib_route_how how)
{
	uint32_t first = route_table_find(t, key, len);
	uint32_t same = route_unchanged(rib, t, first, attr, path), victim = 0;
	struct path *have, *joined;
	int err;

	if (!same || replaces_another(path, route, how))
		victim = victim_of(rib, t, first, attr, path, how);
	if (same) {
		attr_put(rib, attr);
		path_put(rib, path);
		return victim && victim != same ? route_remove(rib, t, victim) : 0;
	}
	if (!victim)
		return route_insert(rib, t, key, len, attr, path, how);
	have = path_by_id(rib, route_table_at(t, victim)->path);
	if (joins(route, how) && class_of(have) == CLASS_GATEWAY && !have->orphan &&
	    have->key.type != PATH_OBJECT) {
		err = path_joined(rib, have, route, &joined);
		path_put(rib, path);
		if (err) {
			attr_put(rib, attr);
			return err;
		}
		path = joined;
	}
	return route_replace(rib, t, victim, attr, path);
}

int rib_route_set(struct rib *rib, const struct rib_route *route, enum rib_route_how how)
{
	struct route_attr want = attr_wanted(route), *attr;
	struct route_table *t = table_of(rib, route->family);
	struct path *path;
	uint32_t key[4];
	int err = route_check(route);

	if (err || table_rank(rib, want.table, want.origin) < 0)
		return err;
	err = attr_get(rib, &want, &attr);
	if (err)
		return err;
	err = path_of_target(rib, &route->target, route->mtu, owner_of(route), true, &path);
	if (err) {
		attr_put(rib, attr);
		return err;
	}
	route_key(&route->prefix, route->family, route->len, key);
	return route_set(rib, t, key, route->len, attr, path, route, how);
}

/* Deleting */

static bool is_special(const struct rib_target *target)
{
	return target->kind != NEXTHOP_FORWARD && target->kind != NEXTHOP_NONE;
}

/* The candidate that the message means: the one with its target, and best with its source and
 * protocol too. A message may come late, about a route that was dropped by inference: then it must
 * not take another one with the same key along. Without a target: whatever has the key. */
static uint32_t find_deleted(struct rib *rib, const struct route_table *t, uint32_t first,
			     const struct route_attr *want, const struct rib_route *route)
{
	const struct rib_target *target = &route->target;
	bool any = !is_special(target) && !target->n_hops && !target->nexthop_object;
	const struct route_attr *exact = attr_find(rib, want);
	struct path *path = NULL;
	uint32_t found = 0;

	if (!any)
		path_of_target(rib, target, route->mtu, owner_of(route), false, &path);
	for (uint32_t i = first; i; i = route_table_next(t, i)) {
		const struct route *r = route_table_at(t, i);

		if (!same_identity(attr_of(rib, r), want) || (!any && route_gone(rib, r)))
			continue;
		if ((any || rib->path[r->path] == path) &&
		    (!found || (exact && attr_of(rib, r) == exact)))
			found = i;
	}
	return found;
}

static int route_del4(struct rib *rib, struct route_table *t, uint32_t first,
		      const struct route_attr *want, const struct rib_route *route)
{
	uint32_t i = find_deleted(rib, t, first, want, route);

	return i ? route_remove(rib, t, i) : 0;
}

static bool hop_is_in(const struct rib_target *target, const struct path *leg)
{
	for (unsigned i = 0; i < target->n_hops; i++)
		if (target->hops[i].ifindex == (int)leg->key.where &&
		    ip_addr_equal(&target->hops[i].gateway, &leg->key.gateway))
			return true;
	return false;
}

/* Takes the legs of the message out of a candidate; with none left, the candidate. */
static int del_legs(struct rib *rib, struct route_table *t, uint32_t index,
		    const struct rib_target *target)
{
	struct route *r = route_table_at(t, index);
	const struct path *p = path_by_id(rib, r->path);
	struct path_member_key left[RIB_HOPS_MAX];
	struct path *path;
	unsigned n = 0;
	int err;

	if (p->key.type == PATH_LEG)
		return hop_is_in(target, p) ? route_remove(rib, t, index) : 0;
	if (p->key.type != PATH_GROUP)
		return 0;
	for (uint32_t i = 0; i < p->key.n; i++)
		if (!hop_is_in(target, path_by_id(rib, p->key.members[i].id)))
			left[n++] = p->key.members[i];
	if (n == p->key.n)
		return 0;
	if (!n)
		return route_remove(rib, t, index);
	err = path_of_members(rib, left, n, p->key.owner, &path);
	if (err)
		return err;
	rib->attr[r->attr]->refs++;
	return route_replace(rib, t, index, rib->attr[r->attr], path);
}

static bool del6_whole(const struct path *p, const struct rib_target *target)
{
	if (target->nexthop_object)
		return p->key.type == PATH_OBJECT && p->key.where == target->nexthop_object;
	if (target->kind == NEXTHOP_FORWARD || target->kind == NEXTHOP_NONE)
		return !target->n_hops;
	return p->key.type == PATH_SPECIAL && p->key.kind == target->kind &&
	       (!target->n_hops || !p->key.where || (int)p->key.where == target->hops[0].ifindex);
}

static int route_del6(struct rib *rib, struct route_table *t, uint32_t first,
		      const struct route_attr *want, const struct rib_route *route)
{
	const struct rib_target *target = &route->target;
	uint32_t next;
	int err = 0, one;

	for (uint32_t i = first; i; i = next) {
		const struct route *r = route_table_at(t, i);

		next = route_table_next(t, i);
		if (!same_identity(attr_of(rib, r), want))
			continue;
		if (del6_whole(rib->path[r->path], target))
			one = route_remove(rib, t, i);
		else
			one = del_legs(rib, t, i, target);
		err = one ? one : err;
	}
	return err;
}

int rib_route_del(struct rib *rib, const struct rib_route *route)
{
	struct route_attr want = attr_wanted(route);
	struct route_table *t = table_of(rib, route->family);
	uint32_t key[4], first;
	int err = route_check(route);

	if (err)
		return err;
	route_key(&route->prefix, route->family, route->len, key);
	first = route_table_find(t, key, route->len);
	if (!first)
		return 0;
	if (route->family == 4 || route->is_static)
		return route_del4(rib, t, first, &want, route);
	return route_del6(rib, t, first, &want, route);
}

/* Own addresses */

static struct route_attr address_attr(void)
{
	return (struct route_attr){ .table = TABLE_LOCAL, .protocol = 2, .origin = ORIGIN_ADDRESS };
}

int route_address_set(struct rib *rib, const struct ip_addr *addr, bool broadcast)
{
	struct route_attr want = address_attr(), *attr;
	unsigned len = addr->family == 4 ? 32 : 128;
	struct path *path;
	uint32_t key[4];
	int err;

	err = attr_get(rib, &want, &attr);
	if (err)
		return err;
	err = path_special(rib, broadcast ? NEXTHOP_BROADCAST : NEXTHOP_LOCAL, &path);
	if (err) {
		attr_put(rib, attr);
		return err;
	}
	route_key(&addr->addr, addr->family, len, key);
	return route_insert(rib, table_of(rib, addr->family), key, len, attr, path, RIB_ROUTE_ADD);
}

void route_address_del(struct rib *rib, const struct ip_addr *addr, bool broadcast)
{
	struct route_table *t = table_of(rib, addr->family);
	unsigned len = addr->family == 4 ? 32 : 128;
	uint32_t key[4], i;

	route_key(&addr->addr, addr->family, len, key);
	for (i = route_table_find(t, key, len); i; i = route_table_next(t, i)) {
		const struct route *r = route_table_at(t, i);

		if (attr_of(rib, r)->origin == ORIGIN_ADDRESS && !(r->flags & ROUTE_DOOMED) &&
		    (rib->path[r->path]->key.kind == NEXTHOP_BROADCAST) == broadcast) {
			route_remove(rib, t, i);
			return;
		}
	}
}

/* The kernel does so in the main table only. */
void route_drop_prefsrc(struct rib *rib, const struct ip_addr *addr)
{
	for (uint32_t i = 1; i <= rib->attr_top; i++) {
		struct route_attr *a = rib->attr[i];

		if (a && !a->orphan && a->origin == ORIGIN_KERNEL && a->table == TABLE_MAIN &&
		    ip_addr_equal(&a->prefsrc, addr))
			attr_make_orphan(rib, a);
	}
}

/* Passes over all routes */

static void scan_family(struct rib *rib, struct route_table *t)
{
	for (uint32_t i = 1; i <= t->top; i++) {
		struct route *r = route_table_at(t, i);

		if (!r->path)
			continue;
		if (route_gone(rib, r))
			route_remove(rib, t, i);
		else if ((r->flags & ROUTE_SHARED) && rib->path[r->path]->changed &&
			 reselect(rib, t, run_of(t, i)))
			rib->scan = true;
	}
}

void route_scan(struct rib *rib)
{
	struct path *p;

	if (!rib->scan)
		return;
	rib->scan = false;
	for (unsigned i = 0; i < 2; i++)
		scan_family(rib, &rib->routes[i]);
	if (rib->scan)
		return; /* memory failed: all of it again next time */
	while (!cds_list_empty(&rib->changed_paths)) {
		p = cds_list_first_entry(&rib->changed_paths, struct path, changed_node);
		cds_list_del_init(&p->changed_node);
		p->changed = false;
	}
}

/* New order of tables: routes of those that do not count any more go, runs are ordered anew. */
static void reorder_family(struct rib *rib, struct route_table *t)
{
	for (uint32_t i = 1; i <= t->top; i++) {
		const struct route *r = route_table_at(t, i);

		if (!r->path || !(r->flags & ROUTE_SHARED))
			continue;
		route_table_reorder(t, i, route_before, rib);
	}
	for (uint32_t i = 1; i <= t->top; i++) {
		const struct route *r = route_table_at(t, i);

		if (r->path && (r->flags & ROUTE_SHARED) && reselect(rib, t, run_of(t, i)))
			rib->scan = true;
	}
}

int rib_set_tables(struct rib *rib, const uint32_t *tables, unsigned n)
{
	if (n > TABLES_MAX)
		return -E2BIG;
	if (n == rib->n_tables && !memcmp(tables, rib->tables, n * sizeof(*tables)))
		return 0;
	memcpy(rib->tables, tables, n * sizeof(*tables));
	rib->n_tables = n;
	for (uint32_t i = 1; i <= rib->attr_top; i++) {
		struct route_attr *a = rib->attr[i];

		if (!a || a->orphan)
			continue;
		a->rank = table_rank(rib, a->table, a->origin);
		if (a->rank < 0)
			attr_make_orphan(rib, a);
	}
	for (unsigned i = 0; i < 2; i++)
		reorder_family(rib, &rib->routes[i]);
	return 0;
}

/* All routes of a family as met by this resync, or as not met. */
void route_set_seen(struct rib *rib, unsigned family, bool seen)
{
	struct route_table *t = table_of(rib, family);
	uint8_t mark = seen ? rib->epoch : rib->epoch ^ ROUTE_SEEN;

	for (uint32_t i = 1; i <= t->top; i++) {
		struct route *r = route_table_at(t, i);

		r->flags = (r->flags & (0xff & ~ROUTE_SEEN)) | mark;
	}
}

/* All kernel routes unseen; those that come or are met from now on are seen. */
void route_resync_begin(struct rib *rib)
{
	if (!rib->resyncing) {
		rib->epoch ^= ROUTE_SEEN;
		return;
	}
	route_set_seen(rib, 4, false);
	route_set_seen(rib, 6, false);
}

void route_sweep(struct rib *rib)
{
	for (unsigned f = 0; f < 2; f++) {
		struct route_table *t = &rib->routes[f];

		for (uint32_t i = 1; i <= t->top; i++) {
			struct route *r = route_table_at(t, i);

			if (!r->path || is_seen(rib, r))
				continue;
			if (attr_of(rib, r)->origin == ORIGIN_KERNEL)
				route_remove(rib, t, i);
			else
				mark_seen(rib, r); /* takes no part */
		}
	}
}

void route_free_all(struct rib *rib)
{
	for (unsigned f = 0; f < 2; f++) {
		struct route_table *t = &rib->routes[f];

		for (uint32_t i = 1; i <= t->top; i++) {
			const struct route *r = route_table_at(t, i);

			if (!r->path)
				continue;
			attr_put(rib, rib->attr[r->attr]);
			path_put(rib, path_by_id(rib, r->path));
		}
	}
}
