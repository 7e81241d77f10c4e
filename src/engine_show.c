/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What visorctl asks for. Each answer is JSON, made from the same objects that will feed metrics;
 * visorctl renders it. Shapes are part of the interface: names are added, not changed.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "conf_impl.h"
#include "flows.h"
#include "privilege.h"
#include "version.h"

#define ROUTES_SHOWN 1000 /* of show routes, where no limit is given */
#define READ(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static uint64_t sum_drops(const struct engine *engine, unsigned reason)
{
	return workers_sum(engine->workers,
			   offsetof(struct datapath_counters, drops) + reason * sizeof(uint64_t));
}

/* --- ports, workers --- */

static json_t *show_ports(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;
	json_t *out = json_array();

	for (unsigned i = 0; i < PORT_MAX; i++)
		if (engine->port[i])
			json_array_append_new(out, port_show(engine->port[i]));
	return out;
}

static json_t *worker_queues(const struct engine *engine, unsigned index)
{
	json_t *out = json_array();

	for (unsigned i = 0; i < PORT_MAX; i++) {
		const struct port *port = engine->port[i];

		for (unsigned q = 0; port && q < port->n_queues; q++)
			if (port->queue[q]->worker == index)
				json_array_append_new(out, json_sprintf("%s/%u", port->name, q));
	}
	return out;
}

static json_t *worker_show(const struct engine *engine, const struct worker *worker)
{
	const struct worker_stats *s = &worker->stats;
	const struct datapath_counters *c = worker->dp.counters;
	uint64_t bursts = READ(s->bursts), packets = READ(s->packets);
	uint64_t age = clock_now_ns() - engine->started_ns;
	json_t *out = json_object();

	json_object_set_new(out, "worker", json_integer(worker->dp.index));
	json_object_set_new(out, "cpu", json_integer(worker->cpu));
	json_object_set_new(out, "poll",
			    json_string(config_poll_names[engine->config->workers.poll]));
	json_object_set_new(out, "state",
			    json_string(READ(worker->sleeping) ? "sleeping" : "running"));
	json_object_set_new(out, "queues", worker_queues(engine, worker->dp.index));
	json_object_set_new(out, "packets", number(packets));
	json_object_set_new(out, "bursts", number(bursts));
	json_object_set_new(out, "avg_burst",
			    json_real(bursts ? (double)packets / (double)bursts : 0));
	json_object_set_new(out, "rounds", number(READ(s->rounds)));
	json_object_set_new(out, "sleeps", number(READ(s->sleeps)));
	json_object_set_new(out, "wakeups", number(READ(s->wakeups)));
	json_object_set_new(out, "busy_percent",
			    json_real(100.0 * (double)READ(s->busy_ns) / (double)(age + 1)));
	json_object_set_new(out, "handed_over", number(READ(s->handed_over)));
	json_object_set_new(out, "taken_over", number(READ(s->taken_over)));
	json_object_set_new(out, "events_lost", number(READ(s->events_lost)));
	json_object_set_new(out, "originated", number(READ(c->originated)));
	json_object_set_new(out, "waiting", number(READ(c->waiting) + READ(c->held)));
	json_object_set_new(out, "frames_cached", number(frame_cache_count(worker->dp.frames)));
	return out;
}

static json_t *show_workers(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;
	const struct umem *umem = engine->umem;
	json_t *workers = json_array();

	for (unsigned i = 0; i < engine->workers->n; i++)
		json_array_append_new(workers, worker_show(engine, engine->workers->worker[i]));
	return json_pack("{s:o,s:{s:i,s:i,s:i,s:s,s:b}}", "workers", workers, "memory",
			 "frame_size", (int)umem->frame_size, "frames", (int)umem->frames, "free",
			 (int)umem_pool_count(umem), "pages", umem->memory.pages, "hugepages",
			 umem->memory.huge);
}

/* --- drops: the whole account --- */

static json_t *show_drops(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;
	const struct workers *w = engine->workers;
	uint64_t received = workers_sum(w, offsetof(struct datapath_counters, rx_packets));
	uint64_t originated = workers_sum(w, offsetof(struct datapath_counters, originated));
	uint64_t transmitted = workers_sum(w, offsetof(struct datapath_counters, tx_packets));
	uint64_t waiting = workers_sum(w, offsetof(struct datapath_counters, waiting)) +
			   workers_sum(w, offsetof(struct datapath_counters, held));
	uint64_t dropped = 0;
	json_t *drops = json_array();

	for (unsigned i = DROP_NONE + 1; i < drops_count(); i++) {
		uint64_t n = sum_drops(engine, i);

		dropped += n;
		json_array_append_new(drops,
				      json_pack("{s:s,s:I,s:s}", "reason", drops_name(i), "count",
						(json_int_t)n, "doc", drops_doc(i)));
	}
	return json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:b}", "drops", drops, "received",
			 (json_int_t)received, "originated", (json_int_t)originated, "transmitted",
			 (json_int_t)transmitted, "dropped", (json_int_t)dropped, "waiting",
			 (json_int_t)waiting, "balanced",
			 received + originated == transmitted + dropped + waiting);
}

/* --- the tables --- */

static const char *arg_string(const json_t *args, const char *name)
{
	return json_string_value(json_object_get(args, name));
}

static json_t *show_routes(void *arg, const json_t *args, char **error, json_t **errors)
{
	json_t *bounded = json_object_get(args, "limit") ?
				  json_copy((json_t *)args) :
				  json_pack("{s:i}", "limit", ROUTES_SHOWN);
	json_t *out;

	json_object_update_missing(bounded, (json_t *)args);
	out = rib_show_routes(((struct engine *)arg)->rib, bounded);
	json_decref(bounded);
	if (!out)
		*error = strdup("show routes: \"prefix\" or \"next\" is not what was expected");
	return out;
}

static json_t *show_neighbours(void *arg, const json_t *args, char **error, json_t **errors)
{
	return json_pack("{s:o}", "neighbours", rib_show_neighbours(((struct engine *)arg)->rib));
}

static void add_counters(const struct engine *engine, json_t *iface)
{
	json_int_t slot = json_integer_value(json_object_get(iface, "slot"));
	size_t base = offsetof(struct datapath_counters, iface) +
		      (size_t)slot * sizeof(struct iface_counters);
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = { { "rx_packets", offsetof(struct iface_counters, rx_packets) },
		       { "rx_bytes", offsetof(struct iface_counters, rx_bytes) },
		       { "tx_packets", offsetof(struct iface_counters, tx_packets) },
		       { "tx_bytes", offsetof(struct iface_counters, tx_bytes) } };

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_object_set_new(iface, fields[i].name,
				    number(workers_sum(engine->workers, base + fields[i].offset)));
}

/* The port by its name. */
static void add_port(const struct engine *engine, json_t *iface)
{
	json_int_t id = json_integer_value(json_object_get(iface, "port"));

	if (id >= 0 && id < PORT_MAX && engine->port[id])
		json_object_set_new(iface, "port", json_string(engine->port[id]->name));
	else
		json_object_set_new(iface, "port", json_null());
}

static void add_chain(const struct engine *engine, json_t *iface)
{
	const char *name = json_string_value(json_object_get(iface, "name"));
	const struct chain *chain = name ? pipeline_chain(engine->pipeline, engine->config, name) :
					   NULL;
	json_t *out = json_array();

	for (unsigned i = 0; chain && i < chain->n; i++)
		json_array_append_new(out, json_sprintf("%s:%s", chain->functions[i]->ops->name,
							chain->functions[i]->name));
	json_object_set_new(iface, "chain", out);
}

static json_t *show_interfaces(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;
	json_t *list = rib_show_interfaces(engine->rib), *iface;
	size_t i;

	json_array_foreach (list, i, iface) {
		add_counters(engine, iface);
		add_port(engine, iface);
		add_chain(engine, iface);
	}
	return json_pack("{s:o}", "interfaces", list);
}

static json_t *route_get(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;
	const char *text = arg_string(args, "address");
	struct ip_addr addr;

	if (!text || !conf_address_parse(text, &addr)) {
		if (asprintf(error, "route get: \"%s\" is not an IPv4 or IPv6 address",
			     text ? text : "") < 0)
			*error = NULL;
		return NULL;
	}
	return rib_route_get(engine->rib, &addr);
}

/* --- flows --- */

/* As flows_show() and the others answer where there are none. */
static json_t *no_flows(void)
{
	return json_pack("{s:[],s:i,s:n,s:i,s:{}}", "flows", "shown", 0, "next", "total", 0,
			 "states");
}

static json_t *show_flows(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;

	if (json_object_get(args, "summary")) {
		if (json_is_true(json_object_get(args, "summary")) && json_object_size(args) == 1)
			return engine->flows ? flows_summary(engine->flows, true) : json_object();
		*error = strdup("flows: \"summary\" goes with no filter");
		return NULL;
	}
	return engine->flows ? flows_show(engine->flows, rib_fib(engine->rib), args, error) :
			       no_flows();
}

static json_t *flush_flows(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;

	return engine->flows ? flows_flush(engine->flows, rib_fib(engine->rib), args, error) :
			       json_pack("{s:i}", "flushed", 0);
}

/* --- functions, configuration, status --- */

static json_t *show_functions(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;
	json_t *out = json_array();

	if (engine->flows)
		flows_count_living(engine->flows);
	for (unsigned i = 0; i < engine->pipeline->n_functions; i++) {
		const struct nf *nf = &engine->pipeline->functions[i];
		json_t *item = json_pack("{s:s,s:s,s:s}", "function", nf->ops->name, "name",
					 nf->name, "doc", nf->ops->doc ? nf->ops->doc : "");

		if (nf->ops->show)
			nf->ops->show(nf, NULL, item);
		json_array_append_new(out, item);
	}
	return json_pack("{s:o}", "functions", out);
}

static json_t *show_config(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;
	char *text = conf_print(engine->config);
	json_t *out = json_pack("{s:s,s:s,s:o}", "path", engine->config_path, "text",
				text ? text : "", "config", conf_json(engine->config));

	free(text);
	return out;
}

static json_t *show_status(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct engine *engine = arg;
	unsigned ports = 0, up = 0;

	for (unsigned i = 0; i < PORT_MAX; i++) {
		ports += engine->port[i] != NULL;
		up += engine->port[i] && engine->port[i]->state == PORT_UP;
	}
	return json_pack("{s:s,s:i,s:I,s:s,s:i,s:i,s:i,s:b,s:I,s:I,s:o,s:o,s:o,s:o,s:o*}",
			 "version", VISOR_VERSION, "pid", (int)getpid(), "uptime_s",
			 (json_int_t)((clock_now_ns() - engine->started_ns) / 1000000000ull),
			 "config", engine->config_path, "ports", (int)ports, "ports_up", (int)up,
			 "workers", (int)engine->workers->n, "synced", engine->synced, "reloads",
			 (json_int_t)engine->reloads, "reloads_refused",
			 (json_int_t)engine->reloads_refused, "routing", rib_summary(engine->rib),
			 "netlink", mirror_show(engine->mirror), "control",
			 control_show(engine->control), "privileges", privilege_show(), "flows",
			 engine->flows ? flows_summary(engine->flows, false) : NULL);
}

static json_t *reload(void *arg, const json_t *args, char **error, json_t **errors)
{
	struct conf_errors *found = conf_errors_new();
	int err = engine_reload(arg, found);
	json_t *out = NULL;

	if (!err) {
		out = json_pack("{s:b}", "reloaded", 1);
	} else {
		*error = strdup("the configuration was refused; the running one stays");
		*errors = json_array();
		for (unsigned i = 0; i < conf_errors_count(found); i++)
			json_array_append_new(*errors, json_string(conf_errors_get(found, i)));
	}
	conf_errors_free(found);
	return out;
}

static json_t *version(void *arg, const json_t *args, char **error, json_t **errors)
{
	return json_pack("{s:s}", "version", VISOR_VERSION);
}

int engine_register_commands(struct engine *engine)
{
	static const struct {
		const char *name;
		control_handler *handler;
	} commands[] = {
		{ "show ports", show_ports },
		{ "show workers", show_workers },
		{ "show drops", show_drops },
		{ "show routes", show_routes },
		{ "show neighbours", show_neighbours },
		{ "show interfaces", show_interfaces },
		{ "show flows", show_flows },
		{ "flush flows", flush_flows },
		{ "show functions", show_functions },
		{ "show config", show_config },
		{ "show status", show_status },
		{ "route get", route_get },
		{ "reload", reload },
		{ "version", version },
	};
	int err = 0;

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]) && !err; i++) {
		struct control_command command = { commands[i].name, commands[i].handler, engine };

		err = control_register(engine->control, &command);
	}
	return err ? err : engine_register_functions(engine);
}
