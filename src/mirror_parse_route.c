/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes and next-hop objects: one hop stands in the message itself, several in RTA_MULTIPATH (a
 * list of struct rtnexthop, each with attributes of its own) or in NHA_GROUP (ids of members).
 */
#include "mirror_parse.h"

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "mirror_attr.h"

/* RTA_VIA: a gateway of the other family, with its length given by the family alone. */
static bool parse_via(const struct mirror_attr *attr, struct ip_addr *gateway)
{
	uint16_t af;
	unsigned family;

	if (attr->len < sizeof(af))
		return false;
	memcpy(&af, attr->data, sizeof(af));
	family = af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
	if (!family || attr->len < sizeof(af) + mirror_address_bytes(family))
		return false;
	*gateway = mirror_ip_addr(family, attr->data + sizeof(af));
	return true;
}

/* What a leg and a single next hop have in common. */
static bool parse_hop(const struct mirror_attrs *attrs, unsigned family, unsigned flags,
		      struct rib_hop *hop, uint16_t *encap)
{
	if (!mirror_attr_address(attrs, RTA_GATEWAY, family, &hop->gateway))
		return false;
	if (mirror_attr_present(attrs, RTA_VIA) && !parse_via(&attrs->type[RTA_VIA], &hop->gateway))
		return false;
	if (!mirror_attr_u16(attrs, RTA_ENCAP_TYPE, encap))
		return false;
	hop->onlink = flags & RTNH_F_ONLINK;
	hop->dead = flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN);
	return true;
}

static bool parse_multipath(const struct mirror_attr *attr, unsigned family,
			    struct mirror_route *route)
{
	const uint8_t *data = attr->data;
	size_t left = attr->len;
	unsigned n = 0;

	while (left >= sizeof(struct rtnexthop)) {
		struct rib_hop *hop = &route->hops[n];
		struct rtnexthop header;
		struct mirror_attrs attrs;
		size_t step;

		memcpy(&header, data, sizeof(header));
		if (header.rtnh_len < sizeof(header) || header.rtnh_len > left ||
		    header.rtnh_ifindex < 0)
			return false;
		if (n == RIB_HOPS_MAX) {
			route->refusal = MIRROR_TOO_MANY_HOPS;
			break;
		}
		memset(hop, 0, sizeof(*hop));
		hop->ifindex = header.rtnh_ifindex;
		hop->weight = (uint16_t)(header.rtnh_hops + 1);
		if (!mirror_attrs_collect(&attrs, data + sizeof(header),
					  header.rtnh_len - sizeof(header)) ||
		    !parse_hop(&attrs, family, header.rtnh_flags, hop, &route->encap))
			return false;
		n++;
		step = RTNH_ALIGN(header.rtnh_len);
		if (step >= left)
			break;
		data += step;
		left -= step;
	}
	route->route.target.n_hops = (uint16_t)n;
	return n > 0;
}

static uint8_t kind_of_type(uint8_t type, enum mirror_refusal *refusal)
{
	switch (type) {
	case RTN_UNICAST: return NEXTHOP_FORWARD;
	case RTN_LOCAL:
	case RTN_ANYCAST: return NEXTHOP_LOCAL;
	case RTN_BROADCAST:
	case RTN_MULTICAST: return NEXTHOP_BROADCAST;
	case RTN_BLACKHOLE: return NEXTHOP_BLACKHOLE;
	case RTN_UNREACHABLE: return NEXTHOP_UNREACHABLE;
	case RTN_PROHIBIT: return NEXTHOP_PROHIBIT;
	case RTN_THROW: *refusal = MIRROR_THROW; return NEXTHOP_NONE;
	default: *refusal = MIRROR_UNKNOWN_TYPE; return NEXTHOP_NONE;
	}
}

/* The destination, and whether it is one that can be taken at all. */
static enum mirror_verdict parse_route_key(const struct rtmsg *header,
					   const struct mirror_attrs *attrs,
					   struct rib_route *route)
{
	struct ip_addr prefix = { 0 };
	unsigned family = mirror_family_of(header->rtm_family);

	if (!family)
		return MIRROR_OTHER_FAMILY;
	if (header->rtm_flags & RTM_F_CLONED)
		return MIRROR_CACHED;
	if (family == 4 && header->rtm_tos)
		return MIRROR_TOS;
	if (header->rtm_src_len)
		return MIRROR_SOURCE;
	if (header->rtm_dst_len > mirror_address_bytes(family) * 8)
		return MIRROR_MALFORMED;
	prefix = mirror_ip_addr(family, (const uint8_t[16]){ 0 });
	if (!mirror_attr_address(attrs, RTA_DST, family, &prefix))
		return MIRROR_MALFORMED;
	route->family = (uint8_t)family;
	route->len = header->rtm_dst_len;
	route->prefix = prefix.addr;
	route->table = header->rtm_table;
	route->protocol = header->rtm_protocol;
	if (!mirror_attr_u32(attrs, RTA_TABLE, &route->table) ||
	    !mirror_attr_u32(attrs, RTA_PRIORITY, &route->metric))
		return MIRROR_MALFORMED;
	return MIRROR_APPLY;
}

static bool parse_metrics(const struct mirror_attrs *attrs, uint32_t *mtu)
{
	const struct mirror_attr *attr = &attrs->type[RTA_METRICS];
	struct mirror_attrs metrics;

	if (!attr->data)
		return true;
	return mirror_attrs_collect(&metrics, attr->data, attr->len) &&
	       mirror_attr_u32(&metrics, RTAX_MTU, mtu);
}

static bool parse_hops(const struct rtmsg *header, const struct mirror_attrs *attrs,
		       struct mirror_route *route)
{
	struct rib_hop *hop = &route->hops[0];

	if (mirror_attr_present(attrs, RTA_MULTIPATH))
		return parse_multipath(&attrs->type[RTA_MULTIPATH], route->route.family, route);
	memset(hop, 0, sizeof(*hop));
	hop->weight = 1;
	if (!mirror_attr_ifindex(attrs, RTA_OIF, &hop->ifindex) ||
	    !parse_hop(attrs, route->route.family, header->rtm_flags, hop, &route->encap))
		return false;
	route->route.target.n_hops = hop->ifindex || hop->gateway.family;
	return true;
}

enum mirror_verdict mirror_parse_route(const struct nlmsghdr *message, struct mirror_route *route)
{
	struct rib_target *target = &route->route.target;
	enum mirror_verdict verdict;
	struct mirror_attrs attrs;
	struct rtmsg header;

	memset(route, 0, offsetof(struct mirror_route, hops));
	target->hops = route->hops;
	if (!mirror_attrs_open(message, &header, sizeof(header), &attrs))
		return MIRROR_MALFORMED;
	verdict = parse_route_key(&header, &attrs, &route->route);
	if (verdict != MIRROR_APPLY)
		return verdict;
	route->scope = header.rtm_scope;
	target->kind = kind_of_type(header.rtm_type, &route->refusal);
	if (!parse_metrics(&attrs, &route->route.mtu) ||
	    !mirror_attr_u32(&attrs, RTA_NH_ID, &target->nexthop_object) ||
	    !mirror_attr_address(&attrs, RTA_PREFSRC, route->route.family, &route->route.prefsrc))
		return MIRROR_MALFORMED;
	if (target->nexthop_object) {
		/* the type follows the object, which can be replaced: it says what happens */
		target->kind = NEXTHOP_FORWARD;
		return MIRROR_APPLY;
	}
	if (!parse_hops(&header, &attrs, route))
		return MIRROR_MALFORMED;
	if (route->encap) {
		route->refusal = MIRROR_ENCAP;
		target->kind = NEXTHOP_UNREACHABLE;
	} else if (target->kind == NEXTHOP_BLACKHOLE || target->kind == NEXTHOP_UNREACHABLE ||
		   target->kind == NEXTHOP_PROHIBIT) {
		target->n_hops = 0; /* IPv6 shows the loopback device */
	} else if (target->kind == NEXTHOP_FORWARD && !target->n_hops) {
		return MIRROR_MALFORMED;
	}
	return MIRROR_APPLY;
}

static bool parse_group(const struct mirror_attr *attr, struct mirror_nexthop *nexthop)
{
	unsigned n = attr->len / sizeof(struct nexthop_grp);

	if (!n || attr->len % sizeof(struct nexthop_grp))
		return false;
	if (n > RIB_HOPS_MAX) {
		n = RIB_HOPS_MAX;
		nexthop->refusal = MIRROR_TOO_MANY_HOPS;
	}
	for (unsigned i = 0; i < n; i++) {
		struct rib_hop *hop = &nexthop->hops[i];
		struct nexthop_grp entry;
		unsigned weight;

		memcpy(&entry, attr->data + i * sizeof(entry), sizeof(entry));
		/* the high byte came with Linux 6.12, as a reserved zero before */
		weight = ((unsigned)((const uint8_t *)&entry)[5] << 8 | entry.weight) + 1;
		memset(hop, 0, sizeof(*hop));
		hop->weight = weight > UINT16_MAX ? UINT16_MAX : (uint16_t)weight;
		nexthop->members[i] = entry.id;
	}
	nexthop->target.n_hops = (uint16_t)n;
	nexthop->group = true;
	return true;
}

enum mirror_verdict mirror_parse_nexthop(const struct nlmsghdr *message,
					 struct mirror_nexthop *nexthop)
{
	struct rib_target *target = &nexthop->target;
	struct rib_hop *hop = &nexthop->hops[0];
	struct nhmsg header;
	struct mirror_attrs attrs;
	unsigned family;

	memset(nexthop, 0, offsetof(struct mirror_nexthop, hops));
	target->hops = nexthop->hops;
	target->kind = NEXTHOP_FORWARD;
	if (!mirror_attrs_open(message, &header, sizeof(header), &attrs) ||
	    !mirror_attr_u32(&attrs, NHA_ID, &nexthop->id) || !nexthop->id)
		return MIRROR_MALFORMED;
	if (mirror_attr_present(&attrs, NHA_FDB))
		return MIRROR_FDB;
	if (message->nlmsg_type == RTM_DELNEXTHOP)
		return MIRROR_APPLY;
	if (mirror_attr_present(&attrs, NHA_GROUP))
		return parse_group(&attrs.type[NHA_GROUP], nexthop) ? MIRROR_APPLY :
								      MIRROR_MALFORMED;
	if (mirror_attr_present(&attrs, NHA_BLACKHOLE)) {
		target->kind = NEXTHOP_BLACKHOLE;
		return MIRROR_APPLY;
	}
	family = mirror_family_of(header.nh_family);
	if (!family)
		return MIRROR_OTHER_FAMILY;
	memset(hop, 0, sizeof(*hop));
	hop->weight = 1;
	hop->onlink = header.nh_flags & RTNH_F_ONLINK;
	hop->dead = header.nh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN);
	if (!mirror_attr_ifindex(&attrs, NHA_OIF, &hop->ifindex) || !hop->ifindex ||
	    !mirror_attr_address(&attrs, NHA_GATEWAY, family, &hop->gateway) ||
	    !mirror_attr_u16(&attrs, NHA_ENCAP_TYPE, &nexthop->encap))
		return MIRROR_MALFORMED;
	target->n_hops = 1;
	if (nexthop->encap) {
		nexthop->refusal = MIRROR_ENCAP;
		target->kind = NEXTHOP_UNREACHABLE;
	}
	return MIRROR_APPLY;
}
