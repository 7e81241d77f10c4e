/* SPDX-License-Identifier: Apache-2.0 */
/* ECMP groups: shares by weight, and exactly the buckets of a member that goes or comes back. */
#include <math.h>

#include "nexthop.h"
#include "rib_fixture.h"

#define BUCKETS_MOST (1u << 14)

static unsigned share(const uint32_t *buckets, unsigned n, uint32_t id)
{
	unsigned count = 0;

	for (unsigned b = 0; b < n; b++)
		count += buckets[b] == id;
	return count;
}

static void make_members(struct bucket_member *m, unsigned n, unsigned seed)
{
	srandom(seed);
	for (unsigned i = 0; i < n; i++)
		m[i] = (struct bucket_member){ .key = (uint64_t)random() << 33 ^ (uint64_t)random(),
					       .id = i + 1,
					       .weight = 1 };
}

static void shares_follow_the_weights(void **state)
{
	static const struct {
		unsigned n;
		uint32_t weight[8];
	} cases[] = { { 2, { 1, 1 } },
		      { 2, { 1, 3 } },
		      { 3, { 1, 1, 1 } },
		      { 3, { 5, 3, 2 } },
		      { 4, { 1, 2, 3, 4 } },
		      { 2, { 1, 20 } },
		      { 8, { 1, 1, 1, 1, 1, 1, 1, 1 } },
		      { 2, { 65535, 65535 } } };
	static uint32_t buckets[BUCKETS_MOST];
	struct bucket_member m[8];

	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
		for (unsigned seed = 0; seed < 100; seed++) {
			unsigned bits = buckets_bits(cases[c].n, 1), n = 1u << bits, total = 0;

			make_members(m, cases[c].n, seed);
			for (unsigned i = 0; i < cases[c].n; i++)
				total += m[i].weight = cases[c].weight[i];
			buckets_fill(m, cases[c].n, buckets, bits);
			for (unsigned i = 0; i < cases[c].n; i++) {
				double want = (double)cases[c].weight[i] / total;
				double got = (double)share(buckets, n, i + 1) / n;

				assert_true(fabs(got - want) < 0.02);
			}
		}
}

static void only_the_buckets_of_the_one_that_goes_move(void **state)
{
	static uint32_t before[BUCKETS_MOST], after[BUCKETS_MOST];
	struct bucket_member m[RIB_HOPS_MAX], left[RIB_HOPS_MAX];

	for (unsigned n = 2; n <= RIB_HOPS_MAX; n = n * 3 / 2 + 1) {
		unsigned bits = buckets_bits(n, 1), gone = n / 2, moved = 0, j = 0;

		make_members(m, n, n);
		for (unsigned i = 0; i < n; i++)
			m[i].weight = 1 + i % 3;
		buckets_fill(m, n, before, bits);
		for (unsigned i = 0; i < n; i++)
			if (i != gone)
				left[j++] = m[i];
		for (unsigned i = 0; i < j / 2; i++) { /* their order is no input */
			struct bucket_member x = left[i];

			left[i] = left[j - 1 - i];
			left[j - 1 - i] = x;
		}
		buckets_fill(left, j, after, bits);
		for (unsigned b = 0; b < 1u << bits; b++) {
			assert_int_not_equal(after[b], gone + 1);
			if (before[b] != gone + 1)
				assert_int_equal(after[b], before[b]);
			else
				moved++;
		}
		assert_true(moved > 0);
	}
}

static void the_buckets_of_one_that_goes_spread_over_the_others(void **state)
{
	static uint32_t before[BUCKETS_MOST], after[BUCKETS_MOST];
	struct bucket_member m[5];
	unsigned bits = buckets_bits(5, 1), got[6] = { 0 }, moved = 0;

	make_members(m, 5, 42);
	buckets_fill(m, 5, before, bits);
	buckets_fill(m, 4, after, bits);
	for (unsigned b = 0; b < 1u << bits; b++)
		if (before[b] == 5) {
			got[after[b]]++;
			moved++;
		}
	for (unsigned i = 1; i <= 4; i++)
		assert_true(got[i] > moved / 4 * 3 / 4 && got[i] < moved / 4 * 5 / 4);
}

static void neighbouring_hashes_do_not_share_a_fate(void **state)
{
	static uint32_t buckets[BUCKETS_MOST];
	struct bucket_member m[2];
	unsigned bits = buckets_bits(2, 1), same = 0, n = 1u << bits;

	/* members whose keys are as alike as consecutive addresses */
	m[0] = (struct bucket_member){ .key = 1000, .id = 1, .weight = 1 };
	m[1] = (struct bucket_member){ .key = 1001, .id = 2, .weight = 1 };
	buckets_fill(m, 2, buckets, bits);
	for (unsigned b = 0; b < n; b++)
		same += buckets[b] == buckets[(b + 1) % n];
	assert_true(same > n * 45 / 100 && same < n * 55 / 100);
}

static void many_groups_get_smaller_tables(void **state)
{
	assert_int_equal(buckets_bits(1, 1), 0);
	assert_int_equal(buckets_bits(2, 1), 12);
	assert_int_equal(buckets_bits(RIB_HOPS_MAX, 1), 14);
	assert_int_equal(buckets_bits(2, 100000), 9);
}

/* In the RIB */

static uint32_t table[1u << 14];

static unsigned take_table(const struct world *w, const char *addr)
{
	const struct nexthop *nh = found(w, addr);

	assert_int_equal(nh->kind, NEXTHOP_GROUP);
	memcpy(table, nh->buckets, (nh->bucket_mask + 1) * sizeof(table[0]));
	return nh->bucket_mask + 1;
}

static unsigned differences(const struct world *w, const char *addr, unsigned n)
{
	const struct nexthop *nh = found(w, addr);
	unsigned d = 0;

	assert_int_equal(nh->bucket_mask + 1, n);
	for (unsigned b = 0; b < n; b++)
		d += nh->buckets[b] != table[b];
	return d;
}

static unsigned held_by(const struct world *w, const char *addr, const char *gateway)
{
	const struct nexthop *nh = found(w, addr);
	struct ip_addr want = ip(gateway);
	unsigned n = 0;

	for (uint32_t b = 0; b <= nh->bucket_mask; b++)
		n += !memcmp(&fib_nexthop(w->fib, nh->buckets[b])->gateway.addr, &want.addr, 16);
	return n;
}

static void three_legs(struct world *w)
{
	struct rib_hop legs[3] = { hop(ETH0, "192.0.2.1", 1), hop(ETH0, "192.0.2.2", 1),
				   hop(ETH1, "192.0.2.3", 2) };

	set_route(w, route_to("10.0.0.0/8"), legs, 3, RIB_ROUTE_ADD);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_REACHABLE);
	neighbour(w, ETH0, "192.0.2.2", RIB_NEIGHBOUR_REACHABLE);
	neighbour(w, ETH1, "192.0.2.3", RIB_NEIGHBOUR_REACHABLE);
	rib_commit(w->rib);
}

static void a_failed_neighbour_gives_its_buckets_and_takes_them_back(void **state)
{
	struct world *w = *state;
	unsigned n, was;

	three_legs(w);
	n = take_table(w, "10.1.1.1");
	was = held_by(w, "10.1.1.1", "192.0.2.1");
	assert_true(was > n / 5 && was < n * 3 / 10);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_FAILED);
	rib_commit(w->rib);
	assert_int_equal(held_by(w, "10.1.1.1", "192.0.2.1"), 0);
	assert_int_equal(differences(w, "10.1.1.1", n), was);
	/* the kernel tries again: still nothing for it */
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_INCOMPLETE);
	rib_commit(w->rib);
	assert_int_equal(held_by(w, "10.1.1.1", "192.0.2.1"), 0);
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_REACHABLE);
	rib_commit(w->rib);
	assert_int_equal(differences(w, "10.1.1.1", n), 0);
}

static void a_dead_link_gives_its_members_buckets(void **state)
{
	struct world *w = *state;
	unsigned n, was;

	three_legs(w);
	n = take_table(w, "10.1.1.1");
	was = held_by(w, "10.1.1.1", "192.0.2.3");
	link_state(w, ETH1, true, false);
	rib_commit(w->rib);
	assert_int_equal(differences(w, "10.1.1.1", n), was);
	link_state(w, ETH1, true, true);
	rib_commit(w->rib);
	assert_int_equal(differences(w, "10.1.1.1", n), 0);
	link_state(w, ETH1, false, false); /* administratively: the same for a leg */
	rib_commit(w->rib);
	assert_int_equal(differences(w, "10.1.1.1", n), was);
}

static void when_none_is_usable_all_are_kept(void **state)
{
	struct world *w = *state;
	unsigned n;

	three_legs(w);
	n = take_table(w, "10.1.1.1");
	neighbour(w, ETH0, "192.0.2.1", RIB_NEIGHBOUR_FAILED);
	neighbour(w, ETH0, "192.0.2.2", RIB_NEIGHBOUR_FAILED);
	neighbour(w, ETH1, "192.0.2.3", RIB_NEIGHBOUR_FAILED);
	rib_commit(w->rib);
	assert_int_equal(differences(w, "10.1.1.1", n), 0);
}

static void a_leg_that_is_withdrawn_moves_only_its_own(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[2] = { hop(ETH1, "192.0.2.3", 2), hop(ETH0, "192.0.2.2", 1) };
	unsigned n, was, moved = 0;
	const struct nexthop *nh;

	three_legs(w);
	n = take_table(w, "10.1.1.1");
	was = held_by(w, "10.1.1.1", "192.0.2.1");
	/* another group in the table: the legs that stay have the same ids while a route holds them */
	set_route(w, route_to("10.9.0.0/16"), legs, 2, RIB_ROUTE_ADD);
	set_route(w, route_to("10.0.0.0/8"), legs, 2, RIB_ROUTE_ADD);
	nh = found(w, "10.1.1.1");
	assert_int_equal(nh->bucket_mask + 1, n);
	for (unsigned b = 0; b < n; b++)
		moved += nh->buckets[b] != table[b];
	assert_int_equal(moved, was);
}

static void the_same_hop_twice_counts_with_both_weights(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[3] = { hop(ETH0, "192.0.2.1", 1), hop(ETH1, "192.0.2.2", 2),
				   hop(ETH0, "192.0.2.1", 1) };
	struct rib_hop one[2] = { hop(ETH0, "192.0.2.1", 1), hop(ETH0, "192.0.2.1", 1) };
	unsigned n;

	set_route(w, route_to("10.0.0.0/8"), legs, 3, RIB_ROUTE_ADD);
	n = take_table(w, "10.1.1.1");
	assert_true(held_by(w, "10.1.1.1", "192.0.2.1") > n * 47 / 100);
	assert_true(held_by(w, "10.1.1.1", "192.0.2.1") < n * 53 / 100);
	set_route(w, route_to("10.0.0.0/8"), one, 2, RIB_ROUTE_ADD);
	assert_leads(w, "10.1.1.1", NEXTHOP_INCOMPLETE); /* no group of one */
}

static void members_may_be_on_link(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[2] = { hop(ETH0, NULL, 1), hop(ETH1, "192.0.2.2", 1) };
	const struct nexthop *nh;
	unsigned onlink = 0;

	set_route(w, route_to("10.0.0.0/8"), legs, 2, RIB_ROUTE_ADD);
	nh = found(w, "10.1.1.1");
	for (uint32_t b = 0; b <= nh->bucket_mask; b++)
		onlink += fib_nexthop(w->fib, nh->buckets[b])->kind == NEXTHOP_ONLINK;
	assert_true(onlink > (nh->bucket_mask + 1) * 2 / 5);
}

static void ports_are_preferred_to_other_devices(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[2] = { hop(ETH0, "192.0.2.1", 1), hop(ETH9, "192.0.2.2", 1) };

	set_route(w, route_to("10.0.0.0/8"), legs, 2, RIB_ROUTE_ADD);
	assert_int_equal(held_by(w, "10.1.1.1", "192.0.2.2"), 0);
}

static void routes_share_one_group(void **state)
{
	struct world *w = *state;
	struct rib_hop legs[2] = { hop(ETH0, "192.0.2.1", 1), hop(ETH1, "192.0.2.2", 1) };
	struct rib_hop swapped[2] = { legs[1], legs[0] };

	set_route(w, route_to("10.0.0.0/8"), legs, 2, RIB_ROUTE_ADD);
	set_route(w, route_to("11.0.0.0/8"), swapped, 2, RIB_ROUTE_ADD);
	assert_int_equal(found_id(w, "10.1.1.1"), found_id(w, "11.1.1.1"));
}

/* Gateway's last byte by bucket. */
static void take_gateways(const struct world *w, const char *addr, uint8_t *out)
{
	const struct nexthop *nh = found(w, addr);

	assert_int_equal(nh->bucket_mask, 4095);
	for (uint32_t b = 0; b < 4096; b++)
		out[b] = fib_nexthop(w->fib, nh->buckets[b])->gateway.addr.s6_addr[15];
}

/* Also in another process: two appliances, or one restarted, agree on every flow. */
static void the_table_does_not_depend_on_how_it_came_about(void **state)
{
	struct world *w = *state, *other;
	static uint8_t a[4096], b[4096];
	struct rib_hop legs[3] = { hop(ETH1, "192.0.2.3", 2), hop(ETH0, "192.0.2.2", 1),
				   hop(ETH0, "192.0.2.1", 1) };

	three_legs(w);
	take_gateways(w, "10.1.1.1", a);
	assert_int_equal(world_setup((void **)&other), 0);
	route(other, "10.7.0.0/16", ETH0, "192.0.2.77"); /* other ids */
	link_state(other, ETH1, true, false);
	set_route(other, route_to("10.0.0.0/8"), legs, 3, RIB_ROUTE_ADD);
	link_state(other, ETH1, true, true);
	rib_commit(other->rib);
	take_gateways(other, "10.1.1.1", b);
	assert_memory_equal(a, b, sizeof(a));
	world_teardown((void **)&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_follow_the_weights),
		cmocka_unit_test(only_the_buckets_of_the_one_that_goes_move),
		cmocka_unit_test(the_buckets_of_one_that_goes_spread_over_the_others),
		cmocka_unit_test(neighbouring_hashes_do_not_share_a_fate),
		cmocka_unit_test(many_groups_get_smaller_tables),
		in_world(a_failed_neighbour_gives_its_buckets_and_takes_them_back),
		in_world(a_dead_link_gives_its_members_buckets),
		in_world(when_none_is_usable_all_are_kept),
		in_world(a_leg_that_is_withdrawn_moves_only_its_own),
		in_world(the_same_hop_twice_counts_with_both_weights),
		in_world(members_may_be_on_link),
		in_world(ports_are_preferred_to_other_devices),
		in_world(routes_share_one_group),
		in_world(the_table_does_not_depend_on_how_it_came_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
