/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 fragmentation in the path (RFC 791 3.2, RFC 1812 4.2.2.7). The datagram is dropped as
 * DROP_FRAGMENTED; its pieces are packets of our own, complete and TX, in dp->originated. All of
 * them or none: where frames run short it is DROP_FRAGMENT_FAILED. worker.
 */
#ifndef VISOR_FRAGMENT_H
#define VISOR_FRAGMENT_H

#include "datapath.h"

/* Fragment p for p->mtu and send the pieces by nh, which is FORWARD. p may itself be a fragment,
 * and may lie in several frames. It must not have DF set. */
void fragment_ip4(struct datapath *dp, struct packet *p, const struct nexthop *nh);

#endif
