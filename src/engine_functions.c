/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What functions do besides packets: commands of their own, `show NAME`, and once a second. The
 * engine finds the instance that is meant in the pipeline that runs, so a function never keeps
 * track of reloads.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows.h"

struct function_command {
	struct engine *engine;
	const struct nf_ops *ops;
	const struct nf_command *command; /* NULL: show */
};

static bool is_wanted(const struct nf *nf, const struct nf_ops *ops, const char *instance)
{
	return nf->ops == ops && (!instance || !strcmp(nf->name, instance));
}

/* How many there are; *found is the last. */
static unsigned find(const struct pipeline *pipeline, const struct nf_ops *ops,
		     const char *instance, struct nf **found)
{
	unsigned n = 0;

	for (unsigned i = 0; i < pipeline->n_functions; i++) {
		if (!is_wanted(&pipeline->functions[i], ops, instance))
			continue;
		*found = &pipeline->functions[i];
		n++;
	}
	return n;
}

static json_t *fail(char **error, const char *format, const char *function, const char *instance)
{
	if (asprintf(error, format, function, instance) < 0)
		*error = NULL;
	return NULL;
}

static json_t *show(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct function_command *c = arg;
	const struct pipeline *pipeline = c->engine->pipeline;
	const char *instance = json_string_value(json_object_get(args, "instance"));
	json_t *list = json_array();
	struct nf *nf;

	if (c->engine->flows)
		flows_count_living(c->engine->flows);

	for (unsigned i = 0; i < pipeline->n_functions; i++) {
		json_t *item;

		nf = &pipeline->functions[i];
		if (!is_wanted(nf, c->ops, instance))
			continue;
		item = json_pack("{s:s}", "name", nf->name);
		nf->ops->show(nf, args, item);
		json_array_append_new(list, item);
	}
	if (instance && !json_array_size(list)) {
		json_decref(list);
		return fail(error, "there is no %s called \"%s\"", c->ops->name, instance);
	}
	return json_pack("{s:o}", c->ops->name, list);
}

static json_t *run(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct function_command *c = arg;
	const char *instance = json_string_value(json_object_get(args, "instance"));
	struct nf *nf = NULL;
	unsigned n = find(c->engine->pipeline, c->ops, instance, &nf);

	if (n == 1)
		return c->command->run(nf, args, error);
	if (instance)
		return fail(error, "there is no %s called \"%s\"", c->ops->name, instance);
	return fail(error, n ? "%s: there are several; say which%s" : "there is no %s%s",
		    c->ops->name, "");
}

static int add(struct engine *engine, struct function_command *at, const struct nf_ops *ops,
	       const struct nf_command *command)
{
	char name[64];
	struct control_command control = { .name = name, .arg = at };

	*at = (struct function_command){ engine, ops, command };
	snprintf(name, sizeof(name), "%s%s", command ? "" : "show ",
		 command ? command->name : ops->name);
	control.handler = command ? run : show;
	return control_register(engine->control, &control);
}

int engine_register_functions(struct engine *engine)
{
	struct function_command *at;
	unsigned n = 0;
	int err = 0;

	for (const struct nf_ops *const *ops = nf_list; *ops; ops++) {
		n++;
		for (const struct nf_command *c = (*ops)->commands; c && c->name; c++)
			n++;
	}
	at = engine->function_commands = calloc(n + 1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	for (const struct nf_ops *const *ops = nf_list; *ops && !err; ops++) {
		if ((*ops)->show)
			err = add(engine, at++, *ops, NULL);
		for (const struct nf_command *c = (*ops)->commands; c && c->name && !err; c++)
			err = add(engine, at++, *ops, c);
	}
	return err;
}

void engine_functions_tick(struct engine *engine, uint64_t now_ns)
{
	for (unsigned i = 0; i < engine->pipeline->n_functions; i++) {
		struct nf *nf = &engine->pipeline->functions[i];

		if (nf->ops->tick)
			nf->ops->tick(nf, now_ns);
	}
}
