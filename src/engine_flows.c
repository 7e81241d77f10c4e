/* SPDX-License-Identifier: Apache-2.0 */
/* The flow engine within the engine: made when the first stateful chain comes, told of reloads. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow_policy.h"
#include "flows.h"
#include "log.h"

static bool is_stateful(const struct pipeline *pipeline)
{
	for (unsigned i = 0; i < pipeline->n_chains; i++)
		if (pipeline->chains[i]->stateful)
			return true;
	return false;
}

int engine_flows_start(struct engine *engine, const struct config *config,
		       const struct pipeline *pipeline, struct conf_errors *errors)
{
	struct flow_table_use use;
	char why[256] = "";
	int err;

	if (engine->flows || !is_stateful(pipeline))
		return 0;
	err = flows_new(&engine->flows, &config->flows, engine->workers->n,
			(enum hugepages)config->memory.hugepages, why);
	if (err) {
		conf_error(errors, &config->flows.where, "flow settings: %s",
			   why[0] ? why : strerror(-err));
		return err;
	}
	flow_table_use(engine->flows->table, &use);
	log_info("flows: room for %u of IPv4 and %u of IPv6, %llu MiB, %s",
		 engine->flows->table->narrow, engine->flows->table->wide,
		 (unsigned long long)(use.bytes >> 20), engine->flows->table->pages);
	workers_set_flows(engine->workers, engine->flows);
	return 0;
}

int engine_flows_functions(const struct pipeline *pipeline, struct flow_functions **result)
{
	struct flow_functions *functions =
		calloc(1, sizeof(*functions) + pipeline->n_functions * sizeof(functions->nf[0]));

	if (!functions)
		return -ENOMEM;
	for (unsigned i = 0; i < pipeline->n_functions; i++) {
		struct nf *nf = &pipeline->functions[i];

		if (nf->stateful && nf->ops->close)
			functions->nf[functions->n++] = nf;
	}
	*result = functions;
	return 0;
}

struct flow_functions *engine_flows_change(struct engine *engine, struct flow_functions *functions)
{
	struct flow_functions *old = functions;

	if (engine->flows) {
		flows_update(engine->flows, &engine->config->flows);
		old = flows_set_functions(engine->flows, functions);
	}
	flow_policy_changed();
	return old;
}
