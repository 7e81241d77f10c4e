/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequence numbers behind the SYN proxy. The client knows the server's by the cookie that it was
 * given; the server has its own. The difference is the flow's seq_offset: replies are taken back by
 * it, and what the client acknowledges, SACK blocks included (RFC 2018), is taken on by it. The
 * window of replies is brought from the server's scale to the one that the client was told.
 *
 * The flow's TCP state is kept in the client's numbers; packets are tracked as they came in, before
 * they are rewritten here.
 */
#ifndef VISOR_FLOW_SEQ_H
#define VISOR_FLOW_SEQ_H

#include "flow.h"
#include "packet.h"

/* Rewrite p, of direction d of this flow: TCP with its header whole. worker. */
void flow_seq_write(const struct flow6 *flow, enum flow_direction d, struct packet *p);

#endif
