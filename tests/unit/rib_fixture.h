/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A RIB with a small world for unit tests: what the callbacks were told, and short spellings of
 * links, addresses, neighbours and routes. Two ports: "wan" on eth0 (ifindex 10), "lan" on eth1
 * (ifindex 11); eth9 (ifindex 19) is no port.
 */
#ifndef RIB_FIXTURE_H
#define RIB_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>

#include "lpm4.h"
#include "lpm6.h"
#include "rib.h"

#define ETH0 10
#define ETH1 11
#define ETH9 19
#define MAIN 254u
#define LOCAL 255u

struct world {
	struct rib *rib;
	struct fib *fib;
	uint16_t wan, lan;
	unsigned probes, neighbour_events, local_on, local_off;
	int probed_ifindex;
	struct ip_addr probed, last_local;
};

static void told_local(void *arg, const struct ip_addr *addr, bool present)
{
	struct world *w = arg;

	w->local_on += present;
	w->local_off += !present;
	w->last_local = *addr;
}

static void told_neighbours(void *arg)
{
	((struct world *)arg)->neighbour_events++;
}

static void told_probe(void *arg, int ifindex, const struct ip_addr *addr)
{
	struct world *w = arg;

	w->probes++;
	w->probed_ifindex = ifindex;
	w->probed = *addr;
}

static inline struct ip_addr ip(const char *text)
{
	struct ip_addr a = { .family = strchr(text, ':') ? 6 : 4 };

	if (a.family == 6) {
		assert_int_equal(inet_pton(AF_INET6, text, &a.addr), 1);
	} else {
		a.addr.s6_addr32[2] = htonl(0xffff);
		assert_int_equal(inet_pton(AF_INET, text, &a.addr.s6_addr32[3]), 1);
	}
	return a;
}

static inline struct rib_link link_of(int ifindex)
{
	struct rib_link l = { .ifindex = ifindex,
			      .mtu = 1500,
			      .up = true,
			      .running = true,
			      .mac = { 2, 0, 0, 0, 0, (uint8_t)ifindex } };

	snprintf(l.name, sizeof(l.name), "eth%d", ifindex - 10);
	return l;
}

static inline void link_state(struct world *w, int ifindex, bool up, bool running)
{
	struct rib_link l = link_of(ifindex);

	l.up = up;
	l.running = running;
	assert_int_equal(rib_link_set(w->rib, &l), 0);
}

static inline uint16_t interface_of(struct world *w, const char *name, const char *device,
				    uint16_t port, uint16_t vlan, uint16_t outer_vlan)
{
	struct rib_interface i = { .name = name,
				   .device = vlan ? "" : device,
				   .port_device = device,
				   .port = port,
				   .vlan = vlan,
				   .outer_vlan = outer_vlan };
	uint16_t slot = IFACE_NONE;

	assert_int_equal(rib_interface_set(w->rib, &i, &slot), 0);
	return slot;
}

static inline struct rib_address address_of(int ifindex, const char *addr, uint8_t len)
{
	return (struct rib_address){ .ifindex = ifindex, .addr = ip(addr), .len = len };
}

static inline void address(struct world *w, int ifindex, const char *addr, uint8_t len)
{
	struct rib_address a = address_of(ifindex, addr, len);

	assert_int_equal(rib_address_set(w->rib, &a), 0);
}

static inline void neighbour(struct world *w, int ifindex, const char *addr,
			     enum rib_neighbour_state state)
{
	struct rib_neighbour n = {
		.ifindex = ifindex, .addr = ip(addr), .state = state, .mac = { 6, 0, 0, 0, 0, 1 }
	};

	n.mac[4] = n.addr.addr.s6_addr[15];
	assert_int_equal(rib_neighbour_set(w->rib, &n), 0);
}

/* "10.0.0.0/8", "2001:db8::/32" into a route without a target. */
static inline struct rib_route route_to(const char *prefix)
{
	struct rib_route r = { .table = MAIN, .protocol = 3 };
	char text[64];
	char *slash;
	struct ip_addr a;

	snprintf(text, sizeof(text), "%s", prefix);
	slash = strchr(text, '/');
	r.len = (uint8_t)atoi(slash + 1);
	*slash = 0;
	a = ip(text);
	r.family = a.family;
	r.prefix = a.addr;
	r.target.kind = NEXTHOP_FORWARD;
	return r;
}

static inline struct rib_hop hop(int ifindex, const char *gateway, uint16_t weight)
{
	struct rib_hop h = { .ifindex = ifindex, .weight = weight };

	if (gateway)
		h.gateway = ip(gateway);
	return h;
}

static inline void set_route(struct world *w, struct rib_route r, const struct rib_hop *hops,
			     unsigned n, enum rib_route_how how)
{
	r.target.hops = hops;
	r.target.n_hops = (uint16_t)n;
	assert_int_equal(rib_route_set(w->rib, &r, how), 0);
}

static inline void del_route(struct world *w, struct rib_route r, const struct rib_hop *hops,
			     unsigned n)
{
	r.target.hops = hops;
	r.target.n_hops = (uint16_t)n;
	assert_int_equal(rib_route_del(w->rib, &r), 0);
}

/* One hop, main table. */
static inline void route_metric(struct world *w, const char *prefix, int ifindex,
				const char *gateway, uint32_t metric)
{
	struct rib_route r = route_to(prefix);
	struct rib_hop h = hop(ifindex, gateway, 1);

	r.metric = metric;
	set_route(w, r, &h, 1, RIB_ROUTE_ADD);
}

static inline void route(struct world *w, const char *prefix, int ifindex, const char *gateway)
{
	route_metric(w, prefix, ifindex, gateway, 0);
}

/* What a worker would find. */
static inline uint32_t found_id(const struct world *w, const char *addr)
{
	struct ip_addr a = ip(addr);

	return a.family == 4 ? lpm4_lookup(w->fib->lpm4, ntohl(a.addr.s6_addr32[3])) :
			       lpm6_lookup(w->fib->lpm6, &a.addr);
}

static inline const struct nexthop *found(const struct world *w, const char *addr)
{
	const struct nexthop *nh = fib_nexthop(w->fib, found_id(w, addr));

	assert_non_null(nh);
	return nh;
}

#define assert_leads(w, addr, what) assert_int_equal(found(w, addr)->kind, what)

static inline void assert_gateway(const struct world *w, const char *addr, const char *gateway)
{
	const struct nexthop *nh = found(w, addr);
	struct ip_addr want = ip(gateway);

	assert_int_equal(nh->gateway.family, want.family);
	assert_memory_equal(&nh->gateway.addr, &want.addr, sizeof(want.addr));
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct rib_callbacks callbacks = {
		.arg = w,
		.local_address = told_local,
		.neighbours_changed = told_neighbours,
		.probe = told_probe,
	};

	assert_int_equal(rib_new(&w->rib, &callbacks), 0);
	w->fib = rib_fib(w->rib);
	rib_port_state(w->rib, 0, true);
	rib_port_state(w->rib, 1, true);
	w->wan = interface_of(w, "wan", "eth0", 0, 0, 0);
	w->lan = interface_of(w, "lan", "eth1", 1, 0, 0);
	link_state(w, ETH0, true, true);
	link_state(w, ETH1, true, true);
	link_state(w, ETH9, true, true);
	rib_commit(w->rib);
	*state = w;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	rib_free(w->rib);
	free(w);
	return 0;
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

#endif
