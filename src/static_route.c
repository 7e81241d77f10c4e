/* SPDX-License-Identifier: Apache-2.0 */
/* Static routes: recomputed whole, since they are few; the RIB ignores what did not change. */
#include "static_route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "lpm4.h"
#include "lpm6.h"

struct installed {
	struct rib_route route;
	struct rib_hop hop;
	bool wanted;
};

struct static_routes {
	struct rib *rib;
	unsigned n;
	struct installed *item;
};

int static_routes_new(struct static_routes **result, struct rib *rib)
{
	struct static_routes *routes = calloc(1, sizeof(*routes));

	if (!routes)
		return -ENOMEM;
	routes->rib = rib;
	*result = routes;
	return 0;
}

void static_routes_free(struct static_routes *routes)
{
	if (!routes)
		return;
	free(routes->item);
	free(routes);
}

static const struct interface *interface_by_name(const struct fib *fib, const char *name)
{
	for (uint16_t slot = 0; slot < IFACE_MAX; slot++) {
		const struct interface *iface = fib_interface(fib, slot);

		if (iface && !strcmp(iface->name, name))
			return iface;
	}
	return NULL;
}

/* The interface whose subnet the next hop is in. */
static const struct interface *interface_by_subnet(const struct fib *fib, const struct ip_addr *via)
{
	const struct nexthop *nh;
	uint32_t id, v4;

	if (via->family == 4) {
		memcpy(&v4, via->addr.s6_addr + 12, sizeof(v4));
		id = lpm4_lookup(fib->lpm4, ntohl(v4));
	} else {
		id = lpm6_lookup(fib->lpm6, &via->addr);
	}
	nh = fib_nexthop(fib, id);
	return nh && nh->kind == NEXTHOP_ONLINK ? fib_interface(fib, nh->iface) : NULL;
}

/* Fill `in` for a configured route; false where its next hop cannot be reached now. */
static bool resolve(const struct fib *fib, const struct route_config *config, struct installed *in)
{
	static const uint8_t kinds[] = { NEXTHOP_FORWARD, NEXTHOP_BLACKHOLE, NEXTHOP_UNREACHABLE,
					 NEXTHOP_PROHIBIT };
	const struct interface *iface;

	memset(in, 0, sizeof(*in));
	in->route.family = config->to.addr.family;
	in->route.prefix = config->to.addr.addr;
	in->route.len = config->to.len;
	in->route.table = RT_TABLE_MAIN;
	in->route.metric = (uint32_t)config->metric;
	in->route.protocol = RTPROT_STATIC;
	in->route.is_static = true;
	in->route.target.kind = kinds[config->type];
	if (config->type)
		return true;
	iface = config->interface ? interface_by_name(fib, config->interface) :
				    interface_by_subnet(fib, &config->via);
	if (!iface || !iface->ifindex)
		return false;
	in->hop.ifindex = iface->ifindex;
	in->hop.gateway = config->via;
	in->hop.weight = 1;
	in->hop.onlink = config->interface != NULL;
	return true;
}

static bool same_key(const struct rib_route *a, const struct rib_route *b)
{
	return a->family == b->family && a->len == b->len && a->metric == b->metric &&
	       !memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));
}

static int install(struct static_routes *routes, struct installed *in)
{
	in->route.target.n_hops = in->route.target.kind == NEXTHOP_FORWARD;
	in->route.target.hops = &in->hop;
	return rib_route_set(routes->rib, &in->route, false);
}

int static_routes_apply(struct static_routes *routes, const struct config *config)
{
	const struct fib *fib = rib_fib(routes->rib);
	const struct route_config *list = config->routes.item;
	struct installed *next = calloc(config->routes.n + 1, sizeof(*next));
	unsigned n = 0;
	int err = 0;

	if (!next)
		return -ENOMEM;
	for (unsigned i = 0; i < config->routes.n; i++)
		n += resolve(fib, &list[i], &next[n]);
	for (unsigned i = 0; i < routes->n; i++) {
		struct installed *old = &routes->item[i];

		for (unsigned k = 0; k < n; k++)
			old->wanted |= same_key(&old->route, &next[k].route);
		if (old->wanted)
			continue;
		old->route.target.n_hops = 0; /* the whole route, whatever its hop */
		rib_route_del(routes->rib, &old->route);
	}
	for (unsigned i = 0; i < n && !err; i++)
		err = install(routes, &next[i]);
	free(routes->item);
	routes->item = next;
	routes->n = n;
	rib_commit(routes->rib);
	return err;
}
