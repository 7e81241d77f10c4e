/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links, addresses and neighbours; routes and next-hop objects are in mirror_parse_route.c.
 * Every field is checked before it is used: see mirror_attr.h for the bounds.
 */
#include "mirror_parse.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "mirror_attr.h"

const char *const mirror_verdict_names[MIRROR_VERDICTS] = {
	[MIRROR_APPLY] = "applied",
	[MIRROR_MALFORMED] = "malformed",
	[MIRROR_OTHER_FAMILY] = "other_family",
	[MIRROR_PARTIAL] = "partial_link",
	[MIRROR_CACHED] = "cached_route",
	[MIRROR_TOS] = "tos_route",
	[MIRROR_SOURCE] = "source_route",
	[MIRROR_PROXY] = "proxy_neighbour",
	[MIRROR_LLADDR] = "not_ethernet",
	[MIRROR_MULTICAST] = "multicast_neighbour",
	[MIRROR_FDB] = "fdb_nexthop",
};

const char *const mirror_refusal_names[MIRROR_REFUSALS] = {
	[MIRROR_ACCEPTED] = "accepted",		  [MIRROR_THROW] = "throw",
	[MIRROR_UNKNOWN_TYPE] = "unknown_type",	  [MIRROR_ENCAP] = "encapsulation",
	[MIRROR_TOO_MANY_HOPS] = "too_many_hops",
};

static bool parse_vlan(const struct mirror_attr *linkinfo, struct rib_link *link)
{
	struct mirror_attrs info, vlan;
	uint16_t id = 0;
	__be16 proto = htons(ETH_P_8021Q);

	if (!mirror_attrs_collect(&info, linkinfo->data, linkinfo->len))
		return false;
	if (!mirror_attr_present(&info, IFLA_INFO_KIND) || info.type[IFLA_INFO_KIND].len < 4 ||
	    memcmp(info.type[IFLA_INFO_KIND].data, "vlan", 4) ||
	    (info.type[IFLA_INFO_KIND].len > 4 && info.type[IFLA_INFO_KIND].data[4]))
		return true;
	if (!mirror_attr_present(&info, IFLA_INFO_DATA))
		return true;
	if (!mirror_attrs_collect(&vlan, info.type[IFLA_INFO_DATA].data,
				  info.type[IFLA_INFO_DATA].len) ||
	    !mirror_attr_u16(&vlan, IFLA_VLAN_ID, &id) ||
	    !mirror_attr_u16(&vlan, IFLA_VLAN_PROTOCOL, &proto) || id > 4095)
		return false;
	link->vlan_id = id;
	link->vlan_proto = ntohs(proto);
	return true;
}

enum mirror_verdict mirror_parse_link(const struct nlmsghdr *message, struct mirror_link *link)
{
	struct rib_link *out = &link->link;
	struct ifinfomsg header;
	struct mirror_attrs attrs;
	const struct mirror_attr *name;
	int parent = 0;

	memset(link, 0, sizeof(*link));
	if (!mirror_attrs_open(message, &header, sizeof(header), &attrs))
		return MIRROR_MALFORMED;
	if (header.ifi_family != AF_UNSPEC)
		return MIRROR_OTHER_FAMILY;
	if (header.ifi_index <= 0)
		return MIRROR_MALFORMED;
	out->ifindex = header.ifi_index;
	out->up = header.ifi_flags & IFF_UP;
	out->running = header.ifi_flags & IFF_RUNNING;
	link->carrier = header.ifi_flags & (IFF_RUNNING | IFF_LOWER_UP);
	link->loopback = header.ifi_flags & IFF_LOOPBACK;
	if (message->nlmsg_type == RTM_DELLINK)
		return MIRROR_APPLY;

	name = &attrs.type[IFLA_IFNAME];
	if (!name->data || !mirror_attr_present(&attrs, IFLA_MTU) ||
	    mirror_attr_present(&attrs, IFLA_WIRELESS))
		return MIRROR_PARTIAL;
	if (name->len == 0 || name->len > sizeof(out->name) || name->data[name->len - 1] ||
	    !name->data[0])
		return MIRROR_MALFORMED;
	memcpy(out->name, name->data, name->len);
	if (!mirror_attr_u32(&attrs, IFLA_MTU, &out->mtu) ||
	    !mirror_attr_ifindex(&attrs, IFLA_LINK, &parent))
		return MIRROR_MALFORMED;
	if (mirror_attr_present(&attrs, IFLA_ADDRESS) && attrs.type[IFLA_ADDRESS].len == 6)
		memcpy(out->mac, attrs.type[IFLA_ADDRESS].data, 6);
	if (attrs.type[IFLA_OPERSTATE].data && attrs.type[IFLA_OPERSTATE].len >= 1) {
		uint8_t state = attrs.type[IFLA_OPERSTATE].data[0];

		/* RFC 2863: a dormant or testing link carries nothing yet */
		if (state != IF_OPER_UP && state != IF_OPER_UNKNOWN)
			out->running = false;
	}
	if (mirror_attr_present(&attrs, IFLA_LINKINFO) &&
	    !parse_vlan(&attrs.type[IFLA_LINKINFO], out))
		return MIRROR_MALFORMED;
	/* IFLA_LINK of a veth is its peer, and an index of another namespace says nothing here */
	if (out->vlan_proto && !mirror_attr_present(&attrs, IFLA_LINK_NETNSID))
		out->parent = parent;
	return MIRROR_APPLY;
}

/* `ip address add` without "brd" sets none, yet the kernel takes the subnet's last address for one:
 * so do we (a source of that address is a martian). */
static void directed_broadcast(struct rib_address *address)
{
	uint8_t *bytes = address->broadcast.addr.s6_addr + 12;

	address->broadcast = address->addr;
	for (unsigned bit = address->len; bit < 32; bit++)
		bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
}

enum mirror_verdict mirror_parse_address(const struct nlmsghdr *message,
					 struct mirror_address *address)
{
	struct rib_address *out = &address->address;
	struct ip_addr local = { 0 };
	struct ifaddrmsg header;
	struct mirror_attrs attrs;
	uint32_t flags;
	unsigned family;

	memset(address, 0, sizeof(*address));
	if (!mirror_attrs_open(message, &header, sizeof(header), &attrs))
		return MIRROR_MALFORMED;
	family = mirror_family_of(header.ifa_family);
	if (!family)
		return MIRROR_OTHER_FAMILY;
	flags = header.ifa_flags;
	if (header.ifa_index > INT32_MAX || !header.ifa_index ||
	    header.ifa_prefixlen > mirror_address_bytes(family) * 8 ||
	    !mirror_attr_address(&attrs, IFA_LOCAL, family, &local) ||
	    !mirror_attr_address(&attrs, IFA_ADDRESS, family, &address->peer) ||
	    !mirror_attr_u32(&attrs, IFA_FLAGS, &flags))
		return MIRROR_MALFORMED;
	if (!local.family)
		local = address->peer;
	if (!address->peer.family)
		address->peer = local;
	if (!local.family)
		return MIRROR_MALFORMED;

	out->ifindex = (int)header.ifa_index;
	out->addr = local;
	address->kernel_len = header.ifa_prefixlen;
	/* with a peer the prefix is the peer's, not one that the own address is in */
	out->len = memcmp(&local.addr, &address->peer.addr, 16) ? mirror_address_bytes(family) * 8 :
								  header.ifa_prefixlen;
	out->link_scope = header.ifa_scope == RT_SCOPE_LINK;
	out->tentative = (flags & IFA_F_DADFAILED) ||
			 ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC));
	out->secondary = flags & IFA_F_SECONDARY;
	if (family == 4 && !mirror_attr_address(&attrs, IFA_BROADCAST, family, &out->broadcast))
		return MIRROR_MALFORMED;
	if (family == 4 && !out->broadcast.family && out->len < 31)
		directed_broadcast(out);
	return MIRROR_APPLY;
}

static bool is_multicast(const struct ip_addr *addr)
{
	return addr->family == 4 ? (addr->addr.s6_addr[12] & 0xf0) == 0xe0 :
				   addr->addr.s6_addr[0] == 0xff;
}

enum mirror_verdict mirror_parse_neighbour(const struct nlmsghdr *message,
					   struct mirror_neighbour *neighbour)
{
	struct rib_neighbour *out = &neighbour->neighbour;
	struct mirror_attrs attrs;
	struct ndmsg header;
	unsigned family;

	memset(neighbour, 0, sizeof(*neighbour));
	if (!mirror_attrs_open(message, &header, sizeof(header), &attrs))
		return MIRROR_MALFORMED;
	family = mirror_family_of(header.ndm_family);
	if (!family)
		return MIRROR_OTHER_FAMILY;
	if (header.ndm_flags & NTF_PROXY)
		return MIRROR_PROXY;
	if (header.ndm_ifindex <= 0 || !mirror_attr_address(&attrs, NDA_DST, family, &out->addr) ||
	    !out->addr.family)
		return MIRROR_MALFORMED;
	out->ifindex = header.ndm_ifindex;
	if (is_multicast(&out->addr))
		return MIRROR_MULTICAST;

	if (header.ndm_state & NUD_FAILED)
		out->state = RIB_NEIGHBOUR_FAILED;
	else if (header.ndm_state & NUD_INCOMPLETE)
		out->state = RIB_NEIGHBOUR_INCOMPLETE;
	else if (header.ndm_state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP))
		out->state = RIB_NEIGHBOUR_REACHABLE;
	else if (header.ndm_state & (NUD_STALE | NUD_DELAY | NUD_PROBE))
		out->state = RIB_NEIGHBOUR_STALE;
	else
		neighbour->absent = true;
	if (message->nlmsg_type == RTM_DELNEIGH || neighbour->absent ||
	    out->state == RIB_NEIGHBOUR_FAILED || out->state == RIB_NEIGHBOUR_INCOMPLETE)
		return MIRROR_APPLY;
	if (!mirror_attr_present(&attrs, NDA_LLADDR) || attrs.type[NDA_LLADDR].len != 6)
		return MIRROR_LLADDR;
	memcpy(out->mac, attrs.type[NDA_LLADDR].data, 6);
	return MIRROR_APPLY;
}
