/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RIB against a naive model under random changes, and readers under churn.
 *
 * The model is a list of routes, searched from end to end; it knows the rules of rib.h for choice
 * and for what the kernel drops, and nothing of paths, runs or tables.
 */
#include <pthread.h>
#include <unistd.h>

#include "rib_fixture.h"
#include "rib_internal.h"

/* The model */

#define MODEL_MAX 4096
#define LEGS_MAX 3
#define LINKS 4 /* ETH0, ETH1: ports; ETH9 and 18: none */

struct model_route {
	bool there;
	struct rib_route r;
	struct rib_hop legs[LEGS_MAX];
};

struct model {
	struct model_route route[MODEL_MAX];
	bool up[LINKS], running[LINKS];
	bool port[2];
};

static const int link_index[LINKS] = { ETH0, ETH1, ETH9, 18 };

static unsigned model_link(int ifindex)
{
	unsigned i = 0;

	while (link_index[i] != ifindex)
		i++;
	return i;
}

static bool leg_usable(const struct model *m, const struct rib_hop *leg)
{
	unsigned l = model_link(leg->ifindex);

	return m->up[l] && m->running[l] && (l > 1 || m->port[l]);
}

static bool model_eligible(const struct model *m, const struct model_route *mr)
{
	bool eligible = mr->r.target.kind != NEXTHOP_FORWARD;

	for (unsigned i = 0; i < mr->r.target.n_hops; i++)
		eligible |= leg_usable(m, &mr->legs[i]);
	return eligible;
}

static bool covers(const struct rib_route *r, const struct ip_addr *addr)
{
	const uint8_t *a = addr->addr.s6_addr, *p = r->prefix.s6_addr;
	unsigned bits = r->family == 4 ? 96u + r->len : r->len;

	if (r->family != addr->family || memcmp(a, p, bits / 8))
		return false;
	return !(bits % 8) || !((a[bits / 8] ^ p[bits / 8]) >> (8 - bits % 8));
}

static bool same_key(const struct rib_route *a, const struct rib_route *b)
{
	return a->family == b->family && a->len == b->len && a->table == b->table &&
	       a->metric == b->metric && a->is_static == b->is_static &&
	       !memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));
}

static bool preferred(const struct rib_route *a, const struct rib_route *b)
{
	unsigned x = a->table == LOCAL ? 0 : a->table == MAIN ? 1 : 2;
	unsigned y = b->table == LOCAL ? 0 : b->table == MAIN ? 1 : 2;

	if (x != y)
		return x < y;
	if (a->metric != b->metric)
		return a->metric < b->metric;
	return a->is_static && !b->is_static;
}

/* The route that an address takes. */
static const struct model_route *model_choose(const struct model *m, const struct ip_addr *addr)
{
	const struct model_route *best = NULL;

	for (unsigned i = 0; i < MODEL_MAX; i++) {
		const struct model_route *mr = &m->route[i];
		bool mine, his;

		if (!mr->there || !covers(&mr->r, addr))
			continue;
		if (!best || mr->r.len > best->r.len) {
			best = mr;
			continue;
		}
		if (mr->r.len < best->r.len)
			continue;
		mine = model_eligible(m, mr);
		his = model_eligible(m, best);
		if (mine != his ? mine : preferred(&mr->r, &best->r))
			best = mr;
	}
	return best;
}

static void model_set(struct model *m, const struct rib_route *r)
{
	struct model_route *slot = NULL;

	for (unsigned i = 0; i < MODEL_MAX; i++) {
		if (m->route[i].there && same_key(&m->route[i].r, r)) {
			slot = &m->route[i];
			break;
		}
		if (!m->route[i].there && !slot)
			slot = &m->route[i];
	}
	assert_non_null(slot);
	slot->there = true;
	slot->r = *r;
	memcpy(slot->legs, r->target.hops, r->target.n_hops * sizeof(*slot->legs));
	slot->r.target.hops = NULL;
}

static void model_del(struct model *m, const struct rib_route *r)
{
	for (unsigned i = 0; i < MODEL_MAX; i++)
		if (m->route[i].there && same_key(&m->route[i].r, r))
			m->route[i].there = false;
}

/* A link went down administratively: the kernel's routes by it with no leg by one that is up. */
static void model_drop(struct model *m, unsigned link)
{
	for (unsigned i = 0; i < MODEL_MAX; i++) {
		struct model_route *mr = &m->route[i];
		bool up = false, by = false;

		if (!mr->there || mr->r.is_static || mr->r.target.kind != NEXTHOP_FORWARD)
			continue;
		for (unsigned l = 0; l < mr->r.target.n_hops; l++) {
			up |= m->up[model_link(mr->legs[l].ifindex)];
			by |= mr->legs[l].ifindex == link_index[link];
		}
		mr->there = up || !by;
	}
}

/* Comparing */

static bool nexthop_is_leg(const struct world *w, const struct nexthop *nh,
			   const struct rib_hop *leg)
{
	uint16_t slot = leg->ifindex == ETH0 ? w->wan : leg->ifindex == ETH1 ? w->lan : IFACE_NONE;

	return nh->gateway.family == leg->gateway.family &&
	       !memcmp(&nh->gateway.addr, &leg->gateway.addr, 16) &&
	       (nh->kind == NEXTHOP_DOWN || nh->iface == slot);
}

static void check_group(const struct world *w, const struct model *m,
			const struct model_route *want, const struct nexthop *nh)
{
	unsigned usable = 0;

	for (unsigned l = 0; l < want->r.target.n_hops; l++)
		usable += leg_usable(m, &want->legs[l]) && link_index[2] > want->legs[l].ifindex &&
			  want->legs[l].ifindex != 18;
	for (uint32_t b = 0; b <= nh->bucket_mask; b += 7) {
		const struct nexthop *one = fib_nexthop(w->fib, nh->buckets[b]);
		bool known = false;

		for (unsigned l = 0; l < want->r.target.n_hops; l++)
			known |= nexthop_is_leg(w, one, &want->legs[l]);
		assert_true(known);
		if (usable)
			assert_true(one->kind == NEXTHOP_INCOMPLETE);
	}
}

static void check_address(const struct world *w, const struct model *m, const struct ip_addr *addr)
{
	const struct model_route *want = model_choose(m, addr);
	uint32_t id = addr->family == 4 ?
			      lpm4_lookup(w->fib->lpm4, ntohl(addr->addr.s6_addr32[3])) :
			      lpm6_lookup(w->fib->lpm6, &addr->addr);
	const struct nexthop *nh = fib_nexthop(w->fib, id);

	assert_non_null(nh);
	if (!want) {
		assert_int_equal(nh->kind, NEXTHOP_NONE);
	} else if (want->r.target.kind != NEXTHOP_FORWARD) {
		assert_int_equal(nh->kind, want->r.target.kind);
	} else if (nh->kind == NEXTHOP_GROUP) {
		check_group(w, m, want, nh);
	} else {
		assert_true(nexthop_is_leg(w, nh, &want->legs[0]));
		assert_int_equal(nh->kind == NEXTHOP_DOWN, !leg_usable(m, &want->legs[0]));
	}
}

/* Changes */

static struct in6_addr random_prefix(unsigned family, unsigned len)
{
	struct in6_addr a = { 0 };
	unsigned bits = family == 4 ? 96 + len : len;

	/* few distinct bits, so that prefixes nest and meet */
	a.s6_addr32[0] = family == 6 ? htonl(0x20010db8u) : 0;
	a.s6_addr32[2] = family == 4 ? htonl(0xffff) : 0;
	a.s6_addr32[3] = htonl((uint32_t)random() & 0x80808181u);
	for (unsigned i = 0; i < 128; i++)
		if (i >= bits)
			a.s6_addr[i / 8] &= (uint8_t) ~(0x80 >> (i % 8));
	return a;
}

static struct rib_route random_route(struct rib_hop *legs)
{
	static const uint32_t tables[] = { MAIN, MAIN, 100, LOCAL };
	static const uint8_t kinds[] = { NEXTHOP_BLACKHOLE, NEXTHOP_UNREACHABLE };
	struct rib_route r = { .family = random() % 2 ? 4 : 6, .protocol = 4 };
	char text[32];

	r.len = (uint8_t)(r.family == 4 ? random() % 33 : 96 + random() % 33);
	r.prefix = random_prefix(r.family, r.len);
	r.table = tables[random() % 4];
	r.metric = (uint32_t)random() % 3;
	r.is_static = random() % 4 == 0;
	r.target.kind = NEXTHOP_FORWARD;
	r.target.hops = legs;
	r.target.n_hops = (uint16_t)(1 + random() % LEGS_MAX);
	if (random() % 8 == 0) {
		r.target.kind = kinds[random() % 2];
		r.target.n_hops = 0;
	}
	for (unsigned i = 0; i < r.target.n_hops; i++) {
		snprintf(text, sizeof(text), r.family == 4 ? "192.0.2.%u" : "fe80::%u",
			 (unsigned)random() % 5 + 1);
		legs[i] = hop(link_index[random() % LINKS], text, (uint16_t)(1 + random() % 3));
	}
	return r;
}

/* IPv6 keeps a blackhole beside a route by gateways, so its key is free for one of them only. */
static void change_route(struct world *w, struct model *m)
{
	struct rib_hop legs[LEGS_MAX];
	struct rib_route r = random_route(legs), whole;

	for (unsigned tries = 0; tries < 2 && random() % 3; tries++) {
		unsigned i = (unsigned)random() % 400; /* one that is there, more often than not */

		if (!m->route[i].there)
			continue;
		whole = m->route[i].r;
		whole.target = r.target;
		r = whole;
	}
	if (random() % 3 == 0 || (r.family == 6 && !r.is_static)) {
		whole = r;
		whole.target.n_hops = 0;
		whole.target.kind = NEXTHOP_FORWARD;
		for (unsigned i = 0; i < MODEL_MAX; i++)
			if (m->route[i].there && same_key(&m->route[i].r, &r))
				whole.target.kind = m->route[i].r.target.kind;
		assert_int_equal(rib_route_del(w->rib, &whole), 0);
		model_del(m, &r);
		if (r.family == 4 || random() % 2)
			return;
	}
	assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), 0);
	model_set(m, &r);
}

static void change_link(struct world *w, struct model *m)
{
	unsigned l = (unsigned)random() % LINKS;
	bool up = random() % 4 != 0, running = up && random() % 3 != 0, fell = m->up[l] && !up;

	link_state(w, link_index[l], up, running);
	m->up[l] = up;
	m->running[l] = running;
	if (fell)
		model_drop(m, l);
}

static void change_port(struct world *w, struct model *m)
{
	unsigned p = (unsigned)random() % 2;

	m->port[p] = random() % 2;
	rib_port_state(w->rib, (uint16_t)p, m->port[p]);
}

static void say_all(struct world *w, const struct model *m)
{
	for (unsigned i = 0; i < LINKS; i++)
		link_state(w, link_index[i], m->up[i], m->running[i]);
	for (unsigned i = 0; i < MODEL_MAX; i++) {
		struct rib_route r = m->route[i].r;

		r.target.hops = m->route[i].legs;
		if (m->route[i].there && !r.is_static)
			assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), 0);
	}
}

/* Some messages were lost: the model knows, the RIB is told by a dump. */
static void lose_and_resync(struct world *w, struct model *m)
{
	for (unsigned i = 0; i < MODEL_MAX; i++)
		if (m->route[i].there && !m->route[i].r.is_static && random() % 5 == 0)
			m->route[i].there = false;
	rib_resync_begin(w->rib);
	say_all(w, m);
	rib_resync_end(w->rib);
}

static void random_changes_agree_with_a_naive_model(void **state)
{
	struct world *w = *state;
	static struct model m;
	static const uint32_t tables[] = { MAIN, 100 };
	struct ip_addr addr;

	memset(&m, 0, sizeof(m));
	srandom(20260101);
	assert_int_equal(rib_set_tables(w->rib, tables, 2), 0);
	for (unsigned i = 0; i < LINKS; i++) {
		m.up[i] = m.running[i] = true;
		link_state(w, link_index[i], true, true);
	}
	m.port[0] = m.port[1] = true;
	for (unsigned step = 0; step < 6000; step++) {
		unsigned dice = (unsigned)random() % 100;

		if (dice < 94)
			change_route(w, &m);
		else if (dice < 97)
			change_link(w, &m);
		else if (dice < 99)
			change_port(w, &m);
		else
			lose_and_resync(w, &m);
		rib_commit(w->rib);
		for (unsigned i = 0; i < 8; i++) {
			unsigned family = i % 2 ? 4 : 6;

			addr = (struct ip_addr){ .family = (uint8_t)family,
						 .addr = random_prefix(family,
								       family == 4 ? 32 : 128) };
			check_address(w, &m, &addr);
		}
		if (step % 512 == 0)
			rib_tick(w->rib, step);
	}
}

/* When everything is taken back nothing is left: ids, paths, neighbours, attributes. */
static void taking_everything_back_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[LEGS_MAX];
	static struct rib_route routes[2000];
	json_t *s;

	srandom(3);
	for (unsigned i = 0; i < 2000; i++) {
		routes[i] = random_route(legs);
		assert_int_equal(rib_route_set(w->rib, &routes[i], RIB_ROUTE_REPLACE), 0);
	}
	for (unsigned i = 0; i < 2000; i++) {
		routes[i].target.n_hops = 0;
		routes[i].target.kind = NEXTHOP_FORWARD;
		assert_int_equal(rib_route_del(w->rib, &routes[i]), 0);
		routes[i].target.kind = NEXTHOP_BLACKHOLE;
		assert_int_equal(rib_route_del(w->rib, &routes[i]), 0);
		routes[i].target.kind = NEXTHOP_UNREACHABLE;
		assert_int_equal(rib_route_del(w->rib, &routes[i]), 0);
	}
	rib_commit(w->rib);
	s = rib_summary(w->rib);
	assert_int_equal(json_integer_value(json_object_get(s, "routes4")), 0);
	assert_int_equal(json_integer_value(json_object_get(s, "routes6")), 0);
	assert_int_equal(json_integer_value(json_object_get(s, "prefixes4")), 0);
	assert_int_equal(json_integer_value(json_object_get(s, "prefixes6")), 0);
	assert_int_equal(json_integer_value(json_object_get(s, "nexthops")), 0);
	assert_int_equal(json_integer_value(json_object_get(s, "groups")), 0);
	assert_int_equal(json_integer_value(json_object_get(s, "neighbours")), 0);
	assert_int_equal(w->rib->attrs.count, 0);
	json_decref(s);
}

static void path_churn(struct world *w, unsigned i)
{
	char gateway[32];

	snprintf(gateway, sizeof(gateway), "10.%u.%u.1", i / 250, i % 250);
	route(w, "10.0.0.0/8", ETH0, gateway);
	if (i % 100 == 0)
		rib_commit(w->rib);
}

static void ids_are_used_again(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 20000; i++)
		path_churn(w, i);
	assert_true(w->rib->top_id < 3000);
}

static void a_prefix_knows_when_it_has_one_candidate_left(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.0.0.0/8");
	struct rib_hop h = hop(ETH0, "192.0.2.1", 1);

	for (r.metric = 1; r.metric <= 3; r.metric++)
		set_route(w, r, &h, 1, RIB_ROUTE_ADD);
	assert_int_equal(w->rib->routes[0].shared, 3);
	r.metric = 2;
	del_route(w, r, &h, 1);
	assert_int_equal(w->rib->routes[0].shared, 2);
	r.metric = 3;
	del_route(w, r, &h, 1);
	assert_int_equal(w->rib->routes[0].shared, 0);
}

/* Readers under churn */

struct reader {
	pthread_t thread;
	struct world *w;
	unsigned seed;
	uint64_t lookups, hits;
};

static bool stop;

static void read_nexthop(const struct fib *fib, uint32_t id, uint32_t hash)
{
	const struct nexthop *nh = fib_nexthop(fib, id);

	if (!nh || nh->id != id || nh->kind > NEXTHOP_DOWN)
		abort();
	if (nh->kind == NEXTHOP_GROUP) {
		id = nh->buckets[hash & nh->bucket_mask];
		nh = fib_nexthop(fib, id);
		if (!nh || nh->id != id || nh->kind == NEXTHOP_GROUP || nh->kind == NEXTHOP_NONE)
			abort();
	}
	if (nh->kind == NEXTHOP_FORWARD && (nh->l2_len < 14 || nh->l2[0] != 6))
		abort();
	if (nh->iface != IFACE_NONE && fib_interface(fib, nh->iface))
		nexthop_mark_used(nh);
}

static void *reader_run(void *arg)
{
	struct reader *r = arg;
	const struct fib *fib = r->w->fib;
	unsigned x = r->seed;

	rcu_register_thread();
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (unsigned i = 0; i < 64; i++) {
			struct in6_addr a6 = { .s6_addr32 = { htonl(0x20010db8u) } };
			const struct nexthop *nh;

			x = x * 1664525 + 1013904223;
			a6.s6_addr32[3] = htonl((x >> 3) & 0x80808181u);
			read_nexthop(fib, lpm4_lookup(fib->lpm4, ntohl(a6.s6_addr32[3])), x >> 8);
			read_nexthop(fib, lpm6_lookup(fib->lpm6, &a6), x >> 8);
			nh = fib_neighbour4(fib, r->w->wan, htonl(0xc0000201u + (x >> 16) % 200));
			if (nh && (nh->iface != r->w->wan || nh->gateway.family != 4))
				abort();
			r->hits += nh != NULL;
			r->lookups++;
		}
		rib_tsan_reader_done(r->w->rib);
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

static void churn(struct world *w, struct model *m, unsigned step)
{
	char text[32];
	struct ip_addr a;

	snprintf(text, sizeof(text), "192.0.2.%u", (unsigned)random() % 200 + 1);
	a = ip(text);
	change_route(w, m);
	if (random() % 3)
		neighbour(w, ETH0, text, (enum rib_neighbour_state)(random() % 4));
	else
		assert_int_equal(rib_neighbour_del(w->rib, ETH0, &a), 0);
	if (step % 50 == 0)
		change_link(w, m);
	if (step % 20 == 0)
		rib_commit(w->rib);
	if (step % 300 == 0)
		rib_tick(w->rib, step);
}

static void readers_see_whole_objects_under_churn(void **state)
{
	struct world *w = *state;
	static struct model m;
	struct reader r[2] = { { .w = w, .seed = 1 }, { .w = w, .seed = 2 } };
	struct timespec begin, now;
	unsigned step = 0;

	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < LINKS; i++) {
		m.up[i] = m.running[i] = true;
		link_state(w, link_index[i], true, true);
	}
	m.port[0] = m.port[1] = true;
	srandom(11);
	stop = false;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&r[i].thread, NULL, reader_run, &r[i]), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		for (unsigned i = 0; i < 100; i++)
			churn(w, &m, step++);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < 3);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(r[i].thread, NULL);
		assert_true(r[i].lookups > 0 && r[i].hits > 0);
	}
	assert_true(step >= 500);
	assert_true(w->rib->reclaims > 0);
}

/* A worker in the middle of a burst holds on to what it has read, however long it takes. */

struct slow_reader {
	struct world *w;
	bool holds, done;
};

static void *slow_reader_run(void *arg)
{
	struct slow_reader *r = arg;
	const struct nexthop *nh;

	rcu_register_thread();
	nh = found(r->w, "10.1.1.1");
	__atomic_store_n(&r->holds, true, __ATOMIC_RELEASE);
	usleep(100000);
	if (nh->kind != NEXTHOP_FORWARD || nh->l2_len != 14)
		abort();
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	rib_tsan_reader_done(r->w->rib);
	rcu_unregister_thread();
	return NULL;
}

static void nothing_is_freed_before_a_grace_period(void **state)
{
	struct world *w = *state;
	struct slow_reader r = { .w = w };
	pthread_t thread;

	route(w, "10.0.0.0/8", ETH0, "192.0.2.1");
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_REACHABLE);
	assert_int_equal(pthread_create(&thread, NULL, slow_reader_run, &r), 0);
	while (!__atomic_load_n(&r.holds, __ATOMIC_ACQUIRE))
		usleep(1000);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_FAILED);
	del_route(w, route_to("10.0.0.0/8"), NULL, 0);
	rib_commit(w->rib);
	rib_tick(w->rib, 1);
	assert_true(__atomic_load_n(&r.done, __ATOMIC_ACQUIRE));
	pthread_join(thread, NULL);
}

/* Size */

static void a_route_costs_few_bytes(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.0.0.0/24"), r6 = route_to("2001:db8::/64");
	struct rib_hop h = hop(ETH0, "192.0.2.1", 1), h6 = hop(ETH0, "fe80::1", 1);
	enum { N = 100000 };

	for (unsigned i = 0; i < N; i++) {
		r.prefix.s6_addr32[3] = htonl(0x0a000000u + (i << 8));
		r6.prefix.s6_addr32[1] = htonl(i);
		set_route(w, r, &h, 1, RIB_ROUTE_ADD);
		set_route(w, r6, &h6, 1, RIB_ROUTE_ADD);
	}
	assert_int_equal(w->rib->routes[0].count, N);
	assert_true(route_table_bytes(&w->rib->routes[0]) / N <= 24);
	assert_true(route_table_bytes(&w->rib->routes[1]) / N <= 36);
	assert_int_equal(w->rib->n_paths, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(random_changes_agree_with_a_naive_model),
		in_world(taking_everything_back_leaves_nothing),
		in_world(ids_are_used_again),
		in_world(a_prefix_knows_when_it_has_one_candidate_left),
		in_world(nothing_is_freed_before_a_grace_period),
		in_world(readers_see_whole_objects_under_churn),
		in_world(a_route_costs_few_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
