/* SPDX-License-Identifier: Apache-2.0 */
/* The flow engine's making, updating and end. Control thread. */
#include "flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "reassembly.h"

static int worker_new(struct flows *flows, unsigned index, uint32_t now,
		      const struct reassembly_config *fragments)
{
	struct flow_worker *fw = aligned_alloc(64, sizeof(*fw));

	if (!fw)
		return -ENOMEM;
	memset(fw, 0, sizeof(*fw));
	flows->worker[index] = fw;
	fw->tick = now;
	fw->hand[0] = flows->table->narrow / flows->workers * index;
	fw->hand[1] = flows->table->wide / flows->workers * index;
	fw->cache = flow_table_cache(flows->table, index);
	fw->wheel = flow_wheel_new(flows->table, now);
	if (!fw->wheel)
		return -ENOMEM;
	return reassembly_new(&fw->reassembly, fragments);
}

int flows_new(struct flows **result, const struct flows_config *config, unsigned workers,
	      enum hugepages pages, char *why)
{
	const uint32_t now = flow_ticks(clock_now_ns());
	struct flows *flows = calloc(1, sizeof(*flows) + workers * sizeof(flows->worker[0]));
	struct reassembly_config fragments = {
		.datagrams = (uint32_t)config->fragments.datagrams,
		.held = (uint32_t)config->fragments.held,
		.timeout_ns = (uint64_t)config->fragments.timeout_ms * 1000000,
	};
	int err;

	if (!flows)
		return -ENOMEM;
	if (getrandom(&fragments.seed, sizeof(fragments.seed), 0) < 0)
		fragments.seed = clock_now_ns();
	flows->workers = workers;
	flows_update(flows, config);
	/* the control thread, when it looks at flows, is one more worker to the table */
	err = flow_table_new(&flows->table, (uint32_t)config->ipv4, (uint32_t)config->ipv6,
			     workers + 1, pages, why);
	if (!err)
		flows->reader = flow_table_cache(flows->table, workers);
	for (unsigned i = 0; i < workers && !err; i++)
		err = worker_new(flows, i, now, &fragments);
	if (err) {
		flows_free(flows);
		return err;
	}
	*result = flows;
	return 0;
}

void flows_update(struct flows *flows, const struct flows_config *config)
{
	struct flow_timeouts timeouts;

	flow_timeouts_set(&timeouts, &config->timeouts);
	for (unsigned i = 0; i < FLOW_STATES; i++)
		__atomic_store_n(&flows->timeouts.ticks[i], timeouts.ticks[i], __ATOMIC_RELAXED);
	__atomic_store_n(&flows->loose, config->loose, __ATOMIC_RELAXED);
}

struct flow_functions *flows_set_functions(struct flows *flows, struct flow_functions *functions)
{
	struct flow_functions *old = (struct flow_functions *)flows->functions;

	__atomic_store_n(&flows->functions, functions, __ATOMIC_RELEASE);
	return old;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	for (unsigned i = 0; i < flows->workers; i++) {
		if (flows->worker[i])
			flow_wheel_free(flows->worker[i]->wheel);
		if (flows->worker[i])
			reassembly_free(flows->worker[i]->reassembly);
		free(flows->worker[i]);
	}
	flow_table_free(flows->table);
	free((void *)flows->functions);
	free(flows);
}
