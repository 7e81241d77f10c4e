/* SPDX-License-Identifier: Apache-2.0 */
/* Start, run and stop: the parts wired together. What each part does is in its own file. */
#include "engine.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu-qsbr.h>

#include "device.h"
#include "clock.h"
#include "flow_label.h"
#include "flows.h"
#include "log.h"
#include "privilege.h"

#define SPARE_FRAMES (4 * 2048) /* one more queue with rings of the default size */

/* --- sizes --- */

/* Queues that a port will have, as far as can be told now: its device may not be there yet. */
static unsigned expected_queues(const struct port_config *config)
{
	int have = device_rx_queues(config->device);

	if (config->queues && config->queues < have)
		have = (int)config->queues;
	return (unsigned)(have < PORT_QUEUES_MAX ? have : PORT_QUEUES_MAX);
}

static unsigned allowed_cpus(uint16_t *cpus, unsigned max)
{
	cpu_set_t set;
	unsigned n = 0;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_SET(0, &set);
	for (uint16_t cpu = 0; cpu < CPU_SETSIZE && n < max; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	return n;
}

unsigned engine_worker_count(const struct config *config)
{
	uint16_t cpus[WORKERS_MAX];
	unsigned n = 1, available = allowed_cpus(cpus, WORKERS_MAX);

	if (config->workers.count)
		return (unsigned)config->workers.count;
	if (config->workers.cpus.n)
		return config->workers.cpus.n;
	for (unsigned i = 0; i < config->ports.n; i++) {
		unsigned queues = expected_queues(conf_port(config, i));

		n = queues > n ? queues : n;
	}
	return n < available ? n : available;
}

static uint32_t frames_needed(const struct config *config, unsigned workers)
{
	uint32_t frames = workers * (uint32_t)conf_frames_per_worker(config);
	uint32_t spare = SPARE_FRAMES;

	if (config->memory.frames)
		return (uint32_t)config->memory.frames;
	for (unsigned i = 0; i < config->ports.n; i++) {
		uint32_t port = expected_queues(conf_port(config, i)) *
				(uint32_t)conf_frames_per_queue(conf_port(config, i));

		frames += port;
		spare = port > spare ? port : spare;
	}
	/* one more port like the largest, or some queues, may be added while running */
	return frames + (frames / 4 > spare ? frames / 4 : spare);
}

/* --- workers --- */

static int start_workers(struct engine *engine)
{
	const struct config *config = engine->config;
	unsigned n = engine_worker_count(config);
	uint16_t cpus[WORKERS_MAX];
	unsigned available = allowed_cpus(cpus, WORKERS_MAX);
	char why[256] = "";
	int err;

	for (unsigned i = available; i < WORKERS_MAX; i++)
		cpus[i] = cpus[i % available];
	for (unsigned i = 0; i < config->workers.cpus.n && i < WORKERS_MAX; i++)
		cpus[i] = (uint16_t)config->workers.cpus.value[i];
	if (n > available && !config->workers.cpus.n)
		log_warning("workers: %u on %u CPUs: some share one", n, available);
	err = umem_new(&engine->umem, frames_needed(config, n), (uint32_t)config->memory.frame_size,
		       (enum hugepages)config->memory.hugepages, n + 1, why);
	if (err) {
		log_error("%s", why[0] ? why : strerror(-err));
		return err;
	}
	log_info("memory: %u frames of %u bytes, %s", engine->umem->frames,
		 engine->umem->frame_size, engine->umem->memory.pages);
	engine->env.umem = engine->umem;
	err = frame_cache_new(&engine->env.frames, engine->umem);
	if (!err)
		err = workers_new(&engine->workers, n, cpus, engine->umem, rib_fib(engine->rib));
	if (!err)
		err = engine_publish(engine); /* empty sets, but with the settings */
	if (!err)
		err = workers_start(engine->workers, why);
	if (err)
		log_error("workers: %s", why[0] ? why : strerror(-err));
	return err;
}

/* Which worker has a port's queue. Ports with fewer queues than workers start at different ones. */
static uint16_t queue_worker(const struct engine *engine, const struct port *port, unsigned queue)
{
	unsigned n = engine->workers->n;
	unsigned offset = port->n_queues < n ? port->id : 0;

	return (uint16_t)((queue + offset) % n);
}

static struct worker_set *set_new(const struct engine *engine)
{
	const struct config *config = engine->config;
	unsigned queues = 0;
	struct worker_set *set;

	for (unsigned i = 0; i < PORT_MAX; i++)
		queues += engine->port[i] ? engine->port[i]->n_queues : 0;
	set = calloc(1, sizeof(*set) + queues * sizeof(set->queues[0]));
	if (!set)
		return NULL;
	set->poll = config->workers.poll;
	set->burst = (unsigned)config->workers.burst;
	set->spin_ns = config->workers.poll == POLL_INTERRUPT ?
			       0 :
			       (uint64_t)config->workers.spin_us * 1000;
	set->icmp_rate = (uint32_t)(config->routing.icmp_rate / engine->workers->n);
	if (config->routing.icmp_rate && !set->icmp_rate)
		set->icmp_rate = 1;
	for (unsigned i = 0; i < PORT_MAX; i++)
		set->tx[i].worker = WORKER_NONE;
	return set;
}

/* A port's queues into the sets; where a worker has none, it hands over to one that has. */
static void assign_port(const struct engine *engine, const struct port *port,
			struct worker_set **sets)
{
	unsigned n = engine->workers->n;

	for (unsigned q = 0; q < port->n_queues; q++) {
		uint16_t w = queue_worker(engine, port, q);

		port->queue[q]->worker = w;
		sets[w]->queues[sets[w]->n_queues++] = port->queue[q];
		/* the kernel does not check a TX queue's number that comes from a socket */
		if (q < port->n_tx && !sets[w]->tx[port->id].queue)
			sets[w]->tx[port->id].queue = port->queue[q];
	}
	for (unsigned w = 0; w < n && port->n_queues; w++)
		if (!sets[w]->tx[port->id].queue)
			sets[w]->tx[port->id].worker = queue_worker(engine, port, w % port->n_tx);
}

int engine_publish(void *arg)
{
	struct engine *engine = arg;
	struct worker_set *sets[WORKERS_MAX] = { NULL };
	unsigned n = engine->workers->n;

	for (unsigned w = 0; w < n; w++) {
		sets[w] = set_new(engine);
		if (!sets[w]) {
			while (w--)
				free(sets[w]);
			return -ENOMEM;
		}
	}
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (engine->port[i])
			assign_port(engine, engine->port[i], sets);
	return workers_publish(engine->workers, sets);
}

/* --- ports and interfaces --- */

struct port *engine_find_port(const struct engine *engine, const char *name)
{
	for (unsigned i = 0; i < PORT_MAX; i++)
		if (engine->port[i] && !strcmp(engine->port[i]->name, name))
			return engine->port[i];
	return NULL;
}

int engine_add_port(struct engine *engine, const struct port_config *config)
{
	for (uint16_t id = 0; id < PORT_MAX; id++)
		if (!engine->port[id])
			return port_new(&engine->port[id], config, id, &engine->env);
	return -ENOSPC;
}

void engine_remove_port(struct engine *engine, struct port *port, bool leave)
{
	uint16_t id = port->id;

	port_free(port, leave);
	engine->port[id] = NULL;
}

static int set_interface(struct engine *engine, const struct port_config *port,
			 const struct vlan_config *vlan)
{
	const struct port *p = engine_find_port(engine, port->name);
	const char *name = vlan ? vlan->name : port->name;
	struct rib_interface interface = {
		.name = name,
		.device = vlan ? (vlan->device ? vlan->device : "") : port->device,
		.port_device = port->device,
		.port = p ? p->id : PORT_NONE,
		.vlan = vlan ? (uint16_t)vlan->vlan : 0,
		.outer_vlan = vlan ? (uint16_t)vlan->outer_vlan : 0,
		.chain = pipeline_chain(engine->pipeline, engine->config, name),
	};
	uint16_t slot;

	return rib_interface_set(engine->rib, &interface, &slot);
}

static bool has_interface(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->ports.n; i++) {
		const struct port_config *port = conf_port(config, i);
		const struct vlan_config *vlans = port->interfaces.item;

		if (!strcmp(port->name, name))
			return true;
		for (unsigned k = 0; k < port->interfaces.n; k++)
			if (!strcmp(vlans[k].name, name))
				return true;
	}
	return false;
}

int engine_apply_interfaces(struct engine *engine, const struct config *old)
{
	const struct config *config = engine->config;
	int err = 0;

	for (unsigned i = 0; old && i < old->ports.n; i++) {
		const struct port_config *port = conf_port(old, i);
		const struct vlan_config *vlans = port->interfaces.item;

		if (!has_interface(config, port->name))
			rib_interface_del(engine->rib, port->name);
		for (unsigned k = 0; k < port->interfaces.n; k++)
			if (!has_interface(config, vlans[k].name))
				rib_interface_del(engine->rib, vlans[k].name);
	}
	for (unsigned i = 0; i < config->ports.n && !err; i++) {
		const struct port_config *port = conf_port(config, i);
		const struct vlan_config *vlans = port->interfaces.item;

		err = set_interface(engine, port, NULL);
		for (unsigned k = 0; k < port->interfaces.n && !err; k++)
			err = set_interface(engine, port, &vlans[k]);
	}
	rib_commit(engine->rib);
	return err;
}

/* --- events --- */

static void on_link(void *arg, const struct rib_link *link, bool present)
{
	struct engine *engine = arg;

	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct port *port = engine->port[i];

		if (!port)
			continue;
		if (!strcmp(port->config->device, link->name)) {
			if (engine->synced)
				port_link(port, link, present);
			else
				port->link = present ? *link : (struct rib_link){ 0 };
		} else if (port->link.ifindex == link->ifindex) {
			port_link(port, link, false); /* renamed away */
		}
	}
}

/* After lost events: a device may have gone without a message. */
static void check_links(struct engine *engine)
{
	char name[IF_NAMESIZE];

	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct port *port = engine->port[i];
		struct rib_link link;

		if (!port || !port->link.ifindex)
			continue;
		link = port->link;
		if (!if_indextoname((unsigned)link.ifindex, name) ||
		    strcmp(name, port->config->device))
			port_link(port, &link, false);
	}
}

/* The host's addresses are known: traffic may be steered now. */
static void on_synced(void *arg)
{
	struct engine *engine = arg;

	if (engine->synced) {
		check_links(engine);
		return;
	}
	engine->synced = true;
	steer_addresses_sweep(engine->env.addresses);
	for (unsigned i = 0; i < PORT_MAX; i++) {
		struct port *port = engine->port[i];
		struct rib_link link;

		if (!port || !port->link.ifindex)
			continue;
		link = port->link;
		port_link(port, &link, true);
	}
}

static void on_local_address(void *arg, const struct ip_addr *addr, bool present)
{
	struct engine *engine = arg;
	int err = steer_addresses_set(engine->env.addresses, addr, present);

	if (err)
		log_error("steering: an own address cannot be %s: %s",
			  present ? "added" : "removed", strerror(-err));
}

static void on_neighbours_changed(void *arg)
{
	struct engine *engine = arg;

	if (engine->workers)
		workers_kick(engine->workers);
}

static void on_probe(void *arg, int ifindex, const struct ip_addr *addr)
{
	struct engine *engine = arg;

	if (engine->mirror)
		mirror_probe(engine->mirror, ifindex, addr);
}

static void ask(void *arg, const struct worker_question *question)
{
	rib_resolve(arg, question->slot, &question->addr);
}

static void on_questions(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;

	workers_questions(engine->workers, ask, engine->rib);
	workers_events(engine->workers);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	uint64_t now = clock_now_ns();

	for (unsigned i = 0; i < PORT_MAX; i++)
		if (engine->port[i] && engine->synced)
			port_tick(engine->port[i], now);
	workers_events(engine->workers);
	engine_functions_tick(engine, now);
	port_env_tick(&engine->env, now);
	rib_tick(engine->rib, now);
}

/* --- start and stop --- */

static int start_events(struct engine *engine)
{
	struct timeval second = { .tv_sec = 1 };

	engine->second = event_new(engine->base, -1, EV_PERSIST, on_second, engine);
	engine->questions = event_new(engine->base, engine->workers->question_event,
				      EV_READ | EV_PERSIST, on_questions, engine);
	if (!engine->second || !engine->questions)
		return -ENOMEM;
	event_add(engine->second, &second);
	event_add(engine->questions, NULL);
	return 0;
}

int engine_set_tables(struct engine *engine)
{
	uint32_t tables[64];
	unsigned n = 0;

	for (unsigned i = 0; i < engine->config->routing.tables.n && n < 64; i++)
		if (!conf_table_number(engine->config->routing.tables.value[i], &tables[n]))
			n++;
	return rib_set_tables(engine->rib, tables, n);
}

static int start_tables(struct engine *engine)
{
	struct rib_callbacks callbacks = {
		.arg = engine,
		.local_address = on_local_address,
		.neighbours_changed = on_neighbours_changed,
		.probe = on_probe,
	};
	int err = steer_addresses_new(&engine->env.addresses);

	if (!err)
		err = rib_new(&engine->rib, &callbacks);
	if (!err)
		err = engine_set_tables(engine);
	engine->env.rib = engine->rib;
	engine->env.publish = engine_publish;
	engine->env.arg = engine;
	if (err)
		log_error("tables: %s", strerror(-err));
	return err;
}

static int start_ports(struct engine *engine)
{
	struct mirror_options options = {
		.receive_buffer = (unsigned)engine->config->routing.receive_buffer,
	};
	struct mirror_callbacks callbacks = { engine, on_link, on_synced };
	int err = 0;

	for (unsigned i = 0; i < engine->config->ports.n && !err; i++)
		err = engine_add_port(engine, conf_port(engine->config, i));
	if (!err)
		err = engine_apply_interfaces(engine, NULL);
	if (!err)
		err = static_routes_set(engine->rib, engine->config);
	if (err) {
		log_error("ports: %s", strerror(-err));
		return err;
	}
	err = mirror_new(&engine->mirror, engine->base, engine->rib, &options, &callbacks);
	if (err)
		log_error("netlink: %s", strerror(-err));
	return err;
}

static int start_pipeline(struct engine *engine)
{
	struct conf_errors *errors = conf_errors_new();
	int err = pipeline_new(&engine->pipeline, engine->config, errors);

	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		log_error("%s", conf_errors_get(errors, i));
	conf_errors_free(errors);
	return err;
}

static int start_flows(struct engine *engine)
{
	struct conf_errors *errors = conf_errors_new();
	struct flow_functions *functions = NULL;
	int err = engine_flows_start(engine, engine->config, engine->pipeline, errors);

	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		log_error("%s", conf_errors_get(errors, i));
	conf_errors_free(errors);
	if (!err)
		err = engine_flows_functions(engine->pipeline, &functions);
	if (!err)
		free(engine_flows_change(engine, functions));
	return err;
}

static int start_control(struct engine *engine)
{
	const struct control_config *config = &engine->config->control;
	int err = control_new(&engine->control, engine->base, config->socket, config->group);

	if (err)
		log_error("control socket %s: %s", config->socket, strerror(-err));
	return err ? err : engine_register_commands(engine);
}

int engine_start(struct engine **result, const char *config_path, struct config *config,
		 struct event_base *base, bool sandbox)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int err;

	if (!engine) {
		conf_free(config);
		return -ENOMEM;
	}
	engine->config_path = config_path;
	engine->config = config;
	engine->base = base;
	engine->started_ns = clock_now_ns();
	err = start_control(engine); /* first: is another visord here already? */
	if (!err)
		err = privilege_confine(sandbox); /* the socket has its owner; no thread yet */
	if (!err)
		privilege_check_readable(config_path);
	if (!err)
		err = flow_labels_start(engine_worker_count(config));
	if (!err)
		err = start_pipeline(engine);
	if (!err)
		err = start_tables(engine);
	if (!err)
		err = start_workers(engine);
	if (!err)
		err = start_flows(engine);
	if (!err)
		err = start_events(engine);
	if (!err)
		err = start_ports(engine);
	if (err) {
		engine_stop(engine);
		return err;
	}
	*result = engine;
	return 0;
}

static void report_frames(const struct engine *engine)
{
	uint32_t free_frames = umem_pool_count(engine->umem);

	if (free_frames != engine->umem->frames)
		log_error("memory: %u of %u frames came back: please report this", free_frames,
			  engine->umem->frames);
}

void engine_stop(struct engine *engine)
{
	if (!engine)
		return;
	mirror_free(engine->mirror);
	engine->mirror = NULL;
	for (unsigned i = 0; i < PORT_MAX; i++) {
		port_free(engine->port[i], true);
		engine->port[i] = NULL;
	}
	if (engine->workers)
		workers_stop(engine->workers);
	if (engine->umem) {
		struct timespec linger = { .tv_nsec = QUEUE_LINGER_MS * 1000000L };

		if (engine->env.lingering)
			nanosleep(&linger, NULL);
		port_env_finish(&engine->env);
		workers_free(engine->workers);
		frame_cache_free(engine->env.frames);
		report_frames(engine);
	}
	if (engine->second)
		event_free(engine->second);
	if (engine->questions)
		event_free(engine->questions);
	control_free(engine->control);
	flows_free(engine->flows);
	free(engine->function_commands);
	pipeline_free(engine->pipeline);
	flow_labels_stop();
	rib_free(engine->rib);
	steer_addresses_free(engine->env.addresses);
	umem_free(engine->umem);
	conf_free(engine->config);
	free(engine);
}
