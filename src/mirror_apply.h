/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rtnetlink message into the RIB. control.
 *
 * Two small tables are kept beside it. Links: so that the callback can say which are gone after a
 * resync. Addresses as the kernel tells them apart: several may be one to the RIB (the same own
 * address with different peers), which is only gone when the last of them is.
 *
 * The kernel drops routes without a word when a link goes down, an address or a next-hop object
 * goes; the RIB infers that from exactly the calls made here, in the order of the events (rib.h).
 */
#ifndef VISOR_MIRROR_APPLY_H
#define VISOR_MIRROR_APPLY_H

#include <jansson.h>

#include "htable.h"
#include "log.h"
#include "mirror.h"
#include "mirror_parse.h"

enum mirror_event {
	MIRROR_LINK,
	MIRROR_ADDRESS,
	MIRROR_NEIGHBOUR,
	MIRROR_ROUTE,
	MIRROR_NEXTHOP,
	MIRROR_EVENTS
};

struct mirror_apply {
	struct rib *rib;
	struct mirror_callbacks callbacks;
	bool dumping;	     /* messages are the answer to a dump */
	bool mtu6;	     /* an IPv6 route with an MTU of its own has been seen */
	unsigned generation; /* of the resync: marks what it has met */
	struct htable links, addresses;
	uint64_t set[MIRROR_EVENTS], del[MIRROR_EVENTS];
	uint64_t verdicts[MIRROR_VERDICTS], refusals[MIRROR_REFUSALS], errors;
	struct log_limit error_limit, verdict_limit, refusal_limit;
	struct mirror_route route; /* scratch: too large for a stack, and filled in part only */
	struct mirror_nexthop nexthop;
};

int mirror_apply_init(struct mirror_apply *apply, struct rib *rib,
		      const struct mirror_callbacks *callbacks);
void mirror_apply_fini(struct mirror_apply *apply);

/* What the kernel does without saying so because of what a message reports. */
enum mirror_unsaid {
	MIRROR_INFERRED =
		1, /* routes go, and the RIB knows which: if the message has its place among
			      * the others. Applied to a later state the inference may be wrong */
	MIRROR_UNKNOWN = 2, /* routes change, and only another dump can tell how */
};

/* Returns a set of enum mirror_unsaid. */
unsigned mirror_apply_message(struct mirror_apply *apply, const struct nlmsghdr *message);

/* Around a dump of everything, with the RIB's own begin and end (which these call). complete: what
 * was not met is gone. */
void mirror_apply_begin(struct mirror_apply *apply);
void mirror_apply_end(struct mirror_apply *apply, bool complete);

/* Adds its counters to `out`. */
void mirror_apply_show(const struct mirror_apply *apply, json_t *out);

#endif
