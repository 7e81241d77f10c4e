/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reload: read all, check all, build all, then change over, wait a grace period, free. Up to the
 * change-over nothing of what runs is touched, and any mistake ends the reload there; from it on
 * nothing can be refused any more. Ports that did not change keep their sockets and lose nothing.
 */
#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu-qsbr.h>

#include "log.h"

/* What is fixed at start-up: say so, with the place in the file. */
static void check_fixed(const struct engine *engine, const struct config *next,
			struct conf_errors *errors)
{
	const struct config *now = engine->config;
	const struct workers_config *a = &now->workers, *b = &next->workers;

	/* counted from the queues at start-up and left to be counted now: what runs stays */
	bool counted = !a->count && !a->cpus.n && !b->count && !b->cpus.n;

	if (!counted && engine_worker_count(next) != engine->workers->n)
		conf_error(
			errors, &b->where,
			"workers: %u are running and %u are asked for; their number changes only "
			"at a restart",
			engine->workers->n, engine_worker_count(next));
	else if (a->cpus.n != b->cpus.n ||
		 (a->cpus.n && memcmp(a->cpus.value, b->cpus.value, a->cpus.n * sizeof(int64_t))))
		conf_error(errors, &b->where, "workers.cpus changes only at a restart");
	if (now->memory.hugepages != next->memory.hugepages ||
	    now->memory.frame_size != next->memory.frame_size ||
	    now->memory.frames != next->memory.frames)
		conf_error(errors, &next->memory.where, "memory changes only at a restart");
	if (strcmp(now->control.socket, next->control.socket))
		conf_error(errors, &next->control.where,
			   "control.socket changes only at a restart");
	if (strcmp(now->control.group ? now->control.group : "",
		   next->control.group ? next->control.group : ""))
		conf_error(errors, &next->control.where, "control.group changes only at a restart");
	if (engine->flows &&
	    (now->flows.ipv4 != next->flows.ipv4 || now->flows.ipv6 != next->flows.ipv6 ||
	     now->flows.fragments.datagrams != next->flows.fragments.datagrams ||
	     now->flows.fragments.held != next->flows.fragments.held ||
	     now->flows.fragments.timeout_ms != next->flows.fragments.timeout_ms))
		conf_error(
			errors, &next->flows.where,
			"the size of the flow table and the settings of fragments change only at a "
			"restart");
	if (now->routing.receive_buffer != next->routing.receive_buffer)
		conf_error(errors, &next->routing.where,
			   "routing.receive_buffer changes only at a restart");
}

/* A port that has to be opened anew: another device, or other sockets. */
static bool port_differs(const struct port_config *a, const struct port_config *b)
{
	return strcmp(a->device, b->device) || a->mode != b->mode || a->queues != b->queues ||
	       a->rx_ring != b->rx_ring || a->tx_ring != b->tx_ring;
}

static const struct port_config *find_port_config(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->ports.n; i++)
		if (!strcmp(conf_port(config, i)->name, name))
			return conf_port(config, i);
	return NULL;
}

static void remove_ports(struct engine *engine, const struct config *next)
{
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct port *port = engine->port[i];
		const struct port_config *config = port ? find_port_config(next, port->name) : NULL;

		if (!port)
			continue;
		if (config && !port_differs(port->config, config)) {
			port_update(port, config);
			continue;
		}
		log_info("port %s: %s", port->name, config ? "opening anew" : "removed");
		/* opened anew on the same device: with fallback "drop" nothing may slip by meanwhile */
		engine_remove_port(engine, port,
				   config && !strcmp(config->device, port->config->device) &&
					   config->fallback == FALLBACK_DROP);
	}
}

/* New ports learn of their device by the dump that follows. */
static int add_ports(struct engine *engine, bool *added)
{
	int err = 0;

	*added = false;
	for (unsigned i = 0; i < engine->config->ports.n && !err; i++) {
		const struct port_config *config = conf_port(engine->config, i);

		if (engine_find_port(engine, config->name))
			continue;
		err = engine_add_port(engine, config);
		*added = true;
	}
	return err;
}

static bool tables_differ(const struct config *a, const struct config *b)
{
	const struct conf_strings *x = &a->routing.tables, *y = &b->routing.tables;

	if (x->n != y->n)
		return true;
	for (unsigned i = 0; i < x->n; i++)
		if (strcmp(x->value[i], y->value[i]))
			return true;
	return false;
}

/* The change-over. What fails here is memory; it is logged, and what was reached stands. */
static int change_over(struct engine *engine, struct config *next, struct pipeline *pipeline,
		       struct flow_functions *functions)
{
	struct config *old = engine->config;
	struct pipeline *old_pipeline = engine->pipeline;
	bool dump, added;
	int err;

	engine->config = next;
	engine->pipeline = pipeline;
	log_set_level((enum log_level)next->log.level);
	static_routes_remove(engine->rib, old, next);
	remove_ports(engine, next);
	err = add_ports(engine, &added);
	if (!err)
		err = engine_apply_interfaces(engine, old);
	if (!err)
		err = engine_publish(engine);
	dump = added || tables_differ(old, next);
	if (!err && tables_differ(old, next))
		err = engine_set_tables(engine);
	if (!err && dump)
		err = mirror_resync(engine->mirror);
	if (!err)
		err = static_routes_set(engine->rib, next);
	functions = engine_flows_change(engine, functions);
	urcu_qsbr_synchronize_rcu(); /* no worker is in an old chain any more */
	if (err) {
		/* interfaces may still lead to the old chains, a worker may still have its old set */
		log_error("reload: %s; restart visord", strerror(-err));
		return err;
	}
	free(functions);
	pipeline_free(old_pipeline);
	conf_free(old);
	return 0;
}

int engine_reload(struct engine *engine, struct conf_errors *errors)
{
	struct config *next = conf_read(engine->config_path, errors);
	struct pipeline *pipeline = NULL;
	struct flow_functions *functions = NULL;
	int err = -EINVAL;

	if (!next)
		goto refused;
	check_fixed(engine, next, errors);
	if (conf_errors_count(errors))
		goto refused;
	err = pipeline_new(&pipeline, next, errors);
	if (!err)
		err = pipeline_adopt(pipeline, engine->pipeline, errors);
	if (!err)
		err = engine_flows_functions(pipeline, &functions);
	if (!err)
		err = engine_flows_start(engine, next, pipeline, errors);
	if (err) {
		free(functions);
		pipeline_free(pipeline);
		goto refused;
	}
	err = change_over(engine, next, pipeline, functions);
	if (err) {
		conf_error(errors, NULL, "reload: %s; restart visord", strerror(-err));
		return err;
	}
	engine->reloads++;
	log_info("reload: %s is in force", engine->config_path);
	return 0;
refused:
	if (next)
		conf_free(next);
	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		log_error("%s", conf_errors_get(errors, i));
	log_error("reload: refused; the running configuration stays as it was");
	engine->reloads_refused++;
	return err;
}
