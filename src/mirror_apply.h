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

/* True where the kernel may have dropped routes without saying so because of what this message
 * reports: then it has to be applied in its place among the others, not to a later state. */
bool mirror_apply_message(struct mirror_apply *apply, const struct nlmsghdr *message);

/* Around a dump of everything, with the RIB's own begin and end (which these call). complete: what
 * was not met is gone. */
void mirror_apply_begin(struct mirror_apply *apply);
void mirror_apply_end(struct mirror_apply *apply, bool complete);

/* Adds its counters to `out`. */
void mirror_apply_show(const struct mirror_apply *apply, json_t *out);

#endif
