/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of static routes. */
#include "config_impl.h"

#include <stdlib.h>
#include <string.h>

enum { UNICAST };

struct rules {
	struct conf_errors *errors;
	const struct config_ifaces *ifaces;
};

static bool is_multicast(const struct ip_addr *addr)
{
	return addr->family == 4 ? addr->addr.s6_addr[12] >= 224 && addr->addr.s6_addr[12] < 240 :
				   addr->addr.s6_addr[0] == 0xff;
}

static bool is_zero_or_loopback(const struct ip_addr *addr)
{
	if (addr->family == 4)
		return addr->addr.s6_addr[12] == 0 || addr->addr.s6_addr[12] == 127;
	return IN6_IS_ADDR_UNSPECIFIED(&addr->addr) || IN6_IS_ADDR_LOOPBACK(&addr->addr);
}

/* Can `via` be a neighbour? 240.0.0.0/4 and the limited broadcast address cannot (RFC 1112). */
static bool is_neighbour(const struct ip_addr *via)
{
	return !is_multicast(via) && !is_zero_or_loopback(via) &&
	       (via->family != 4 || via->addr.s6_addr[12] < 240);
}

__attribute__((format(printf, 4, 5))) static void mistake(const struct rules *rules,
							  const struct route_config *route,
							  const void *member, const char *format,
							  ...)
{
	char to[CONF_VALUE_TEXT], text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conf_error_at(rules->errors, &route->where, member, "route \"%s\": %s",
		      conf_prefix_text(&route->to, to), text);
}

static void via_check(const struct rules *rules, const struct route_config *route)
{
	const struct ip_addr *via = &route->via;
	char text[CONF_VALUE_TEXT];

	if (!via->family)
		return;
	conf_address_text(via, text);
	if (route->to.addr.family == 6 && via->family == 4)
		mistake(rules, route, via,
			"via = \"%s\": an IPv6 route needs an IPv6 next hop (IPv4 may go via IPv6, "
			"not the other way round)",
			text);
	else if (!is_neighbour(via))
		mistake(rules, route, via, "via = \"%s\": no neighbour can have this address",
			text);
	else if (via->family == 6 && IN6_IS_ADDR_LINKLOCAL(&via->addr) && !route->interface)
		mistake(rules, route, via,
			"via = \"%s\": a link-local address is known on its link only; expected "
			"\"interface\" with it",
			text);
}

static void interface_check(const struct rules *rules, const struct route_config *route)
{
	const char *meant;

	if (!route->interface || !rules->ifaces->complete ||
	    config_ifaces_find(rules->ifaces, route->interface))
		return;
	meant = config_ifaces_suggest(rules->ifaces, route->interface);
	mistake(rules, route, &route->interface, "no port or interface \"%s\"%s%s%s",
		route->interface, meant ? "; did you mean \"" : "", meant ? meant : "",
		meant ? "\"?" : "");
}

static void type_check(const struct rules *rules, const struct route_config *route)
{
	const char *type = config_route_type_names[route->type];
	bool via = route->via.family != 0;

	if (route->type != UNICAST && (via || route->interface))
		mistake(rules, route, &route->type,
			"type = \"%s\" goes nowhere, so it excludes \"%s\"", type,
			via ? "via" : "interface");
	else if (route->type == UNICAST && !via && !route->interface)
		mistake(rules, route, NULL,
			"expected where it leads: \"via\", \"interface\" or both, or a type such as "
			"\"blackhole\"");
	if (is_multicast(&route->to.addr))
		mistake(rules, route, &route->to, "multicast is not routed");
}

static int route_compare(const void *a, const void *b)
{
	const struct route_config *x = *(const struct route_config *const *)a;
	const struct route_config *y = *(const struct route_config *const *)b;
	int order =
		(x->to.addr.family > y->to.addr.family) - (x->to.addr.family < y->to.addr.family);

	if (!order)
		order = memcmp(&x->to.addr.addr, &y->to.addr.addr, sizeof(x->to.addr.addr));
	if (!order)
		order = (x->to.len > y->to.len) - (x->to.len < y->to.len);
	if (!order)
		order = (x->metric > y->metric) - (x->metric < y->metric);
	return order ? order : (x > y) - (x < y);
}

static bool same_prefix(const struct route_config *a, const struct route_config *b)
{
	return a->to.addr.family == b->to.addr.family && a->to.len == b->to.len &&
	       !memcmp(&a->to.addr.addr, &b->to.addr.addr, sizeof(a->to.addr.addr)) &&
	       a->metric == b->metric;
}

static bool same_hop(const struct route_config *a, const struct route_config *b)
{
	return a->via.family == b->via.family &&
	       !memcmp(&a->via.addr, &b->via.addr, sizeof(a->via.addr)) &&
	       !a->interface == !b->interface &&
	       (!a->interface || !strcmp(a->interface, b->interface));
}

/* Several unicast routes to one prefix share its traffic; anything else twice is a mistake. */
static void twice_check(const struct rules *rules, const struct route_config *first,
			const struct route_config *second)
{
	if (first->type != second->type || first->type != UNICAST)
		mistake(rules, second, &second->to,
			"another route to it with this metric is on line %d, and not both can hold",
			first->where.line);
	else if (same_hop(first, second))
		mistake(rules, second, &second->to, "stands twice; first on line %d",
			first->where.line);
}

/* Equal prefixes lie together when sorted, in the order of the file. */
static void duplicates_check(const struct rules *rules, const struct config *config)
{
	const struct route_config *routes = config->routes.item;
	const struct route_config **sorted = calloc(config->routes.n + 1, sizeof(*sorted));
	unsigned n = 0, first = 0;

	for (unsigned i = 0; sorted && i < config->routes.n; i++)
		if (!conf_errors_marked(rules->errors, &routes[i]))
			sorted[n++] = &routes[i];
	if (n)
		qsort(sorted, n, sizeof(*sorted), route_compare);
	for (unsigned i = 1; i < n; i++) {
		if (!same_prefix(sorted[first], sorted[i]))
			first = i;
		for (unsigned k = first; k < i; k++) {
			unsigned before = conf_errors_total(rules->errors);

			twice_check(rules, sorted[k], sorted[i]);
			if (conf_errors_total(rules->errors) != before)
				break;
		}
	}
	free(sorted);
}

void config_rules_routes(struct config *config, struct conf_errors *errors)
{
	const struct route_config *routes = config->routes.item;
	struct config_ifaces ifaces;
	struct rules rules = { errors, &ifaces };

	if (!config_ifaces_collect(&ifaces, config, errors)) {
		conf_error(errors, &config->where, "out of memory");
		return;
	}
	for (unsigned i = 0; i < config->routes.n; i++) {
		if (conf_errors_marked(errors, &routes[i]))
			continue;
		via_check(&rules, &routes[i]);
		interface_check(&rules, &routes[i]);
		type_check(&rules, &routes[i]);
	}
	duplicates_check(&rules, config);
	config_ifaces_free(&ifaces);
}
