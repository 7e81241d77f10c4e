/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The netlink mirror: keeps a RIB equal to what the kernel has.
 *
 * One socket listens to the rtnetlink groups, one dumps and asks. A change arrives as a message
 * and goes to the RIB at once; ENOBUFS on the listener or NLM_F_DUMP_INTR in a dump means that
 * something was missed: a full resync follows (mark and sweep, see rib.h). All: control thread.
 */
#ifndef VISOR_MIRROR_H
#define VISOR_MIRROR_H

#include <jansson.h>

#include "rib.h"

struct mirror;
struct event_base;

struct mirror_options {
	unsigned receive_buffer; /* bytes of the listener's socket buffer; 0: default (8 MiB) */
};

struct mirror_callbacks {
	void *arg;
	/* a link appeared, changed or (present false) went away; after the RIB was told */
	void (*link)(void *arg, const struct rib_link *link, bool present);
	/* a full dump has been applied (also the first) */
	void (*synced)(void *arg);
};

/* Opens the sockets, dumps everything once (blocking), then follows events on `base`. -errno. */
int mirror_new(struct mirror **mirror, struct event_base *base, struct rib *rib,
	       const struct mirror_options *options, const struct mirror_callbacks *callbacks);
void mirror_free(struct mirror *mirror);

/* Forget and dump again now, e.g. when the tables that count have changed. */
int mirror_resync(struct mirror *mirror);

/* Make the kernel resolve (or confirm) a neighbour: RTM_NEWNEIGH with NTF_USE. */
int mirror_probe(struct mirror *mirror, int ifindex, const struct ip_addr *addr);

/* Messages, resyncs by cause, errors, time of the last dump. Owned by the caller. */
json_t *mirror_show(const struct mirror *mirror);

#endif
