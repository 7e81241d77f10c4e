/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink messages, as the kernel makes them and as nobody should, into the RIB's structs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "mirror_backlog.h"
#include "mirror_parse.h"

static char buffer[32768] __attribute__((aligned(8)));

static struct nlmsghdr *message(uint16_t type, const void *body, size_t size)
{
	struct nlmsghdr *m = mnl_nlmsg_put_header(memset(buffer, 0, sizeof(buffer)));

	m->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(m, size), body, size);
	return m;
}

static struct in6_addr v6(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(inet_pton(AF_INET6, text, &addr), 1);
	return addr;
}

/* IPv4 as struct ip_addr has it. */
static void assert_addr(const struct ip_addr *addr, const char *text)
{
	struct in6_addr want;
	char mapped[INET6_ADDRSTRLEN + 8] = "::ffff:";

	assert_int_equal(addr->family, strchr(text, ':') ? 6 : 4);
	want = v6(addr->family == 6 ? text : strcat(mapped, text));
	assert_memory_equal(&addr->addr, &want, sizeof(want));
}

static void put_v4(struct nlmsghdr *m, uint16_t type, const char *text)
{
	struct in_addr addr;

	assert_int_equal(inet_pton(AF_INET, text, &addr), 1);
	mnl_attr_put(m, type, sizeof(addr), &addr);
}

static void put_v6(struct nlmsghdr *m, uint16_t type, const char *text)
{
	struct in6_addr addr = v6(text);

	mnl_attr_put(m, type, sizeof(addr), &addr);
}

/* --- links --- */

static struct nlmsghdr *link_message(uint16_t type, uint8_t family, unsigned flags)
{
	struct ifinfomsg body = { .ifi_family = family, .ifi_index = 7, .ifi_flags = flags };
	struct nlmsghdr *m = message(type, &body, sizeof(body));

	mnl_attr_put_strz(m, IFLA_IFNAME, "eth0.100");
	mnl_attr_put_u32(m, IFLA_MTU, 1500);
	mnl_attr_put(m, IFLA_ADDRESS, 6, "\2\0\0\0\0\x09");
	mnl_attr_put_u32(m, IFLA_LINK, 3);
	return m;
}

static void put_vlan(struct nlmsghdr *m, const char *kind, uint16_t id, uint16_t proto)
{
	struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO), *data;

	mnl_attr_put_strz(m, IFLA_INFO_KIND, kind);
	data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
	mnl_attr_put_u16(m, IFLA_VLAN_ID, id);
	mnl_attr_put_u16(m, IFLA_VLAN_PROTOCOL, htons(proto));
	mnl_attr_nest_end(m, data);
	mnl_attr_nest_end(m, info);
}

static void a_vlan_device_has_parent_id_and_protocol(void **state)
{
	struct nlmsghdr *m = link_message(RTM_NEWLINK, AF_UNSPEC, IFF_UP | IFF_RUNNING);
	struct mirror_link l;

	put_vlan(m, "vlan", 100, ETH_P_8021AD);
	assert_int_equal(mirror_parse_link(m, &l), MIRROR_APPLY);
	assert_string_equal(l.link.name, "eth0.100");
	assert_int_equal(l.link.ifindex, 7);
	assert_int_equal(l.link.parent, 3);
	assert_int_equal(l.link.vlan_id, 100);
	assert_int_equal(l.link.vlan_proto, ETH_P_8021AD);
	assert_int_equal(l.link.mtu, 1500);
	assert_memory_equal(l.link.mac, "\2\0\0\0\0\x09", 6);
	assert_true(l.link.up && l.link.running);
}

static void a_link_below_in_another_namespace_is_no_parent(void **state)
{
	struct nlmsghdr *m = link_message(RTM_NEWLINK, AF_UNSPEC, IFF_UP);
	struct mirror_link l;

	put_vlan(m, "vlan", 100, ETH_P_8021Q);
	mnl_attr_put_u32(m, IFLA_LINK_NETNSID, 1);
	assert_int_equal(mirror_parse_link(m, &l), MIRROR_APPLY);
	assert_int_equal(l.link.parent, 0);
	assert_int_equal(l.link.vlan_id, 100);
}

static void the_peer_of_a_veth_is_no_parent(void **state)
{
	struct nlmsghdr *m = link_message(RTM_NEWLINK, AF_UNSPEC, IFF_UP);
	struct mirror_link l;

	put_vlan(m, "vlanx", 100, ETH_P_8021Q);
	assert_int_equal(mirror_parse_link(m, &l), MIRROR_APPLY);
	assert_int_equal(l.link.parent, 0);
	assert_int_equal(l.link.vlan_id, 0);
}

static void a_bridge_port_is_not_the_link(void **state)
{
	struct mirror_link l;

	assert_int_equal(mirror_parse_link(link_message(RTM_NEWLINK, AF_BRIDGE, IFF_UP), &l),
			 MIRROR_OTHER_FAMILY);
	assert_int_equal(mirror_parse_link(link_message(RTM_DELLINK, AF_BRIDGE, IFF_UP), &l),
			 MIRROR_OTHER_FAMILY);
}

static void a_wireless_event_changes_no_link(void **state)
{
	struct ifinfomsg body = { .ifi_index = 7 };
	struct nlmsghdr *m = message(RTM_NEWLINK, &body, sizeof(body));
	struct mirror_link l;

	mnl_attr_put_strz(m, IFLA_IFNAME, "wlan0");
	assert_int_equal(mirror_parse_link(m, &l), MIRROR_PARTIAL);
}

static void a_dormant_link_is_not_running(void **state)
{
	static const struct {
		uint8_t state;
		bool running;
	} cases[] = {
		{ IF_OPER_UP, true },	    { IF_OPER_UNKNOWN, true }, { IF_OPER_DORMANT, false },
		{ IF_OPER_TESTING, false }, { IF_OPER_DOWN, false },
	};
	struct mirror_link l;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *m = link_message(RTM_NEWLINK, AF_UNSPEC, IFF_UP | IFF_RUNNING);

		mnl_attr_put_u8(m, IFLA_OPERSTATE, cases[i].state);
		assert_int_equal(mirror_parse_link(m, &l), MIRROR_APPLY);
		assert_int_equal(l.link.running, cases[i].running);
	}
}

static void a_name_without_an_end_is_refused(void **state)
{
	struct ifinfomsg body = { .ifi_index = 7 };
	struct nlmsghdr *m = message(RTM_NEWLINK, &body, sizeof(body));
	struct mirror_link l;

	mnl_attr_put_u32(m, IFLA_MTU, 1500);
	mnl_attr_put(m, IFLA_IFNAME, 16, "0123456789abcdef");
	assert_int_equal(mirror_parse_link(m, &l), MIRROR_MALFORMED);
}

/* --- addresses --- */

static struct nlmsghdr *address_message(uint8_t family, uint8_t len, uint8_t flags)
{
	struct ifaddrmsg body = {
		.ifa_family = family, .ifa_prefixlen = len, .ifa_flags = flags, .ifa_index = 7
	};

	return message(RTM_NEWADDR, &body, sizeof(body));
}

static void on_a_point_to_point_link_the_own_address_is_the_local_one(void **state)
{
	struct nlmsghdr *m = address_message(AF_INET, 24, 0);
	struct mirror_address a;

	put_v4(m, IFA_ADDRESS, "10.0.0.2");
	put_v4(m, IFA_LOCAL, "192.0.2.1");
	assert_int_equal(mirror_parse_address(m, &a), MIRROR_APPLY);
	assert_addr(&a.address.addr, "192.0.2.1");
	assert_addr(&a.peer, "10.0.0.2");
	assert_int_equal(a.address.len, 32);
	assert_int_equal(a.kernel_len, 24);
}

static void an_ipv6_address_needs_no_local_attribute(void **state)
{
	struct nlmsghdr *m = address_message(AF_INET6, 64, 0);
	struct mirror_address a;

	put_v6(m, IFA_ADDRESS, "2001:db8::1");
	assert_int_equal(mirror_parse_address(m, &a), MIRROR_APPLY);
	assert_addr(&a.address.addr, "2001:db8::1");
	assert_int_equal(a.address.len, 64);
}

static void addresses_that_cannot_be_a_source_yet_are_tentative(void **state)
{
	static const struct {
		uint8_t header;
		uint32_t attribute;
		bool tentative;
	} cases[] = {
		{ 0, 0, false },
		{ IFA_F_TENTATIVE, IFA_F_TENTATIVE, true },
		{ IFA_F_DADFAILED, IFA_F_DADFAILED, true },
		{ 0, IFA_F_TENTATIVE, true },
		{ IFA_F_TENTATIVE, IFA_F_NOPREFIXROUTE, false }, /* the attribute has all bits */
		{ 0, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, false },
	};
	struct mirror_address a;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *m = address_message(AF_INET6, 64, cases[i].header);

		put_v6(m, IFA_ADDRESS, "2001:db8::1");
		mnl_attr_put_u32(m, IFA_FLAGS, cases[i].attribute);
		assert_int_equal(mirror_parse_address(m, &a), MIRROR_APPLY);
		assert_int_equal(a.address.tentative, cases[i].tentative);
	}
}

static void a_prefix_longer_than_the_address_is_refused(void **state)
{
	struct nlmsghdr *m = address_message(AF_INET, 33, 0);
	struct mirror_address a;

	put_v4(m, IFA_LOCAL, "192.0.2.1");
	assert_int_equal(mirror_parse_address(m, &a), MIRROR_MALFORMED);
}

/* --- neighbours --- */

static struct nlmsghdr *neighbour_message(uint8_t family, uint16_t nud, uint8_t flags,
					  unsigned lladdr)
{
	struct ndmsg body = {
		.ndm_family = family, .ndm_ifindex = 7, .ndm_state = nud, .ndm_flags = flags
	};
	struct nlmsghdr *m = message(RTM_NEWNEIGH, &body, sizeof(body));

	if (family == AF_INET)
		put_v4(m, NDA_DST, "192.0.2.9");
	else
		put_v6(m, NDA_DST, "2001:db8::9");
	if (lladdr)
		mnl_attr_put(m, NDA_LLADDR, lladdr, "\2\0\0\0\0\x01\x02\x03");
	return m;
}

static void every_kernel_state_of_a_neighbour_has_one_of_ours(void **state)
{
	static const struct {
		uint16_t nud;
		bool lladdr;
		enum rib_neighbour_state state;
	} cases[] = {
		{ NUD_INCOMPLETE, false, RIB_NEIGHBOUR_INCOMPLETE },
		{ NUD_REACHABLE, true, RIB_NEIGHBOUR_REACHABLE },
		{ NUD_PERMANENT, true, RIB_NEIGHBOUR_REACHABLE },
		{ NUD_NOARP, true, RIB_NEIGHBOUR_REACHABLE },
		{ NUD_STALE, true, RIB_NEIGHBOUR_STALE },
		{ NUD_DELAY, true, RIB_NEIGHBOUR_STALE },
		{ NUD_PROBE, true, RIB_NEIGHBOUR_STALE },
		{ NUD_FAILED, false, RIB_NEIGHBOUR_FAILED },
	};
	struct mirror_neighbour n;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mirror_parse_neighbour(neighbour_message(AF_INET6, cases[i].nud, 0,
									  cases[i].lladdr * 6),
							&n),
				 MIRROR_APPLY);
		assert_int_equal(n.neighbour.state, cases[i].state);
		assert_false(n.absent);
		assert_addr(&n.neighbour.addr, "2001:db8::9");
	}
	assert_int_equal(mirror_parse_neighbour(neighbour_message(AF_INET, NUD_NONE, 0, 0), &n),
			 MIRROR_APPLY);
	assert_true(n.absent);
}

static void entries_that_are_no_ethernet_neighbours_are_left_out(void **state)
{
	struct mirror_neighbour n;
	struct nlmsghdr *m;

	m = neighbour_message(AF_INET, NUD_PERMANENT, NTF_PROXY, 0);
	assert_int_equal(mirror_parse_neighbour(m, &n), MIRROR_PROXY);
	m = neighbour_message(AF_BRIDGE, NUD_PERMANENT, 0, 6);
	assert_int_equal(mirror_parse_neighbour(m, &n), MIRROR_OTHER_FAMILY);
	m = neighbour_message(AF_INET, NUD_REACHABLE, 0, 8);
	assert_int_equal(mirror_parse_neighbour(m, &n), MIRROR_LLADDR);
	m = neighbour_message(AF_INET, NUD_REACHABLE, 0, 0);
	assert_int_equal(mirror_parse_neighbour(m, &n), MIRROR_LLADDR);
}

/* --- routes --- */

static struct nlmsghdr *route_message(uint8_t family, uint8_t type)
{
	struct rtmsg body = { .rtm_family = family,
			      .rtm_dst_len = family == AF_INET ? 24 : 48,
			      .rtm_table = RT_TABLE_MAIN,
			      .rtm_protocol = RTPROT_STATIC,
			      .rtm_type = type };
	struct nlmsghdr *m = message(RTM_NEWROUTE, &body, sizeof(body));

	if (family == AF_INET)
		put_v4(m, RTA_DST, "198.51.100.0");
	else
		put_v6(m, RTA_DST, "2001:db8:5::");
	return m;
}

static struct rtmsg *body_of(struct nlmsghdr *m)
{
	return mnl_nlmsg_get_payload(m);
}

static struct mirror_route route; /* large */

static void a_route_by_a_gateway(void **state)
{
	struct nlmsghdr *m = route_message(AF_INET, RTN_UNICAST);
	struct nlattr *metrics;

	put_v4(m, RTA_GATEWAY, "192.0.2.1");
	mnl_attr_put_u32(m, RTA_OIF, 7);
	mnl_attr_put_u32(m, RTA_TABLE, 1000);
	mnl_attr_put_u32(m, RTA_PRIORITY, 20);
	put_v4(m, RTA_PREFSRC, "192.0.2.8");
	metrics = mnl_attr_nest_start(m, RTA_METRICS);
	mnl_attr_put_u32(m, RTAX_MTU, 1400);
	mnl_attr_nest_end(m, metrics);
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_APPLY);
	assert_int_equal(route.route.family, 4);
	assert_int_equal(route.route.len, 24);
	assert_int_equal(route.route.table, 1000);
	assert_int_equal(route.route.metric, 20);
	assert_int_equal(route.route.mtu, 1400);
	assert_int_equal(route.route.protocol, RTPROT_STATIC);
	assert_addr(&route.route.prefsrc, "192.0.2.8");
	assert_int_equal(route.route.target.kind, NEXTHOP_FORWARD);
	assert_int_equal(route.route.target.n_hops, 1);
	assert_ptr_equal(route.route.target.hops, route.hops);
	assert_int_equal(route.hops[0].ifindex, 7);
	assert_addr(&route.hops[0].gateway, "192.0.2.1");
	assert_int_equal(route.hops[0].weight, 1);
}

static void an_ipv4_route_may_go_via_ipv6(void **state)
{
	struct nlmsghdr *m = route_message(AF_INET, RTN_UNICAST);
	struct {
		uint16_t family;
		struct in6_addr addr;
	} __attribute__((packed)) via = { AF_INET6, v6("fe80::1") };

	mnl_attr_put_u32(m, RTA_OIF, 7);
	mnl_attr_put(m, RTA_VIA, sizeof(via), &via);
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_APPLY);
	assert_addr(&route.hops[0].gateway, "fe80::1");

	m = route_message(AF_INET, RTN_UNICAST);
	mnl_attr_put_u32(m, RTA_OIF, 7);
	mnl_attr_put(m, RTA_VIA, 6, &via); /* too short for its family */
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_MALFORMED);
}

static void put_leg(struct nlmsghdr *m, int ifindex, uint8_t hops, uint8_t flags, const char *via)
{
	struct rtnexthop *leg = (void *)((char *)m + m->nlmsg_len);
	uint32_t start = m->nlmsg_len;

	*leg = (struct rtnexthop){ .rtnh_ifindex = ifindex,
				   .rtnh_hops = hops,
				   .rtnh_flags = flags };
	m->nlmsg_len += sizeof(*leg);
	if (via)
		put_v4(m, RTA_GATEWAY, via);
	leg->rtnh_len = (uint16_t)(m->nlmsg_len - start);
}

static void a_multipath_route_has_weights_and_flags(void **state)
{
	struct nlmsghdr *m = route_message(AF_INET, RTN_UNICAST);
	struct nlattr *nest = mnl_attr_nest_start(m, RTA_MULTIPATH);

	put_leg(m, 7, 0, 0, "192.0.2.1");
	put_leg(m, 8, 255, RTNH_F_ONLINK, "192.0.2.2");
	put_leg(m, 9, 2, RTNH_F_DEAD | RTNH_F_LINKDOWN, NULL);
	mnl_attr_nest_end(m, nest);
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_APPLY);
	assert_int_equal(route.route.target.n_hops, 3);
	assert_int_equal(route.hops[0].weight, 1);
	assert_int_equal(route.hops[1].weight, 256);
	assert_int_equal(route.hops[2].weight, 3);
	assert_false(route.hops[0].onlink);
	assert_true(route.hops[1].onlink);
	assert_true(route.hops[2].dead);
	assert_int_equal(route.hops[2].gateway.family, 0);
	assert_int_equal(route.hops[2].ifindex, 9);
}

static void of_too_many_legs_the_first_are_taken(void **state)
{
	struct nlmsghdr *m = route_message(AF_INET, RTN_UNICAST);
	struct nlattr *nest = mnl_attr_nest_start(m, RTA_MULTIPATH);

	for (int i = 0; i < RIB_HOPS_MAX + 10; i++)
		put_leg(m, 7 + i, 0, 0, "192.0.2.1");
	mnl_attr_nest_end(m, nest);
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_APPLY);
	assert_int_equal(route.refusal, MIRROR_TOO_MANY_HOPS);
	assert_int_equal(route.route.target.n_hops, RIB_HOPS_MAX);
	assert_int_equal(route.hops[RIB_HOPS_MAX - 1].ifindex, 7 + RIB_HOPS_MAX - 1);
}

static void every_type_of_route_has_a_kind(void **state)
{
	static const struct {
		uint8_t type, kind;
		enum mirror_refusal refusal;
		unsigned hops;
	} cases[] = {
		{ RTN_UNICAST, NEXTHOP_FORWARD, MIRROR_ACCEPTED, 1 },
		{ RTN_LOCAL, NEXTHOP_LOCAL, MIRROR_ACCEPTED, 1 },
		{ RTN_ANYCAST, NEXTHOP_LOCAL, MIRROR_ACCEPTED, 1 },
		{ RTN_BROADCAST, NEXTHOP_BROADCAST, MIRROR_ACCEPTED, 1 },
		{ RTN_MULTICAST, NEXTHOP_BROADCAST, MIRROR_ACCEPTED, 1 },
		{ RTN_BLACKHOLE, NEXTHOP_BLACKHOLE, MIRROR_ACCEPTED, 0 },
		{ RTN_UNREACHABLE, NEXTHOP_UNREACHABLE, MIRROR_ACCEPTED, 0 },
		{ RTN_PROHIBIT, NEXTHOP_PROHIBIT, MIRROR_ACCEPTED, 0 },
		{ RTN_THROW, NEXTHOP_NONE, MIRROR_THROW, 1 },
		{ RTN_NAT, NEXTHOP_NONE, MIRROR_UNKNOWN_TYPE, 1 },
		{ 200, NEXTHOP_NONE, MIRROR_UNKNOWN_TYPE, 1 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *m = route_message(AF_INET6, cases[i].type);

		mnl_attr_put_u32(m, RTA_OIF, 1); /* IPv6 shows the loopback device */
		assert_int_equal(mirror_parse_route(m, &route), MIRROR_APPLY);
		assert_int_equal(route.route.target.kind, cases[i].kind);
		assert_int_equal(route.refusal, cases[i].refusal);
		assert_int_equal(route.route.target.n_hops, cases[i].hops);
	}
}

static void what_is_no_route_for_everybody_is_left_out(void **state)
{
	struct nlmsghdr *m = route_message(AF_INET, RTN_UNICAST);

	mnl_attr_put_u32(m, RTA_OIF, 7);
	body_of(m)->rtm_flags = RTM_F_CLONED;
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_CACHED);
	body_of(m)->rtm_flags = 0;
	body_of(m)->rtm_tos = 0x10;
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_TOS);
	body_of(m)->rtm_tos = 0;
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_APPLY);
	body_of(m)->rtm_src_len = 48;
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_SOURCE);
	body_of(m)->rtm_src_len = 0;
	body_of(m)->rtm_family = RTNL_FAMILY_IPMR;
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_OTHER_FAMILY);
}

static void an_encapsulating_route_is_unreachable(void **state)
{
	struct nlmsghdr *m = route_message(AF_INET6, RTN_UNICAST);

	mnl_attr_put_u32(m, RTA_OIF, 7);
	mnl_attr_put_u16(m, RTA_ENCAP_TYPE, 5);
	mnl_attr_put(m, RTA_ENCAP, 8, "\0\0\0\0\0\0\0\0");
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_APPLY);
	assert_int_equal(route.refusal, MIRROR_ENCAP);
	assert_int_equal(route.encap, 5);
	assert_int_equal(route.route.target.kind, NEXTHOP_UNREACHABLE);
	assert_int_equal(route.hops[0].ifindex, 7); /* it goes with its device all the same */
}

static void a_route_by_an_object_has_no_hops_of_its_own(void **state)
{
	struct nlmsghdr *m = route_message(AF_INET, RTN_BLACKHOLE); /* as the object is today */

	mnl_attr_put_u32(m, RTA_NH_ID, 42);
	mnl_attr_put_u32(m, RTA_OIF, 7);
	put_v4(m, RTA_GATEWAY, "192.0.2.1");
	assert_int_equal(mirror_parse_route(m, &route), MIRROR_APPLY);
	assert_int_equal(route.route.target.nexthop_object, 42);
	assert_int_equal(route.route.target.n_hops, 0);
	assert_int_equal(route.route.target.kind, NEXTHOP_FORWARD);
}

/* --- next-hop objects --- */

static struct mirror_nexthop object;

static struct nlmsghdr *nexthop_message(uint8_t family)
{
	struct nhmsg body = { .nh_family = family };
	struct nlmsghdr *m = message(RTM_NEWNEXTHOP, &body, sizeof(body));

	mnl_attr_put_u32(m, NHA_ID, 42);
	return m;
}

static void a_next_hop_object_is_one_hop(void **state)
{
	struct nlmsghdr *m = nexthop_message(AF_INET6);

	mnl_attr_put_u32(m, NHA_OIF, 7);
	put_v6(m, NHA_GATEWAY, "fe80::1");
	assert_int_equal(mirror_parse_nexthop(m, &object), MIRROR_APPLY);
	assert_int_equal(object.id, 42);
	assert_false(object.group);
	assert_int_equal(object.target.n_hops, 1);
	assert_int_equal(object.hops[0].ifindex, 7);
	assert_addr(&object.hops[0].gateway, "fe80::1");

	m = nexthop_message(AF_INET);
	mnl_attr_put(m, NHA_BLACKHOLE, 0, NULL);
	assert_int_equal(mirror_parse_nexthop(m, &object), MIRROR_APPLY);
	assert_int_equal(object.target.kind, NEXTHOP_BLACKHOLE);
	assert_int_equal(object.target.n_hops, 0);
}

static void a_group_has_members_with_weights_of_sixteen_bits(void **state)
{
	struct nlmsghdr *m = nexthop_message(AF_UNSPEC);
	struct nexthop_grp members[2] = { { .id = 5, .weight = 0 }, { .id = 6, .weight = 0x2b } };

	((uint8_t *)&members[1])[5] = 0x01;
	mnl_attr_put(m, NHA_GROUP, sizeof(members), members);
	assert_int_equal(mirror_parse_nexthop(m, &object), MIRROR_APPLY);
	assert_true(object.group);
	assert_int_equal(object.target.n_hops, 2);
	assert_int_equal(object.members[0], 5);
	assert_int_equal(object.members[1], 6);
	assert_int_equal(object.hops[0].weight, 1);
	assert_int_equal(object.hops[1].weight, 0x12c);
	assert_int_equal(object.hops[1].ifindex, 0);
}

static void objects_of_others_are_left_out(void **state)
{
	struct nlmsghdr *m = nexthop_message(AF_INET);

	put_v4(m, NHA_GATEWAY, "192.0.2.1");
	mnl_attr_put(m, NHA_FDB, 0, NULL);
	assert_int_equal(mirror_parse_nexthop(m, &object), MIRROR_FDB);

	m = nexthop_message(AF_INET);
	mnl_attr_put_u32(m, NHA_OIF, 7);
	mnl_attr_put_u16(m, NHA_ENCAP_TYPE, 1);
	assert_int_equal(mirror_parse_nexthop(m, &object), MIRROR_APPLY);
	assert_int_equal(object.refusal, MIRROR_ENCAP);
	assert_int_equal(object.target.kind, NEXTHOP_UNREACHABLE);
}

/* --- hostile messages --- */

static void parse_any(const struct nlmsghdr *m)
{
	struct mirror_address address;
	struct mirror_neighbour neighbour;
	struct mirror_link link;

	mirror_parse_link(m, &link);
	mirror_parse_address(m, &address);
	mirror_parse_neighbour(m, &neighbour);
	if (mirror_parse_route(m, &route) == MIRROR_APPLY)
		assert_true(route.route.target.n_hops <= RIB_HOPS_MAX &&
			    route.route.len <= (route.route.family == 4 ? 32 : 128));
	if (mirror_parse_nexthop(m, &object) == MIRROR_APPLY)
		assert_true(object.target.n_hops <= RIB_HOPS_MAX && object.id);
}

static struct nlmsghdr *sample(unsigned which)
{
	struct nlmsghdr *m;
	struct nlattr *nest;

	switch (which) {
	case 0:
		m = link_message(RTM_NEWLINK, AF_UNSPEC, IFF_UP);
		put_vlan(m, "vlan", 5, ETH_P_8021Q);
		return m;
	case 1:
		m = address_message(AF_INET, 24, 0);
		put_v4(m, IFA_ADDRESS, "10.0.0.2");
		put_v4(m, IFA_LOCAL, "192.0.2.1");
		put_v4(m, IFA_BROADCAST, "192.0.2.255");
		mnl_attr_put_u32(m, IFA_FLAGS, 0);
		return m;
	case 2: return neighbour_message(AF_INET6, NUD_STALE, 0, 6);
	case 3:
		m = nexthop_message(AF_UNSPEC);
		mnl_attr_put(m, NHA_GROUP, 16, "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0");
		return m;
	default:
		m = route_message(AF_INET, RTN_UNICAST);
		nest = mnl_attr_nest_start(m, RTA_METRICS);
		mnl_attr_put_u32(m, RTAX_MTU, 1400);
		mnl_attr_nest_end(m, nest);
		nest = mnl_attr_nest_start(m, RTA_MULTIPATH);
		put_leg(m, 7, 0, 0, "192.0.2.1");
		put_leg(m, 8, 3, 0, "192.0.2.2");
		mnl_attr_nest_end(m, nest);
		return m;
	}
}

#define SAMPLES 5

/* In memory of exactly that size, so that a sanitizer sees the first byte too many. */
static void parse_exactly(const void *data, uint32_t len)
{
	struct nlmsghdr *copy = malloc(len);

	assert_non_null(copy);
	memcpy(copy, data, len);
	copy->nlmsg_len = len;
	parse_any(copy);
	free(copy);
}

static void truncated_messages_are_not_read_beyond_their_end(void **state)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		uint32_t len = sample(i)->nlmsg_len;

		for (uint32_t cut = NLMSG_HDRLEN; cut <= len; cut++)
			parse_exactly(buffer, cut);
	}
}

static void mangled_messages_are_survived(void **state)
{
	unsigned long long random = 88172645463325252ull;

	for (unsigned round = 0; round < 40000; round++) {
		uint32_t len = sample(round % SAMPLES)->nlmsg_len;

		for (unsigned i = 0; i <= round % 4; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			buffer[NLMSG_HDRLEN + (random >> 32) % (len - NLMSG_HDRLEN)] =
				(char)(random & 1 ? random >> 8 : random >> 8 & 3);
		}
		parse_exactly(buffer, len);
	}
}

/* --- the backlog --- */

static void add_messages(struct mirror_backlog *b, uint32_t first, unsigned n)
{
	uint8_t *room = mirror_backlog_room(b, 65536);
	size_t bytes = 0;

	assert_non_null(room);
	for (unsigned i = 0; i < n; i++) {
		struct nlmsghdr m = { .nlmsg_len = NLMSG_HDRLEN + i % 7, .nlmsg_seq = first + i };

		memcpy(room + bytes, &m, sizeof(m));
		bytes += NLMSG_ALIGN(m.nlmsg_len);
	}
	mirror_backlog_added(b, bytes);
}

static void a_backlog_keeps_messages_in_order_while_it_grows(void **state)
{
	struct mirror_backlog b = { 0 };
	uint32_t next = 0, added = 0;
	const struct nlmsghdr *m;

	for (unsigned round = 0; round < 300; round++) {
		add_messages(&b, added, 1000);
		added += 1000;
		for (unsigned i = 0; i < (round < 200 ? 500 : 1500) && next < added; i++) {
			m = mirror_backlog_take(&b);
			assert_non_null(m);
			assert_int_equal(m->nlmsg_seq, next++);
		}
	}
	while ((m = mirror_backlog_take(&b)))
		assert_int_equal(m->nlmsg_seq, next++);
	assert_int_equal(next, added);
	assert_int_equal(mirror_backlog_bytes(&b), 0);
	assert_true(b.room < 1 << 20); /* what the burst needed has been given back */
	mirror_backlog_free(&b);
}

static void what_is_no_message_ends_its_datagram(void **state)
{
	static const uint32_t lengths[] = { 0, 1, NLMSG_HDRLEN - 1, NLMSG_HDRLEN + 5, UINT32_MAX };
	struct mirror_backlog b = { 0 };

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct nlmsghdr good = { .nlmsg_len = NLMSG_HDRLEN, .nlmsg_seq = i };
		struct nlmsghdr bad = { .nlmsg_len = lengths[i] };
		uint8_t *room = mirror_backlog_room(&b, 65536);

		memcpy(room, &good, sizeof(good));
		memcpy(room + sizeof(good), &bad, sizeof(bad));
		mirror_backlog_added(&b, sizeof(good) + sizeof(bad));
	}
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_int_equal(mirror_backlog_take(&b)->nlmsg_seq, i);
	assert_null(mirror_backlog_take(&b));
	mirror_backlog_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vlan_device_has_parent_id_and_protocol),
		cmocka_unit_test(a_link_below_in_another_namespace_is_no_parent),
		cmocka_unit_test(the_peer_of_a_veth_is_no_parent),
		cmocka_unit_test(a_bridge_port_is_not_the_link),
		cmocka_unit_test(a_wireless_event_changes_no_link),
		cmocka_unit_test(a_dormant_link_is_not_running),
		cmocka_unit_test(a_name_without_an_end_is_refused),
		cmocka_unit_test(on_a_point_to_point_link_the_own_address_is_the_local_one),
		cmocka_unit_test(an_ipv6_address_needs_no_local_attribute),
		cmocka_unit_test(addresses_that_cannot_be_a_source_yet_are_tentative),
		cmocka_unit_test(a_prefix_longer_than_the_address_is_refused),
		cmocka_unit_test(every_kernel_state_of_a_neighbour_has_one_of_ours),
		cmocka_unit_test(entries_that_are_no_ethernet_neighbours_are_left_out),
		cmocka_unit_test(a_route_by_a_gateway),
		cmocka_unit_test(an_ipv4_route_may_go_via_ipv6),
		cmocka_unit_test(a_multipath_route_has_weights_and_flags),
		cmocka_unit_test(of_too_many_legs_the_first_are_taken),
		cmocka_unit_test(every_type_of_route_has_a_kind),
		cmocka_unit_test(what_is_no_route_for_everybody_is_left_out),
		cmocka_unit_test(an_encapsulating_route_is_unreachable),
		cmocka_unit_test(a_route_by_an_object_has_no_hops_of_its_own),
		cmocka_unit_test(a_next_hop_object_is_one_hop),
		cmocka_unit_test(a_group_has_members_with_weights_of_sixteen_bits),
		cmocka_unit_test(objects_of_others_are_left_out),
		cmocka_unit_test(truncated_messages_are_not_read_beyond_their_end),
		cmocka_unit_test(mangled_messages_are_survived),
		cmocka_unit_test(a_backlog_keeps_messages_in_order_while_it_grows),
		cmocka_unit_test(what_is_no_message_ends_its_datagram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
