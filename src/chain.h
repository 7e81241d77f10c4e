/* SPDX-License-Identifier: Apache-2.0 */
/* A burst on its way through a chain of functions. */
#ifndef VISOR_CHAIN_H
#define VISOR_CHAIN_H

#include "datapath.h"

struct chain;

/* Take packets of one chain through its functions in order; each gets its verdict. The burst is used
 * up. worker. */
void chain_run(struct datapath *dp, const struct chain *chain, struct burst *burst);

/* The same from the flow stage on: fragments that it held, which the stateless functions before it
 * have seen already. All of it where the chain has become stateless meanwhile. worker. */
void chain_resume(struct datapath *dp, const struct chain *chain, struct burst *burst);

#endif
