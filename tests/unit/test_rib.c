/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces, links and addresses, and what routes make of them. */
#include <errno.h>
#include <linux/if_ether.h>

#include "rib_fixture.h"

static void no_route_is_kind_none(void **state)
{
	assert_leads(*state, "192.0.2.1", NEXTHOP_NONE);
	assert_leads(*state, "2001:db8::1", NEXTHOP_NONE);
}

static void on_link_route_leads_to_the_destination_itself(void **state)
{
	struct world *w = *state;
	const struct nexthop *nh;

	route(w, "10.0.0.0/24", ETH0, NULL);
	nh = found(w, "10.0.0.7");
	assert_int_equal(nh->kind, NEXTHOP_ONLINK);
	assert_int_equal(nh->iface, w->wan);
	assert_int_equal(nh->port, 0);
	assert_int_equal(nh->mtu, 1500);
	assert_leads(w, "10.0.1.7", NEXTHOP_NONE);
}

static void gateway_takes_the_neighbours_mac(void **state)
{
	struct world *w = *state;
	static const uint8_t l2[12] = { 6, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, ETH0 };
	const struct nexthop *nh;

	route(w, "0.0.0.0/0", ETH0, "10.0.0.1");
	assert_leads(w, "8.8.8.8", NEXTHOP_INCOMPLETE);
	neighbour(w, ETH0, "10.0.0.1", RIB_NEIGHBOUR_REACHABLE);
	nh = found(w, "8.8.8.8");
	assert_int_equal(nh->kind, NEXTHOP_FORWARD);
	assert_int_equal(nh->l2_len, 14);
	assert_int_equal(nh->stale, 0);
	assert_memory_equal(nh->l2, l2, sizeof(l2));
	assert_gateway(w, "8.8.8.8", "10.0.0.1");
}

static void ipv4_goes_via_an_ipv6_gateway(void **state)
{
	struct world *w = *state;

	route(w, "10.9.0.0/16", ETH0, "fe80::1");
	neighbour(w, ETH0, "fe80::1", RIB_NEIGHBOUR_REACHABLE);
	assert_leads(w, "10.9.1.1", NEXTHOP_FORWARD);
	assert_gateway(w, "10.9.1.1", "fe80::1");
}

static void mtu_is_the_smaller_of_interface_and_route(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.1.0.0/16");
	struct rib_hop h = hop(ETH0, NULL, 1);
	struct rib_link l = link_of(ETH0);

	r.mtu = 1400;
	set_route(w, r, &h, 1, RIB_ROUTE_ADD);
	route(w, "10.2.0.0/16", ETH0, NULL);
	assert_int_equal(found(w, "10.1.0.1")->mtu, 1400);
	assert_int_equal(found(w, "10.2.0.1")->mtu, 1500);
	l.mtu = 1280;
	assert_int_equal(rib_link_set(w->rib, &l), 0);
	assert_int_equal(found(w, "10.1.0.1")->mtu, 1280);
	assert_int_equal(found(w, "10.2.0.1")->mtu, 1280);
}

static void a_new_mac_of_the_interface_is_compiled_in(void **state)
{
	struct world *w = *state;
	struct rib_link l = link_of(ETH0);
	struct ip_addr a = ip("10.0.0.1");
	const struct nexthop *direct;

	route(w, "0.0.0.0/0", ETH0, "10.0.0.1");
	neighbour(w, ETH0, "10.0.0.1", RIB_NEIGHBOUR_REACHABLE);
	l.mac[1] = 0x77;
	assert_int_equal(rib_link_set(w->rib, &l), 0);
	assert_int_equal(found(w, "8.8.8.8")->l2[7], 0x77);
	direct = fib_neighbour4(w->fib, w->wan, a.addr.s6_addr32[3]);
	assert_int_equal(direct->l2[7], 0x77);
}

static void a_device_that_is_no_port_is_named_so(void **state)
{
	struct world *w = *state;

	route(w, "10.5.0.0/16", ETH9, "10.5.0.1");
	assert_leads(w, "10.5.1.1", NEXTHOP_NOT_A_PORT);
	interface_of(w, "mgmt", "eth9", 1, 0, 0);
	assert_leads(w, "10.5.1.1", NEXTHOP_INCOMPLETE);
	assert_int_equal(rib_interface_del(w->rib, "mgmt"), 0);
	assert_leads(w, "10.5.1.1", NEXTHOP_NOT_A_PORT);
}

static void special_routes_keep_their_kind(void **state)
{
	struct world *w = *state;
	static const uint8_t kinds[] = { NEXTHOP_BLACKHOLE, NEXTHOP_UNREACHABLE, NEXTHOP_PROHIBIT,
					 NEXTHOP_BROADCAST, NEXTHOP_LOCAL };

	for (unsigned i = 0; i < sizeof(kinds); i++) {
		struct rib_route r = route_to("10.7.0.0/16");

		r.target.kind = kinds[i];
		assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_REPLACE), 0);
		assert_leads(w, "10.7.1.1", kinds[i]);
	}
}

static void a_route_before_its_link_is_down_until_then(void **state)
{
	struct world *w = *state;

	route(w, "10.0.0.0/8", 12, NULL);
	assert_leads(w, "10.1.1.1", NEXTHOP_DOWN);
	link_state(w, 12, true, true);
	assert_leads(w, "10.1.1.1", NEXTHOP_NOT_A_PORT);
	interface_of(w, "third", "eth2", 1, 0, 0);
	assert_leads(w, "10.1.1.1", NEXTHOP_ONLINK);
}

static void an_interface_is_up_with_link_carrier_and_port(void **state)
{
	struct world *w = *state;

	assert_true(fib_interface(w->fib, w->wan)->up);
	rib_port_state(w->rib, 0, false);
	assert_false(fib_interface(w->fib, w->wan)->up);
	assert_true(fib_interface(w->fib, w->lan)->up);
	rib_port_state(w->rib, 0, true);
	assert_true(fib_interface(w->fib, w->wan)->up);
	link_state(w, ETH0, true, false);
	assert_false(fib_interface(w->fib, w->wan)->up);
	link_state(w, ETH0, true, true);
	assert_true(fib_interface(w->fib, w->wan)->up);
	link_state(w, ETH0, false, false);
	assert_false(fib_interface(w->fib, w->wan)->up);
}

static void an_interface_follows_its_device_made_anew(void **state)
{
	struct world *w = *state;
	struct rib_link l = link_of(ETH0);

	assert_int_equal(rib_link_del(w->rib, ETH0), 0);
	assert_int_equal(fib_interface(w->fib, w->wan)->ifindex, 0);
	assert_false(fib_interface(w->fib, w->wan)->up);
	l.ifindex = 77;
	assert_int_equal(rib_link_set(w->rib, &l), 0);
	assert_int_equal(fib_interface(w->fib, w->wan)->ifindex, 77);
	route(w, "10.0.0.0/8", 77, NULL);
	assert_leads(w, "10.1.1.1", NEXTHOP_ONLINK);
}

static void a_renamed_device_leaves_its_interface(void **state)
{
	struct world *w = *state;
	struct rib_link l = link_of(ETH0);

	snprintf(l.name, sizeof(l.name), "old0");
	assert_int_equal(rib_link_set(w->rib, &l), 0);
	assert_int_equal(fib_interface(w->fib, w->wan)->ifindex, 0);
	snprintf(l.name, sizeof(l.name), "eth0");
	assert_int_equal(rib_link_set(w->rib, &l), 0);
	assert_int_equal(fib_interface(w->fib, w->wan)->ifindex, ETH0);
}

static void the_same_interface_again_changes_nothing(void **state)
{
	struct world *w = *state;
	const struct interface *before = fib_interface(w->fib, w->wan);
	uint64_t generation = w->fib->generation;

	assert_int_equal(interface_of(w, "wan", "eth0", 0, 0, 0), w->wan);
	link_state(w, ETH0, true, true);
	rib_port_state(w->rib, 0, true);
	rib_commit(w->rib);
	assert_ptr_equal(fib_interface(w->fib, w->wan), before);
	assert_int_equal(w->fib->generation, generation);
}

static void a_slot_is_free_again_after_a_grace_period(void **state)
{
	struct world *w = *state;

	assert_int_equal(rib_interface_del(w->rib, "wan"), 0);
	assert_null(fib_interface(w->fib, w->wan));
	assert_int_not_equal(interface_of(w, "new", "eth0", 0, 0, 0), w->wan);
	rib_tick(w->rib, 1);
	assert_int_equal(interface_of(w, "next", "eth5", 0, 7, 0), w->wan);
	assert_int_equal(rib_interface_del(w->rib, "none"), -ENOENT);
}

static struct rib_link vlan_link(int ifindex, const char *name, int parent, uint16_t vlan,
				 uint16_t proto)
{
	struct rib_link l = link_of(ifindex);

	snprintf(l.name, sizeof(l.name), "%s", name);
	l.parent = parent;
	l.vlan_id = vlan;
	l.vlan_proto = proto;
	return l;
}

static void a_vlan_finds_the_kernels_device(void **state)
{
	struct world *w = *state;
	uint16_t slot = interface_of(w, "dmz", "eth0", 0, 100, 0);
	struct rib_link l = vlan_link(30, "eth0.100", ETH0, 100, ETH_P_8021Q);
	const struct nexthop *nh;

	/* without one: the port's state, no addresses */
	assert_int_equal(fib_interface(w->fib, slot)->ifindex, 0);
	assert_true(fib_interface(w->fib, slot)->up);
	assert_int_equal(fib_interface(w->fib, slot)->mac[5], ETH0);
	assert_int_equal(rib_link_set(w->rib, &l), 0);
	assert_int_equal(fib_interface(w->fib, slot)->ifindex, 30);
	assert_string_equal(fib_interface(w->fib, slot)->device, "eth0.100");
	address(w, 30, "10.100.0.1", 24);
	assert_int_equal(fib_interface(w->fib, slot)->n4, 1);
	route(w, "10.200.0.0/16", 30, "10.100.0.2");
	neighbour(w, 30, "10.100.0.2", RIB_NEIGHBOUR_REACHABLE);
	nh = found(w, "10.200.0.1");
	assert_int_equal(nh->l2_len, 18);
	assert_int_equal(nh->l2[12], 0x81);
	assert_int_equal(nh->l2[13], 0x00);
	assert_int_equal(nh->l2[15], 100);
	assert_int_equal(rib_link_del(w->rib, 30), 0);
	assert_int_equal(fib_interface(w->fib, slot)->ifindex, 0);
}

static void a_double_tagged_vlan_is_8021q_on_8021ad(void **state)
{
	struct world *w = *state;
	uint16_t slot = interface_of(w, "cust", "eth0", 0, 7, 300);
	struct rib_link wrong = vlan_link(31, "eth0.7", ETH0, 7, ETH_P_8021Q);
	struct rib_link service = vlan_link(32, "svc", ETH0, 300, ETH_P_8021AD);
	struct rib_link inner = vlan_link(33, "svc.7", 32, 7, ETH_P_8021Q);
	static const uint8_t tags[8] = { 0x88, 0xa8, 300 >> 8, 300 & 255, 0x81, 0, 0, 7 };
	const struct nexthop *nh;

	assert_int_equal(rib_link_set(w->rib, &wrong), 0);
	assert_int_equal(fib_interface(w->fib, slot)->ifindex, 0);
	assert_int_equal(rib_link_set(w->rib, &inner), 0); /* before its parent */
	assert_int_equal(rib_link_set(w->rib, &service), 0);
	assert_int_equal(fib_interface(w->fib, slot)->ifindex, 33);
	route(w, "10.3.0.0/16", 33, "10.3.0.1");
	neighbour(w, 33, "10.3.0.1", RIB_NEIGHBOUR_REACHABLE);
	nh = found(w, "10.3.9.9");
	assert_int_equal(nh->l2_len, 22);
	assert_memory_equal(nh->l2 + 12, tags, sizeof(tags));
}

static void port_tables_lead_tags_to_interfaces(void **state)
{
	struct world *w = *state;
	uint16_t dmz = interface_of(w, "dmz", "eth0", 0, 100, 0);
	uint16_t cust = interface_of(w, "cust", "eth0", 0, 7, 300);
	const struct port_vlans *v = w->fib->vlans[0];

	assert_int_equal(v->untagged, w->wan);
	assert_int_equal(v->single[100], dmz);
	assert_int_equal(v->single[7], IFACE_NONE);
	assert_int_equal(v->n_double, 1);
	assert_int_equal(v->twice[0].outer, 300);
	assert_int_equal(v->twice[0].inner, 7);
	assert_int_equal(v->twice[0].slot, cust);
	assert_null(w->fib->vlans[1]->single);
	assert_int_equal(w->fib->vlans[1]->untagged, w->lan);
	assert_int_equal(rib_interface_del(w->rib, "dmz"), 0);
	assert_null(w->fib->vlans[0]->single);
	assert_int_equal(rib_interface_del(w->rib, "lan"), 0);
	assert_null(w->fib->vlans[1]);
}

static void addresses_stand_primary_and_global_first(void **state)
{
	struct world *w = *state;
	struct rib_address second = address_of(ETH0, "10.0.0.9", 24);
	struct rib_address local = address_of(ETH0, "fe80::5", 64);
	struct rib_address waiting = address_of(ETH0, "2001:db8::2", 64);
	const struct interface *i;

	second.secondary = true;
	local.link_scope = true;
	waiting.tentative = true;
	assert_int_equal(rib_address_set(w->rib, &second), 0);
	assert_int_equal(rib_address_set(w->rib, &local), 0);
	assert_int_equal(rib_address_set(w->rib, &waiting), 0);
	address(w, ETH0, "10.0.0.1", 24);
	address(w, ETH0, "2001:db8::1", 64);
	i = fib_interface(w->fib, w->wan);
	assert_int_equal(i->n4, 2);
	assert_int_equal(i->addr4[0].addr, ip("10.0.0.1").addr.s6_addr32[3]);
	assert_int_equal(i->addr4[1].addr, ip("10.0.0.9").addr.s6_addr32[3]);
	assert_int_equal(i->n6, 2);
	assert_int_equal(i->addr6[0].addr.s6_addr[15], 1);
	assert_int_equal(i->addr6[1].addr.s6_addr[15], 5);
	waiting.tentative = false;
	assert_int_equal(rib_address_set(w->rib, &waiting), 0);
	assert_int_equal(fib_interface(w->fib, w->wan)->n6, 3);
}

static void own_addresses_are_counted_over_links(void **state)
{
	struct world *w = *state;
	struct rib_address a = address_of(ETH0, "10.0.0.1", 24);
	struct rib_address b = address_of(ETH9, "10.0.0.1", 32);

	a.broadcast = ip("10.0.0.255");
	assert_int_equal(rib_address_set(w->rib, &a), 0);
	assert_int_equal(w->local_on, 2);
	assert_int_equal(rib_address_set(w->rib, &a), 0);
	assert_int_equal(rib_address_set(w->rib, &b), 0);
	assert_int_equal(w->local_on, 2);
	assert_leads(w, "10.0.0.1", NEXTHOP_LOCAL);
	assert_leads(w, "10.0.0.255", NEXTHOP_BROADCAST);
	assert_int_equal(rib_address_del(w->rib, &a), 0);
	assert_int_equal(w->local_off, 1); /* the broadcast address */
	assert_leads(w, "10.0.0.1", NEXTHOP_LOCAL);
	assert_leads(w, "10.0.0.255", NEXTHOP_NONE);
	assert_int_equal(rib_link_del(w->rib, ETH9), 0);
	assert_int_equal(w->local_off, 2);
	assert_leads(w, "10.0.0.1", NEXTHOP_NONE);
}

static void ipv6_addresses_are_local_too(void **state)
{
	struct world *w = *state;
	struct rib_address a = address_of(ETH1, "2001:db8::1", 64);

	assert_int_equal(rib_address_set(w->rib, &a), 0);
	assert_leads(w, "2001:db8::1", NEXTHOP_LOCAL);
	assert_leads(w, "2001:db8::2", NEXTHOP_NONE);
	assert_int_equal(rib_address_del(w->rib, &a), 0);
	assert_leads(w, "2001:db8::1", NEXTHOP_NONE);
	assert_int_equal(w->local_off, 1);
}

static void a_commit_moves_the_generation_only_after_a_change(void **state)
{
	struct world *w = *state;
	uint64_t before = w->fib->generation;

	rib_commit(w->rib);
	assert_int_equal(w->fib->generation, before);
	route(w, "10.0.0.0/8", ETH0, NULL);
	rib_commit(w->rib);
	assert_int_equal(w->fib->generation, before + 1);
	route(w, "10.0.0.0/8", ETH0, NULL);
	rib_commit(w->rib);
	assert_int_equal(w->fib->generation, before + 1);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct world *w = *state;
	struct rib_route r = route_to("10.0.0.0/8");
	struct rib_hop h = { .interface = "nowhere", .weight = 1 };
	struct rib_interface i = { .name = "x", .device = "", .port_device = "", .port = PORT_MAX };
	uint16_t slot;

	assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), -EINVAL); /* no hop */
	r.target.hops = &h;
	r.target.n_hops = 1;
	assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), -ENODEV);
	h.interface = NULL;
	assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), -EINVAL);
	r.len = 33;
	assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), -EINVAL);
	r.target.n_hops = RIB_HOPS_MAX + 1;
	r.len = 8;
	assert_int_equal(rib_route_set(w->rib, &r, RIB_ROUTE_ADD), -E2BIG);
	assert_int_equal(rib_interface_set(w->rib, &i, &slot), -EINVAL);
	assert_leads(w, "10.0.0.1", NEXTHOP_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(no_route_is_kind_none),
		in_world(on_link_route_leads_to_the_destination_itself),
		in_world(gateway_takes_the_neighbours_mac),
		in_world(ipv4_goes_via_an_ipv6_gateway),
		in_world(mtu_is_the_smaller_of_interface_and_route),
		in_world(a_new_mac_of_the_interface_is_compiled_in),
		in_world(a_device_that_is_no_port_is_named_so),
		in_world(special_routes_keep_their_kind),
		in_world(a_route_before_its_link_is_down_until_then),
		in_world(an_interface_is_up_with_link_carrier_and_port),
		in_world(an_interface_follows_its_device_made_anew),
		in_world(a_renamed_device_leaves_its_interface),
		in_world(the_same_interface_again_changes_nothing),
		in_world(a_slot_is_free_again_after_a_grace_period),
		in_world(a_vlan_finds_the_kernels_device),
		in_world(a_double_tagged_vlan_is_8021q_on_8021ad),
		in_world(port_tables_lead_tags_to_interfaces),
		in_world(addresses_stand_primary_and_global_first),
		in_world(own_addresses_are_counted_over_links),
		in_world(ipv6_addresses_are_local_too),
		in_world(a_commit_moves_the_generation_only_after_a_change),
		in_world(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
