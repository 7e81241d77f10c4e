/* SPDX-License-Identifier: Apache-2.0 */
/* Static routes: the difference between two configurations, told to the RIB. */
#include "static_route.h"

#include <linux/rtnetlink.h>
#include <string.h>

static void fill(const struct route_config *config, struct rib_route *route, struct rib_hop *hop)
{
	static const uint8_t kinds[] = { NEXTHOP_FORWARD, NEXTHOP_BLACKHOLE, NEXTHOP_UNREACHABLE,
					 NEXTHOP_PROHIBIT };

	memset(route, 0, sizeof(*route));
	memset(hop, 0, sizeof(*hop));
	hop->gateway = config->via;
	hop->interface = config->interface;
	hop->onlink = config->interface != NULL;
	hop->weight = 1;
	route->family = config->to.addr.family;
	route->prefix = config->to.addr.addr;
	route->len = config->to.len;
	route->table = RT_TABLE_MAIN;
	route->metric = (uint32_t)config->metric;
	route->protocol = RTPROT_STATIC;
	route->is_static = true;
	route->target.kind = kinds[config->type];
	route->target.n_hops = config->type ? 0 : 1;
	route->target.hops = hop;
}

static bool same_key(const struct route_config *a, const struct route_config *b)
{
	return a->to.addr.family == b->to.addr.family && a->to.len == b->to.len &&
	       a->metric == b->metric &&
	       !memcmp(&a->to.addr.addr, &b->to.addr.addr, sizeof(a->to.addr.addr));
}

static bool has_route(const struct config *config, const struct route_config *wanted)
{
	const struct route_config *list = config->routes.item;

	for (unsigned i = 0; i < config->routes.n; i++)
		if (same_key(&list[i], wanted))
			return true;
	return false;
}

void static_routes_remove(struct rib *rib, const struct config *old, const struct config *next)
{
	const struct route_config *list = old->routes.item;
	struct rib_route route;
	struct rib_hop hop;

	for (unsigned i = 0; i < old->routes.n; i++) {
		if (next && has_route(next, &list[i]))
			continue;
		fill(&list[i], &route, &hop);
		route.target.n_hops = 0; /* the whole route */
		rib_route_del(rib, &route);
	}
}

int static_routes_set(struct rib *rib, const struct config *config)
{
	const struct route_config *list = config->routes.item;
	struct rib_route route;
	struct rib_hop hop;
	int err = 0;

	for (unsigned i = 0; i < config->routes.n && !err; i++) {
		fill(&list[i], &route, &hop);
		err = rib_route_set(rib, &route, RIB_ROUTE_REPLACE);
	}
	rib_commit(rib);
	return err;
}
