/* SPDX-License-Identifier: Apache-2.0 */
/* Static routes: the difference between two configurations, told to the RIB. */
#include "static_route.h"

#include <linux/rtnetlink.h>
#include <string.h>

/* Everything of a route but its hops. */
static void fill(const struct route_config *config, struct rib_route *route)
{
	static const uint8_t kinds[] = { NEXTHOP_FORWARD, NEXTHOP_BLACKHOLE, NEXTHOP_UNREACHABLE,
					 NEXTHOP_PROHIBIT };

	memset(route, 0, sizeof(*route));
	route->family = config->to.addr.family;
	route->prefix = config->to.addr.addr;
	route->len = config->to.len;
	route->table = RT_TABLE_MAIN;
	route->metric = (uint32_t)config->metric;
	route->protocol = RTPROT_STATIC;
	route->is_static = true;
	route->target.kind = kinds[config->type];
}

static bool same_key(const struct route_config *a, const struct route_config *b)
{
	return a->to.addr.family == b->to.addr.family && a->to.len == b->to.len &&
	       a->metric == b->metric &&
	       !memcmp(&a->to.addr.addr, &b->to.addr.addr, sizeof(a->to.addr.addr));
}

/* Is there a route with this key before the n-th? */
static bool has_route(const struct route_config *list, unsigned n,
		      const struct route_config *wanted)
{
	for (unsigned i = 0; i < n; i++)
		if (same_key(&list[i], wanted))
			return true;
	return false;
}

void static_routes_remove(struct rib *rib, const struct config *old, const struct config *next)
{
	const struct route_config *list = old->routes.item;
	struct rib_route route;

	for (unsigned i = 0; i < old->routes.n; i++) {
		if (next && has_route(next->routes.item, next->routes.n, &list[i]))
			continue;
		fill(&list[i], &route); /* without hops: the whole route */
		rib_route_del(rib, &route);
	}
}

/* All routes to one prefix with one metric are one route with several next hops. */
static int set_route(struct rib *rib, const struct route_config *list, unsigned n, unsigned first)
{
	struct rib_hop hops[RIB_HOPS_MAX];
	struct rib_route route;

	fill(&list[first], &route);
	for (unsigned i = first; i < n && route.target.n_hops < RIB_HOPS_MAX; i++) {
		if (list[i].type || !same_key(&list[first], &list[i]))
			continue;
		hops[route.target.n_hops++] = (struct rib_hop){
			.gateway = list[i].via,
			.interface = list[i].interface,
			.onlink = list[i].interface != NULL,
			.weight = 1,
		};
	}
	route.target.hops = hops;
	return rib_route_set(rib, &route, RIB_ROUTE_REPLACE);
}

int static_routes_set(struct rib *rib, const struct config *config)
{
	const struct route_config *list = config->routes.item;
	int err = 0;

	for (unsigned i = 0; i < config->routes.n && !err; i++)
		if (!has_route(list, i, &list[i]))
			err = set_route(rib, list, config->routes.n, i);
	rib_commit(rib);
	return err;
}
