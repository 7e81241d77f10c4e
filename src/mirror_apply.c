/* SPDX-License-Identifier: Apache-2.0 */
/* Messages into the RIB: see mirror_apply.h. */
#include "mirror_apply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"

static const char *const event_names[MIRROR_EVENTS] = {
	[MIRROR_LINK] = "links",	   [MIRROR_ADDRESS] = "addresses",
	[MIRROR_NEIGHBOUR] = "neighbours", [MIRROR_ROUTE] = "routes",
	[MIRROR_NEXTHOP] = "nexthops",
};

struct known_link {
	struct hnode by_index;
	struct rib_link link;
	unsigned generation;
};

struct known_address {
	struct hnode by_address; /* and link */
	struct mirror_address kernel;
	unsigned generation;
};

int mirror_apply_init(struct mirror_apply *apply, struct rib *rib,
		      const struct mirror_callbacks *callbacks)
{
	apply->rib = rib;
	apply->callbacks = *callbacks;
	if (htable_init(&apply->links) || htable_init(&apply->addresses))
		return -ENOMEM;
	return 0;
}

static void forget_links(struct mirror_apply *apply, bool all)
{
	struct hnode *node = apply->links.bucket ? htable_each(&apply->links, NULL) : NULL;

	while (node) {
		struct known_link *known = htable_entry(node, struct known_link, by_index);

		node = htable_each(&apply->links, node);
		if (!all && known->generation == apply->generation)
			continue;
		htable_del(&apply->links, &known->by_index);
		if (!all && apply->callbacks.link)
			apply->callbacks.link(apply->callbacks.arg, &known->link, false);
		free(known);
	}
}

static void forget_addresses(struct mirror_apply *apply, bool all)
{
	struct hnode *node = apply->addresses.bucket ? htable_each(&apply->addresses, NULL) : NULL;

	while (node) {
		struct known_address *known = htable_entry(node, struct known_address, by_address);

		node = htable_each(&apply->addresses, node);
		if (!all && known->generation == apply->generation)
			continue;
		htable_del(&apply->addresses, &known->by_address);
		free(known);
	}
}

void mirror_apply_fini(struct mirror_apply *apply)
{
	forget_links(apply, true);
	forget_addresses(apply, true);
	htable_fini(&apply->links);
	htable_fini(&apply->addresses);
}

/* --- what is said about it --- */

static bool taken(struct mirror_apply *apply, enum mirror_verdict verdict)
{
	apply->verdicts[verdict]++;
	if (verdict == MIRROR_APPLY)
		return true;
	if ((verdict == MIRROR_MALFORMED || verdict == MIRROR_TOS || verdict == MIRROR_SOURCE) &&
	    log_allowed(&apply->verdict_limit, 5, 60))
		log_warning("netlink: ignored: %s",
			    verdict == MIRROR_TOS    ? "a route for one type of service" :
			    verdict == MIRROR_SOURCE ? "an IPv6 route for one source prefix" :
						       "a malformed message");
	return false;
}

static void applied(struct mirror_apply *apply, enum mirror_event event, bool set, int err)
{
	if (set)
		apply->set[event]++;
	else
		apply->del[event]++;
	if (!err)
		return;
	apply->errors++;
	if (log_allowed(&apply->error_limit, 5, 60))
		log_error("netlink: %s: a change was not applied: %s", event_names[event],
			  strerror(-err));
}

static void refused(struct mirror_apply *apply, const struct mirror_route *r)
{
	char prefix[INET6_ADDRSTRLEN];
	bool v4 = r->route.family == 4;

	apply->refusals[r->refusal]++;
	if (r->refusal == MIRROR_THROW || !log_allowed(&apply->refusal_limit, 5, 60))
		return;
	inet_ntop(v4 ? AF_INET : AF_INET6,
		  v4 ? &r->route.prefix.s6_addr[12] : r->route.prefix.s6_addr, prefix,
		  sizeof(prefix));
	if (r->refusal == MIRROR_ENCAP)
		log_warning("route %s/%u: encapsulation %u is not supported: its destinations are "
			    "unreachable",
			    prefix, r->route.len, r->encap);
	else if (r->refusal == MIRROR_TOO_MANY_HOPS)
		log_warning("route %s/%u: more than %d next hops: the others are not used", prefix,
			    r->route.len, RIB_HOPS_MAX);
	else
		log_warning("route %s/%u: its type is not supported: ignored", prefix,
			    r->route.len);
}

/* --- links --- */

static struct known_link *link_known(const struct mirror_apply *apply, int ifindex)
{
	struct hnode *node = htable_first(&apply->links, mix64(0, (uint32_t)ifindex));

	for (; node; node = htable_next(node)) {
		struct known_link *known = htable_entry(node, struct known_link, by_index);

		if (known->link.ifindex == ifindex)
			return known;
	}
	return NULL;
}

static bool link_same(const struct rib_link *a, const struct rib_link *b)
{
	return !strcmp(a->name, b->name) && !memcmp(a->mac, b->mac, sizeof(a->mac)) &&
	       a->mtu == b->mtu && a->up == b->up && a->running == b->running &&
	       a->parent == b->parent && a->vlan_id == b->vlan_id && a->vlan_proto == b->vlan_proto;
}

/* Remembers it; *old is what was known before, ifindex 0 for nothing. */
static int link_remember(struct mirror_apply *apply, const struct rib_link *link,
			 struct rib_link *old)
{
	struct known_link *known = link_known(apply, link->ifindex);

	*old = known ? known->link : (struct rib_link){ 0 };
	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known)
			return -ENOMEM;
		htable_add(&apply->links, &known->by_index, mix64(0, (uint32_t)link->ifindex));
	}
	known->link = *link;
	known->generation = apply->generation;
	return 0;
}

static void link_gone(struct mirror_apply *apply, int ifindex)
{
	struct known_link *known = link_known(apply, ifindex);

	applied(apply, MIRROR_LINK, false, rib_link_del(apply->rib, ifindex));
	if (!known)
		return;
	htable_del(&apply->links, &known->by_index);
	if (apply->callbacks.link)
		apply->callbacks.link(apply->callbacks.arg, &known->link, false);
	free(known);
}

static unsigned on_link(struct mirror_apply *apply, const struct nlmsghdr *message, bool present)
{
	struct mirror_link link;
	struct rib_link old;
	int err;

	if (!taken(apply, mirror_parse_link(message, &link)))
		return 0;
	if (!present) {
		link_gone(apply, link.link.ifindex);
		return MIRROR_INFERRED;
	}
	err = link_remember(apply, &link.link, &old);
	if (!err && old.ifindex && link_same(&old, &link.link) && !apply->dumping)
		return 0;
	applied(apply, MIRROR_LINK, true, err ? err : rib_link_set(apply->rib, &link.link));
	if (apply->callbacks.link)
		apply->callbacks.link(apply->callbacks.arg, &link.link, true);
	/* IPv6 routes with an MTU of their own may follow their device's */
	if (apply->mtu6 && !apply->dumping && old.ifindex && old.mtu != link.link.mtu)
		return MIRROR_UNKNOWN;
	return !link.link.up || !link.link.running ? MIRROR_INFERRED : 0;
}

/* --- addresses --- */

static bool same_addr(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static uint64_t address_hash(const struct mirror_address *a)
{
	uint64_t half[2];

	memcpy(half, &a->address.addr.addr, sizeof(half));
	return mix64(mix64((uint32_t)a->address.ifindex, half[0]), half[1]);
}

/* Another of the kernel's addresses that is the same one to the RIB. exact: this very one. */
static struct known_address *address_known(const struct mirror_apply *apply,
					   const struct mirror_address *want, bool exact)
{
	struct hnode *node = htable_first(&apply->addresses, address_hash(want));

	for (; node; node = htable_next(node)) {
		struct known_address *known = htable_entry(node, struct known_address, by_address);
		const struct mirror_address *have = &known->kernel;

		if (have->address.ifindex == want->address.ifindex &&
		    have->address.len == want->address.len &&
		    same_addr(&have->address.addr, &want->address.addr) &&
		    (!exact ||
		     (have->kernel_len == want->kernel_len && same_addr(&have->peer, &want->peer))))
			return known;
	}
	return NULL;
}

static int address_set(struct mirror_apply *apply, const struct mirror_address *address)
{
	struct known_address *known = address_known(apply, address, true);

	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known)
			return -ENOMEM;
		known->kernel = *address;
		htable_add(&apply->addresses, &known->by_address, address_hash(address));
	}
	known->kernel = *address;
	known->generation = apply->generation;
	return rib_address_set(apply->rib, &address->address);
}

static int address_del(struct mirror_apply *apply, const struct mirror_address *address)
{
	struct known_address *known = address_known(apply, address, true);

	if (known) {
		htable_del(&apply->addresses, &known->by_address);
		free(known);
	}
	known = address_known(apply, address, false);
	return known ? rib_address_set(apply->rib, &known->kernel.address) :
		       rib_address_del(apply->rib, &address->address);
}

static unsigned on_address(struct mirror_apply *apply, const struct nlmsghdr *message, bool present)
{
	struct mirror_address address;

	if (!taken(apply, mirror_parse_address(message, &address)))
		return 0;
	applied(apply, MIRROR_ADDRESS, present,
		present ? address_set(apply, &address) : address_del(apply, &address));
	return !present && address.address.addr.family == 4 ? MIRROR_INFERRED : 0;
}

/* --- neighbours, routes, next-hop objects --- */

static unsigned on_neighbour(struct mirror_apply *apply, const struct nlmsghdr *message,
			     bool present)
{
	struct mirror_neighbour n;

	enum mirror_verdict verdict = mirror_parse_neighbour(message, &n);

	/* an entry that was one of ours may have become something that cannot be used */
	if (!taken(apply, verdict) && verdict != MIRROR_LLADDR)
		return 0;
	present = present && !n.absent && verdict == MIRROR_APPLY;
	applied(apply, MIRROR_NEIGHBOUR, present,
		present ? rib_neighbour_set(apply->rib, &n.neighbour) :
			  rib_neighbour_del(apply->rib, n.neighbour.ifindex, &n.neighbour.addr));
	return 0;
}

/*
 * IPv4: several routes may share prefix, table and metric, and the first of them counts. A new one
 * is announced with NLM_F_APPEND behind the others and with NLM_F_CREATE alone before them;
 * NLM_F_EXCL says that there were no others.
 * IPv6: the message about a route with several gateways has them all, whatever the flags say.
 *
 * A route of a type that is not taken ("throw") takes the place of what it replaces, but is not
 * remembered as one of several: routes beside it are used as if it were not there.
 */
static enum rib_route_how how_of(const struct mirror_apply *apply, unsigned family, unsigned flags)
{
	if (apply->dumping)
		return RIB_ROUTE_ADD;
	if (flags & NLM_F_REPLACE)
		return RIB_ROUTE_REPLACE;
	if (family == 6 || (flags & NLM_F_EXCL))
		return RIB_ROUTE_ADD;
	return flags & NLM_F_APPEND ? RIB_ROUTE_APPEND : RIB_ROUTE_PREPEND;
}

static unsigned on_route(struct mirror_apply *apply, const struct nlmsghdr *message, bool present)
{
	struct mirror_route *r = &apply->route;
	enum rib_route_how how;
	int err = 0;

	if (!taken(apply, mirror_parse_route(message, r)))
		return 0;
	/* what IPv6 prefers as its source is for the host's own packets, and the kernel forgets it
	 * without a word when the address goes */
	if (r->route.family == 6)
		r->route.prefsrc = (struct ip_addr){ 0 };
	apply->mtu6 |= r->route.family == 6 && r->route.mtu;
	how = how_of(apply, r->route.family, message->nlmsg_flags);
	if (present && r->refusal != MIRROR_ACCEPTED)
		refused(apply, r);
	if (r->route.target.kind != NEXTHOP_NONE)
		err = present ? rib_route_set(apply->rib, &r->route, how) :
				rib_route_del(apply->rib, &r->route);
	else if (present && how == RIB_ROUTE_REPLACE)
		err = rib_route_del(apply->rib, &r->route); /* what it takes the place of is gone */
	applied(apply, MIRROR_ROUTE, present, err);
	return 0;
}

static unsigned on_nexthop(struct mirror_apply *apply, const struct nlmsghdr *message, bool present)
{
	struct mirror_nexthop *n = &apply->nexthop;

	if (!taken(apply, mirror_parse_nexthop(message, n)))
		return 0;
	if (present && n->refusal != MIRROR_ACCEPTED) {
		apply->refusals[n->refusal]++;
		if (log_allowed(&apply->refusal_limit, 5, 60))
			log_warning("next-hop object %u: %s: not supported", n->id,
				    mirror_refusal_names[n->refusal]);
	}
	applied(apply, MIRROR_NEXTHOP, present,
		present ? rib_nexthop_object_set(apply->rib, n->id, &n->target,
						 n->group ? n->members : NULL) :
			  rib_nexthop_object_del(apply->rib, n->id));
	return present ? 0 : MIRROR_INFERRED;
}

unsigned mirror_apply_message(struct mirror_apply *apply, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE: return on_route(apply, message, message->nlmsg_type == RTM_NEWROUTE);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH: return on_neighbour(apply, message, message->nlmsg_type == RTM_NEWNEIGH);
	case RTM_NEWLINK:
	case RTM_DELLINK: return on_link(apply, message, message->nlmsg_type == RTM_NEWLINK);
	case RTM_NEWADDR:
	case RTM_DELADDR: return on_address(apply, message, message->nlmsg_type == RTM_NEWADDR);
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		return on_nexthop(apply, message, message->nlmsg_type == RTM_NEWNEXTHOP);
	default: return 0;
	}
}

void mirror_apply_begin(struct mirror_apply *apply)
{
	apply->generation++;
	apply->dumping = true;
	rib_resync_begin(apply->rib);
}

void mirror_apply_end(struct mirror_apply *apply, bool complete)
{
	apply->dumping = false;
	if (!complete) {
		rib_resync_abandon(apply->rib);
		return;
	}
	rib_resync_end(apply->rib);
	forget_addresses(apply, false);
	forget_links(apply, false);
}

static json_t *named_counts(const char *const *names, const uint64_t *counts, unsigned n)
{
	json_t *out = json_object();

	for (unsigned i = 0; i < n; i++)
		if (counts[i])
			json_object_set_new(out, names[i], json_integer((json_int_t)counts[i]));
	return out;
}

void mirror_apply_show(const struct mirror_apply *apply, json_t *out)
{
	json_object_set_new(out, "errors", json_integer((json_int_t)apply->errors));
	json_object_set_new(out, "set", named_counts(event_names, apply->set, MIRROR_EVENTS));
	json_object_set_new(out, "removed", named_counts(event_names, apply->del, MIRROR_EVENTS));
	json_object_set_new(out, "ignored",
			    named_counts(mirror_verdict_names + 1, apply->verdicts + 1,
					 MIRROR_VERDICTS - 1));
	json_object_set_new(out, "refused",
			    named_counts(mirror_refusal_names + 1, apply->refusals + 1,
					 MIRROR_REFUSALS - 1));
}
