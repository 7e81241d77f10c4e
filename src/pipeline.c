/* SPDX-License-Identifier: Apache-2.0 */
/* The instances of functions that a configuration asks for, and the chains that they stand in. */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int function_new(struct nf *nf, const struct function_config *config,
			struct conf_errors *errors)
{
	char owner[80];
	int base, err;

	nf->ops = config->ops;
	nf->name = config->name;
	nf->conf = config->conf;
	snprintf(owner, sizeof(owner), "%s:%s", config->ops->name, config->name);
	base = drops_register(owner, config->ops->drop_reasons);
	if (base < 0) {
		conf_error(errors, config->conf, "%s: too many functions: no room for its counters",
			   owner);
		return base;
	}
	nf->drop_base = (uint16_t)base;
	nf->stateful = config->ops->open != NULL;
	err = nf->ops->init ? nf->ops->init(nf) : 0;
	if (err)
		conf_error(errors, config->conf, "%s: cannot be started: %s", owner,
			   strerror(-err));
	return err;
}

static struct nf *find_function(struct pipeline *pipeline, const struct config *config,
				const char *ref)
{
	const struct function_config *f = conf_function(config, ref);

	return f ? &pipeline->functions[f - config->functions] : NULL;
}

static struct chain *chain_new(struct pipeline *pipeline, const struct config *config,
			       const struct chain_config *item, struct conf_errors *errors)
{
	struct chain *chain =
		calloc(1, sizeof(*chain) + item->functions.n * sizeof(chain->functions[0]));

	if (!chain)
		return NULL;
	for (unsigned i = 0; i < item->functions.n; i++) {
		struct nf *nf = find_function(pipeline, config, item->functions.value[i]);

		if (nf) {
			chain->functions[chain->n++] = nf;
			chain->stateful |= nf->stateful;
		} else {
			conf_error(errors, &item->where, "no function \"%s\"",
				   item->functions.value[i]);
		}
	}
	return chain;
}

int pipeline_new(struct pipeline **result, const struct config *config, struct conf_errors *errors)
{
	const struct chain_config *chains = config->chains.item;
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	int err = -ENOMEM;

	if (!pipeline)
		return -ENOMEM;
	pipeline->functions = calloc(config->n_functions + 1, sizeof(*pipeline->functions));
	pipeline->chains = calloc(config->chains.n + 1, sizeof(struct chain *));
	if (!pipeline->functions || !pipeline->chains)
		goto fail;
	for (; pipeline->n_functions < config->n_functions; pipeline->n_functions++) {
		unsigned i = pipeline->n_functions;

		err = function_new(&pipeline->functions[i], &config->functions[i], errors);
		if (err)
			goto fail;
	}
	for (; pipeline->n_chains < config->chains.n; pipeline->n_chains++) {
		unsigned i = pipeline->n_chains;

		pipeline->chains[i] = chain_new(pipeline, config, &chains[i], errors);
		err = pipeline->chains[i] ? 0 : -ENOMEM;
		if (err)
			goto fail;
	}
	*result = pipeline;
	return 0;
fail:
	pipeline_free(pipeline);
	return err;
}

void pipeline_free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	for (unsigned i = 0; i < pipeline->n_functions; i++)
		if (pipeline->functions[i].ops->fini)
			pipeline->functions[i].ops->fini(&pipeline->functions[i]);
	for (unsigned i = 0; i < pipeline->n_chains; i++)
		free(pipeline->chains[i]);
	free(pipeline->functions);
	free(pipeline->chains);
	free(pipeline);
}

/* Each new instance takes over from the old one of the same function and name. */
int pipeline_adopt(struct pipeline *pipeline, struct pipeline *old, struct conf_errors *errors)
{
	for (unsigned i = 0; i < pipeline->n_functions; i++) {
		struct nf *nf = &pipeline->functions[i];

		for (unsigned k = 0; nf->ops->adopt && k < old->n_functions; k++) {
			struct nf *from = &old->functions[k];
			int err = 0;

			if (from->ops == nf->ops && !strcmp(from->name, nf->name))
				err = nf->ops->adopt(nf, from);
			if (err) {
				conf_error(errors, nf->conf, "%s \"%s\" cannot change live: %s",
					   nf->ops->name, nf->name, strerror(-err));
				return err;
			}
		}
	}
	return 0;
}

const struct chain *pipeline_chain(const struct pipeline *pipeline, const struct config *config,
				   const char *interface)
{
	const struct chain_config *chains = config->chains.item;

	for (unsigned i = 0; i < config->chains.n; i++)
		for (unsigned k = 0; k < chains[i].ports.n; k++)
			if (!strcmp(chains[i].ports.value[k], interface))
				return pipeline->chains[i];
	return NULL;
}
