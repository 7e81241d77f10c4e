/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one rtnetlink message to one of the RIB's structs. Pure functions: no state, no system call,
 * no log. A message may be anything: every attribute is bounds-checked against the message, every
 * message against its own nlmsg_len, of which the caller guarantees that so many bytes are there.
 *
 * What is not taken gets a verdict with a name, which the mirror counts. *any*
 */
#ifndef VISOR_MIRROR_PARSE_H
#define VISOR_MIRROR_PARSE_H

#include <linux/netlink.h>

#include "rib.h"

enum mirror_verdict {
	MIRROR_APPLY,
	MIRROR_MALFORMED,    /* too short, or an attribute that contradicts itself */
	MIRROR_OTHER_FAMILY, /* bridge ports, multicast routing, MPLS */
	MIRROR_PARTIAL,	     /* a link message without a name or an MTU (wireless events) */
	MIRROR_CACHED,	     /* a route that is an exception cached by the kernel */
	MIRROR_TOS,	     /* a route for one type of service only */
	MIRROR_SOURCE,	     /* an IPv6 route for packets from one source prefix only */
	MIRROR_PROXY,	     /* a neighbour that is a proxy entry */
	MIRROR_LLADDR,	     /* a neighbour whose hardware address is not an Ethernet one */
	MIRROR_MULTICAST,    /* a neighbour entry of a multicast group */
	MIRROR_FDB,	     /* a next-hop object of a bridge's forwarding table */
	MIRROR_VERDICTS,
};

extern const char *const mirror_verdict_names[MIRROR_VERDICTS];

enum mirror_refusal {
	MIRROR_ACCEPTED,
	MIRROR_THROW,	      /* "look in the next table": the tables are merged here */
	MIRROR_UNKNOWN_TYPE,  /* RTN_NAT, RTN_XRESOLVE and what the future brings */
	MIRROR_ENCAP,	      /* lightweight tunnels: MPLS, SEG6, IP … */
	MIRROR_TOO_MANY_HOPS, /* the first RIB_HOPS_MAX are used */
	MIRROR_REFUSALS,
};

extern const char *const mirror_refusal_names[MIRROR_REFUSALS];

struct mirror_link {
	struct rib_link link;
	bool carrier; /* IFF_RUNNING or IFF_LOWER_UP: without both the kernel drops its objects */
	bool loopback;
};

/* An address as the kernel keeps it: `local` on a point-to-point link differs from `peer`. */
struct mirror_address {
	struct rib_address address;
	struct ip_addr peer;
	uint8_t kernel_len; /* the prefix length of the peer's side */
};

struct mirror_neighbour {
	struct rib_neighbour neighbour;
	bool absent; /* NUD_NONE: as good as deleted */
};

/* hops: `target.hops` points here. Not copyable by assignment. Refused routes keep their identity:
 * with MIRROR_THROW and MIRROR_UNKNOWN_TYPE the kind is NEXTHOP_NONE, with MIRROR_ENCAP it is
 * NEXTHOP_UNREACHABLE, so that what should be encapsulated does not leave bare by another route. */
struct mirror_route {
	struct rib_route route;
	uint8_t scope; /* RT_SCOPE_* */
	enum mirror_refusal refusal;
	uint16_t encap; /* LWTUNNEL_ENCAP_*, 0 none */
	struct rib_hop hops[RIB_HOPS_MAX];
};

struct mirror_nexthop {
	uint32_t id;
	struct rib_target target;
	bool group;
	enum mirror_refusal refusal;
	uint16_t encap;
	struct rib_hop hops[RIB_HOPS_MAX];
	uint32_t members[RIB_HOPS_MAX];
};

/* RTM_NEWLINK, RTM_DELLINK */
enum mirror_verdict mirror_parse_link(const struct nlmsghdr *message, struct mirror_link *link);
/* RTM_NEWADDR, RTM_DELADDR */
enum mirror_verdict mirror_parse_address(const struct nlmsghdr *message,
					 struct mirror_address *address);
/* RTM_NEWNEIGH, RTM_DELNEIGH */
enum mirror_verdict mirror_parse_neighbour(const struct nlmsghdr *message,
					   struct mirror_neighbour *neighbour);
/* RTM_NEWROUTE, RTM_DELROUTE */
enum mirror_verdict mirror_parse_route(const struct nlmsghdr *message, struct mirror_route *route);
/* RTM_NEWNEXTHOP, RTM_DELNEXTHOP */
enum mirror_verdict mirror_parse_nexthop(const struct nlmsghdr *message,
					 struct mirror_nexthop *nexthop);

#endif
