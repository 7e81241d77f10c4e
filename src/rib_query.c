/* SPDX-License-Identifier: Apache-2.0 */
/* Routes told back in the words that they were set in (struct rib_route), one or all of them. */
#include <string.h>

#include "rib_internal.h"

static struct rib_hop hop_of(const struct path *p, uint32_t weight)
{
	return (struct rib_hop){
		.ifindex = p->key.by == LEG_BY_IFINDEX ? (int)p->key.where : 0,
		.gateway = p->key.gateway,
		.weight = weight < UINT16_MAX ? (uint16_t)weight : UINT16_MAX,
	};
}

static void tell_target(const struct rib *rib, const struct path *p, struct rib_target *target)
{
	*target = (struct rib_target){ .kind = NEXTHOP_FORWARD, .hops = rib->hops };
	switch (p->key.type) {
	case PATH_OBJECT:
		target->nexthop_object = p->key.where;
		return;
	case PATH_GROUP:
		for (uint32_t i = 0; i < p->key.n; i++)
			rib->hops[i] = hop_of(rib->path[p->key.members[i].id],
					      p->key.members[i].weight);
		target->n_hops = (uint16_t)p->key.n;
		return;
	case PATH_SPECIAL:
		target->kind = p->key.kind;
		if (!p->key.where)
			return;
	}
	rib->hops[0] = hop_of(p, 1);
	target->n_hops = 1;
}

static void tell_route(const struct rib *rib, unsigned family, const struct route *r,
		       struct rib_route *out)
{
	const struct route_attr *a = rib->attr[r->attr];
	const struct path *p = rib->path[r->path];

	*out = (struct rib_route){
		.family = (uint8_t)family,
		.len = (uint8_t)r->len,
		.table = a->table,
		.metric = a->metric,
		.protocol = a->protocol,
		.is_static = a->origin == ORIGIN_STATIC,
		.prefsrc = a->prefsrc,
	};
	if (family == 4) {
		out->prefix.s6_addr32[2] = htonl(0xffff);
		out->prefix.s6_addr32[3] = htonl(r->key[0]);
	} else {
		memcpy(&out->prefix, r->key, sizeof(out->prefix));
	}
	out->mtu = p->key.type == PATH_GROUP ? rib->path[p->key.members[0].id]->key.mtu :
					       p->key.mtu;
	tell_target(rib, p, &out->target);
}

bool rib_route_find(const struct rib *rib, const struct rib_route *key, struct rib_route *route)
{
	const struct route_table *t = &rib->routes[key->family == 6];
	uint32_t words[4], i;

	route_key(&key->prefix, key->family, key->len, words);
	for (i = route_table_find(t, words, key->len); i; i = route_table_next(t, i)) {
		const struct route *r = route_table_at(t, i);
		const struct route_attr *a = rib->attr[r->attr];

		if (a->origin != ORIGIN_KERNEL || a->table != key->table ||
		    a->metric != key->metric || route_gone(rib, r))
			continue;
		tell_route(rib, key->family, r, route);
		return true;
	}
	return false;
}

unsigned rib_routes_prune(struct rib *rib, unsigned family,
			  bool (*gone)(void *arg, const struct rib_route *route), void *arg)
{
	struct route_table *t = &rib->routes[family == 6];
	struct rib_route route;
	unsigned n = 0;

	for (uint32_t i = 1; i <= t->top; i++) {
		const struct route *r = route_table_at(t, i);

		if (!r->path || rib->attr[r->attr]->origin != ORIGIN_KERNEL || route_gone(rib, r))
			continue;
		tell_route(rib, family, r, &route);
		if (!gone(arg, &route))
			continue;
		route_remove(rib, t, i);
		n++;
	}
	return n;
}
