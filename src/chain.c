/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Through a chain: stateless functions are asked for every packet, all stateful ones are one step,
 * the flow stage, where the first of them stands.
 */
#include "chain.h"

#include "flows.h"
#include "nf/nf.h"

/* Keep in the burst what is still to be decided. */
static void compact(struct burst *burst)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < burst->count; i++)
		if (burst->packet[i]->verdict == PACKET_CONTINUE)
			burst->packet[kept++] = burst->packet[i];
	burst->count = kept;
}

/* Where the first stateful function stands, its flow stands for all of them. */
static void run_flows(struct datapath *dp, const struct chain *chain, struct burst *burst)
{
	if (dp->flows)
		flow_stage(dp, chain, burst);
	else /* this round began before there was a table */
		for (unsigned i = 0; i < burst->count; i++)
			packet_drop(burst->packet[i], DROP_FLOWS_OFF);
}

static void run_from(unsigned first, struct datapath *dp, const struct chain *chain,
		     struct burst *burst)
{
	bool flows = false;

	for (unsigned i = first; i < chain->n && burst->count; i++) {
		struct nf *nf = chain->functions[i];

		if (!nf->stateful)
			nf->ops->process(nf, dp, burst);
		else if (!flows)
			run_flows(dp, chain, burst);
		else
			continue;
		flows |= nf->stateful;
		if (i + 1 < chain->n)
			compact(burst);
	}
}

void chain_run(struct datapath *dp, const struct chain *chain, struct burst *burst)
{
	run_from(0, dp, chain, burst);
}

void chain_resume(struct datapath *dp, const struct chain *chain, struct burst *burst)
{
	unsigned first = 0;

	while (first < chain->n && !chain->functions[first]->stateful)
		first++;
	run_from(first < chain->n ? first : 0, dp, chain, burst);
}
