/* SPDX-License-Identifier: Apache-2.0 */
/* Details of the kernel's bookkeeping that the RIB repeats: order among equal routes, what a dump
 * means when it is disturbed, and which routes go with what. */
#include "rib_fixture.h"

static const char *const gateways[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3" };

/* Route 10.0.0.0/8 by gateway `i`. */
static void say(struct world *w, unsigned i, enum rib_route_how how)
{
	struct rib_hop h = hop(ETH0, gateways[i], 1);

	set_route(w, route_to("10.0.0.0/8"), &h, 1, how);
}

static void unsay(struct world *w, unsigned i)
{
	struct rib_hop h = hop(ETH0, gateways[i], 1);

	del_route(w, route_to("10.0.0.0/8"), &h, 1);
}

/* Takes the used one away again and again: the order in which they stood. */
static void assert_order(struct world *w, const char *order)
{
	for (; *order; order++) {
		assert_gateway(w, "10.1.1.1", gateways[*order - '0']);
		unsay(w, (unsigned)(*order - '0'));
	}
	assert_leads(w, "10.1.1.1", NEXTHOP_NONE);
}

static void an_ipv4_prepend_stands_before(void **state)
{
	struct world *w = *state;

	say(w, 0, RIB_ROUTE_ADD);
	say(w, 1, RIB_ROUTE_PREPEND);
	say(w, 2, RIB_ROUTE_APPEND);
	assert_order(w, "102");
}

static void equal_routes_stand_as_the_dump_has_them(void **state)
{
	struct world *w = *state;

	say(w, 0, RIB_ROUTE_ADD);
	say(w, 1, RIB_ROUTE_APPEND);
	rib_resync_begin(w->rib);
	link_state(w, ETH0, true, true);
	say(w, 2, RIB_ROUTE_ADD);
	say(w, 1, RIB_ROUTE_ADD);
	say(w, 0, RIB_ROUTE_ADD);
	rib_resync_end(w->rib);
	assert_order(w, "210");

	say(w, 0, RIB_ROUTE_ADD);
	say(w, 1, RIB_ROUTE_APPEND);
	rib_resync_begin(w->rib);
	link_state(w, ETH0, true, true);
	say(w, 1, RIB_ROUTE_ADD);
	say(w, 0, RIB_ROUTE_ADD);
	rib_resync_end(w->rib);
	assert_order(w, "10");
}

static void a_dump_in_the_same_order_disturbs_nothing_on_its_way(void **state)
{
	struct world *w = *state;

	say(w, 0, RIB_ROUTE_ADD);
	say(w, 1, RIB_ROUTE_APPEND);
	rib_resync_begin(w->rib);
	link_state(w, ETH0, true, true);
	say(w, 0, RIB_ROUTE_ADD);
	assert_gateway(w, "10.1.1.1", gateways[0]);
	say(w, 1, RIB_ROUTE_ADD);
	rib_resync_end(w->rib);
	assert_order(w, "01");
}

static void a_dump_that_begins_anew_has_shown_nothing(void **state)
{
	struct world *w = *state;

	rib_resync_begin(w->rib);
	link_state(w, ETH0, true, true);
	say(w, 0, RIB_ROUTE_ADD);
	route(w, "2001:db8::/32", ETH0, "fe80::1");
	rib_resync_again(w->rib, 4);
	say(w, 1, RIB_ROUTE_ADD); /* it has been replaced meanwhile */
	rib_resync_end(w->rib);
	assert_leads(w, "2001:db8::1", NEXTHOP_INCOMPLETE);
	assert_order(w, "1");
}

static void a_family_that_is_kept_is_not_swept(void **state)
{
	struct world *w = *state;

	say(w, 0, RIB_ROUTE_ADD);
	route(w, "2001:db8::/32", ETH0, "fe80::1");
	rib_resync_begin(w->rib);
	link_state(w, ETH0, true, true);
	rib_resync_keep(w->rib, 6);
	rib_resync_end(w->rib);
	assert_leads(w, "10.1.1.1", NEXTHOP_NONE);
	assert_leads(w, "2001:db8::1", NEXTHOP_INCOMPLETE);
}

static void a_resync_that_is_abandoned_sweeps_nothing_and_the_next_one_does(void **state)
{
	struct world *w = *state;

	say(w, 0, RIB_ROUTE_ADD);
	route(w, "2001:db8::/32", ETH0, "fe80::1");
	rib_resync_begin(w->rib);
	rib_resync_abandon(w->rib);
	assert_gateway(w, "10.1.1.1", gateways[0]);
	say(w, 1, RIB_ROUTE_ADD); /* events are events again: it takes the place */
	assert_gateway(w, "10.1.1.1", gateways[1]);
	rib_resync_begin(w->rib);
	link_state(w, ETH0, true, true);
	rib_resync_end(w->rib);
	assert_leads(w, "10.1.1.1", NEXTHOP_NONE);
	assert_leads(w, "2001:db8::1", NEXTHOP_NONE);
}

/* Between a link's going down and the commit its routes are still there; a replacement must not take
 * the place of one of them, but of the one that the kernel still has. */
static void a_dropped_route_is_not_what_another_replaces(void **state)
{
	struct world *w = *state;
	struct rib_hop by_lan = hop(ETH1, "198.51.100.1", 1);

	say(w, 0, RIB_ROUTE_ADD);
	set_route(w, route_to("10.0.0.0/8"), &by_lan, 1, RIB_ROUTE_APPEND);
	link_state(w, ETH0, false, false);
	by_lan = hop(ETH1, "198.51.100.2", 1);
	set_route(w, route_to("10.0.0.0/8"), &by_lan, 1, RIB_ROUTE_REPLACE);
	rib_commit(w->rib);
	assert_gateway(w, "10.1.1.1", "198.51.100.2");
	del_route(w, route_to("10.0.0.0/8"), &by_lan, 1);
	assert_leads(w, "10.1.1.1", NEXTHOP_NONE);
}

static void ipv6_replaces_the_first_of_its_kind(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("2001:db8::/32");
	struct rib_hop wan = hop(ETH0, NULL, 1), lan = hop(ETH1, NULL, 1);

	set_route(w, r, &wan, 1, RIB_ROUTE_ADD);
	set_route(w, r, &lan, 1, RIB_ROUTE_ADD);
	assert_int_equal(found(w, "2001:db8::1")->iface, w->wan);
	set_route(w, r, &lan, 1, RIB_ROUTE_REPLACE);
	assert_int_equal(found(w, "2001:db8::1")->iface, w->lan);
	del_route(w, r, &lan, 1);
	assert_leads(w, "2001:db8::1", NEXTHOP_NONE);
}

static void a_late_word_about_one_of_a_kind_takes_no_other(void **state)
{
	struct world *w = *state;
	struct rib_address a = address_of(ETH0, "10.0.0.3", 24);
	struct rib_hop wan = hop(ETH0, NULL, 1), lan = hop(ETH1, NULL, 1);

	assert_int_equal(rib_address_set(w->rib, &a), 0);
	set_route(w, route_to("10.0.0.0/24"), &wan, 1, RIB_ROUTE_ADD);
	set_route(w, route_to("10.0.0.0/24"), &lan, 1, RIB_ROUTE_APPEND);
	assert_int_equal(rib_address_del(w->rib, &a), 0); /* drops the first */
	del_route(w, route_to("10.0.0.0/24"), &wan, 1);
	rib_commit(w->rib);
	assert_int_equal(found(w, "10.0.0.9")->iface, w->lan);
}

static void two_legs(struct world *w, const char *prefix, const char *wan, const char *lan)
{
	struct rib_hop legs[2] = { hop(ETH0, wan, 1), hop(ETH1, lan, 1) };

	set_route(w, route_to(prefix), legs, 2, RIB_ROUTE_ADD);
}

static void an_ipv4_route_goes_with_the_first_of_its_links_to_be_deleted(void **state)
{
	struct world *w = *state;

	two_legs(w, "10.0.0.0/8", "192.0.2.1", "198.51.100.1");
	two_legs(w, "2001:db8::/32", "fe80::1", "fe80::2");
	assert_int_equal(rib_link_del(w->rib, ETH1), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.1.1.1", NEXTHOP_NONE);
	assert_int_not_equal(found(w, "2001:db8::1")->kind, NEXTHOP_NONE);
}

/* IPv4 ends on a link with its last address: a leg that was there then is as good as down. */
static void a_leg_stays_dead_until_ipv4_is_back_on_its_link(void **state)
{
	struct world *w = *state;
	struct rib_address a = address_of(ETH0, "192.0.2.8", 24);

	assert_int_equal(rib_address_set(w->rib, &a), 0);
	two_legs(w, "10.1.0.0/16", "192.0.2.1", "198.51.100.1");
	assert_int_equal(rib_address_del(w->rib, &a), 0);
	two_legs(w, "10.2.0.0/16", "192.0.2.2", "198.51.100.1"); /* made afterwards: alive */
	link_state(w, ETH1, false, false);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_NONE);
	assert_int_not_equal(found(w, "10.2.0.1")->kind, NEXTHOP_NONE);

	link_state(w, ETH1, true, true);
	assert_int_equal(rib_address_set(w->rib, &a), 0);
	two_legs(w, "10.1.0.0/16", "192.0.2.1", "198.51.100.1");
	assert_int_equal(rib_address_del(w->rib, &a), 0);
	assert_int_equal(rib_address_set(w->rib, &a), 0);
	link_state(w, ETH1, false, false);
	rib_commit(w->rib);
	assert_int_not_equal(found(w, "10.1.0.1")->kind, NEXTHOP_NONE);
}

static void a_preferred_source_takes_routes_of_the_main_table_along(void **state)
{
	static const uint32_t tables[] = { MAIN, 100 };
	struct world *w = *state;
	struct rib_address a = address_of(ETH0, "192.0.2.8", 24),
			   b = address_of(ETH0, "192.0.2.9", 24);
	struct rib_route r = route_to("10.1.0.0/16");
	struct rib_hop h = hop(ETH0, "192.0.2.1", 1);

	assert_int_equal(rib_set_tables(w->rib, tables, 2), 0);
	assert_int_equal(rib_address_set(w->rib, &a), 0);
	assert_int_equal(rib_address_set(w->rib, &b), 0);
	r.prefsrc = a.addr;
	set_route(w, r, &h, 1, RIB_ROUTE_ADD);
	r = route_to("10.2.0.0/16");
	r.table = 100;
	r.prefsrc = a.addr;
	set_route(w, r, &h, 1, RIB_ROUTE_ADD);
	assert_int_equal(rib_address_del(w->rib, &a), 0);
	rib_commit(w->rib);
	assert_leads(w, "10.1.0.1", NEXTHOP_NONE);
	assert_leads(w, "10.2.0.1", NEXTHOP_INCOMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(an_ipv4_prepend_stands_before),
		in_world(equal_routes_stand_as_the_dump_has_them),
		in_world(a_dump_in_the_same_order_disturbs_nothing_on_its_way),
		in_world(a_dump_that_begins_anew_has_shown_nothing),
		in_world(a_family_that_is_kept_is_not_swept),
		in_world(a_resync_that_is_abandoned_sweeps_nothing_and_the_next_one_does),
		in_world(a_dropped_route_is_not_what_another_replaces),
		in_world(ipv6_replaces_the_first_of_its_kind),
		in_world(a_late_word_about_one_of_a_kind_takes_no_other),
		in_world(an_ipv4_route_goes_with_the_first_of_its_links_to_be_deleted),
		in_world(a_leg_stays_dead_until_ipv4_is_back_on_its_link),
		in_world(a_preferred_source_takes_routes_of_the_main_table_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
