/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: everything that a running visord consists of, wired together. Control thread.
 *
 *   configuration ─→ functions, chains, interfaces, static routes, ports
 *   netlink mirror ─→ RIB ─→ FIB ─→ workers          (engine.c)
 *   links ─→ ports ─→ queues ─→ workers               (port.c, engine_queues.c)
 *   SIGHUP, visorctl reload ─→ engine_reload()        (engine_reload.c)
 *   visorctl show … ─→ engine_show.c
 */
#ifndef VISOR_ENGINE_H
#define VISOR_ENGINE_H

#include <event2/event.h>

#include "config.h"
#include "control.h"
#include "mirror.h"
#include "nf/nf.h"
#include "port.h"
#include "static_route.h"
#include "worker.h"

/* The instances of functions and the chains of one configuration. */
struct pipeline {
	unsigned n_functions;
	struct nf *functions; /* [n_functions], in the order of config->functions */
	unsigned n_chains;
	struct chain **chains; /* [n_chains], in the order of config->chains */
};

struct engine {
	const char *config_path;
	struct config *config;
	struct pipeline *pipeline;
	struct event_base *base;
	struct event *second, *questions;
	struct umem *umem;
	struct workers *workers;
	struct flows *flows; /* NULL until a configuration has a stateful chain */
	struct rib *rib;
	struct mirror *mirror;
	struct control *control;
	struct function_command *function_commands; /* engine_functions.c's */
	struct port_env env;
	struct port *port[PORT_MAX];
	bool synced; /* the first dump is in: ports may open */
	uint64_t started_ns, reloads, reloads_refused;
};

/* Build and start everything of `config` (taken over), with `sandbox` under privilege.h's rules.
 * 0 or -errno, said in the log. */
int engine_start(struct engine **engine, const char *config_path, struct config *config,
		 struct event_base *base, bool sandbox);
/* Stop in order; the ports' fallback says what stays attached. */
void engine_stop(struct engine *engine);

/* Read the file again and change over; on any mistake nothing changes and `errors` says why. */
int engine_reload(struct engine *engine, struct conf_errors *errors);

/* --- between the engine's files --- */

/* Give every worker its set: queues of all open ports, where to transmit, settings. */
int engine_publish(void *engine);
unsigned engine_worker_count(const struct config *config);

int pipeline_new(struct pipeline **pipeline, const struct config *config,
		 struct conf_errors *errors);
void pipeline_free(struct pipeline *pipeline);
int pipeline_adopt(struct pipeline *pipeline, struct pipeline *old, struct conf_errors *errors);
const struct chain *pipeline_chain(const struct pipeline *pipeline, const struct config *config,
				   const char *interface);

/* Tell the RIB of a configuration's interfaces (with their chains), and of those of `old` that are
 * no more. `ids` gives each port's id. */
int engine_apply_interfaces(struct engine *engine, const struct config *old);
struct port *engine_find_port(const struct engine *engine, const char *name);
int engine_add_port(struct engine *engine, const struct port_config *config);
void engine_remove_port(struct engine *engine, struct port *port, bool leave);

int engine_set_tables(struct engine *engine);

/* Make the flow table if a chain of the pipeline needs it and there is none yet (engine_flows.c). */
int engine_flows_start(struct engine *engine, const struct config *config,
		       const struct pipeline *pipeline, struct conf_errors *errors);
/* Whom to tell of the end of flows: a list for engine_flows_change(). */
struct flow_functions;
int engine_flows_functions(const struct pipeline *pipeline, struct flow_functions **functions);
/* The chains have been exchanged: flows are to ask again. Returns what to free after a grace
 * period. */
struct flow_functions *engine_flows_change(struct engine *engine, struct flow_functions *functions);

int engine_register_commands(struct engine *engine);

/* Functions' own commands, and "show NAME" for each function (engine_functions.c). */
int engine_register_functions(struct engine *engine);
void engine_functions_tick(struct engine *engine, uint64_t now_ns); /* once a second */

#endif
