/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a port; the states and their transitions are in port.h. */
#include "port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "clock.h"
#include "log.h"

#define BACKOFF_MAX_NS (30 * SECOND_NS)
#define LINGER_MAX_NS (10 * SECOND_NS)
#define READ(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define L2_OVERHEAD 22 /* Ethernet header and two tags */

const char *const port_state_names[] = { "absent", "down", "up", "failed", NULL };

int port_new(struct port **result, const struct port_config *config, uint16_t id,
	     struct port_env *env)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return -ENOMEM;
	port->config = config;
	snprintf(port->name, sizeof(port->name), "%s", config->name);
	port->id = id;
	port->env = env;
	port->lock = -1;
	snprintf(port->reason, sizeof(port->reason), "no device named %s", config->device);
	*result = port;
	return 0;
}

/* --- one visord per device --- */

/* A second visord would find the program of the first, use its maps on and, refused the queue, take
 * it off. An abstract socket's name belongs to the network namespace, as the ifindex does, and ends
 * with the process however that ends. */
static int lock_device(struct port *port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "visor-port-%d",
			 port->link.ifindex);
	int fd, err;

	if (port->lock >= 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n))) {
		err = errno == EADDRINUSE ? -EBUSY : -errno;
		close(fd);
		snprintf(port->reason, sizeof(port->reason), "%s%s", port->config->device,
			 err == -EBUSY ? " is a port of another visord" : ": cannot be locked");
		return err;
	}
	port->lock = fd;
	return 0;
}

static void unlock_device(struct port *port)
{
	if (port->lock >= 0)
		close(port->lock);
	port->lock = -1;
}

/* --- closing --- */

static void add_counters(struct queue_counters *sum, const struct queue_counters *c)
{
	sum->rx_packets += READ(c->rx_packets);
	sum->rx_bytes += READ(c->rx_bytes);
	sum->tx_packets += READ(c->tx_packets);
	sum->tx_bytes += READ(c->tx_bytes);
}

/* Take the queues away from the workers, close the sockets, and let the frames linger. */
static void close_queues(struct port *port)
{
	struct port_env *env = port->env;
	struct queue *queue[PORT_QUEUES_MAX];
	unsigned n = port->n_queues;

	if (!n)
		return;
	memcpy(queue, port->queue, n * sizeof(*queue));
	for (unsigned i = 0; i < n && port->steer; i++)
		steer_socket_clear(port->steer, i);
	port->n_queues = 0;
	if (env->publish(env->arg)) {
		log_error("port %s: a worker did not let go of its queues; they stay open",
			  port->name);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		add_counters(&port->past, &queue[i]->counters);
		queue_close(queue[i], &env->group);
		queue[i]->group_next = env->lingering;
		env->lingering = queue[i];
	}
	env->linger_until_ns = clock_now_ns() + QUEUE_LINGER_MS * 1000000ull;
	env->frames_promised -= port->frames;
	port->frames = 0;
}

/* Frames of the closed queues, back to the pool. */
static void release_frames(struct port_env *env,
			   bool (*released)(struct port_env *env, const struct queue *queue))
{
	struct queue **link = &env->lingering;

	while (*link) {
		struct queue *queue = *link;

		if (released && !released(env, queue)) {
			link = &queue->group_next;
			continue;
		}
		*link = queue->group_next;
		queue_free(queue, env->frames);
	}
}

/* A socket of ours that is bound to the queue is as good a proof as a probe's. */
static bool bound_again(const struct port_env *env, const struct queue *queue)
{
	for (unsigned i = 0; i < sizeof(env->group.bound) / sizeof(env->group.bound[0]); i++)
		for (const struct queue *q = env->group.bound[i]; q; q = q->group_next)
			if (q->ifindex == queue->ifindex && q->index == queue->index)
				return true;
	return false;
}

static bool is_released(struct port_env *env, const struct queue *queue)
{
	return bound_again(env, queue) || queue_released(queue);
}

/* Another process may have bound the queue, and then no probe tells: there is an end to waiting. */
void port_env_tick(struct port_env *env, uint64_t now)
{
	if (env->lingering && now >= env->linger_until_ns)
		release_frames(env,
			       now < env->linger_until_ns + LINGER_MAX_NS ? is_released : NULL);
}

void port_env_finish(struct port_env *env)
{
	release_frames(env, NULL);
}

static void set_state(struct port *port, enum port_state state)
{
	bool usable = state == PORT_UP;

	if (port->state != state)
		log_info("port %s: %s%s%s", port->name, port_state_names[state],
			 port->reason[0] ? ": " : "", port->reason);
	port->state = state;
	rib_port_state(port->env->rib, port->id, usable);
	rib_commit(port->env->rib);
}

static void close_port(struct port *port)
{
	rib_port_state(port->env->rib, port->id, false);
	rib_commit(port->env->rib); /* ECMP groups leave it out from now on */
	close_queues(port);
	if (port->steer)
		steer_close(port->steer);
	port->steer = NULL;
	unlock_device(port);
}

void port_free(struct port *port, bool leave)
{
	if (!port)
		return;
	if (!leave && port->steer)
		steer_set_fallback(port->steer, FALLBACK_KERNEL);
	close_port(port);
	free(port);
}

/* --- opening --- */

static int attach(struct port *port)
{
	struct steer_options options = {
		.device = port->config->device,
		.ifindex = port->link.ifindex,
		.generic = port->config->mode == PORT_MODE_GENERIC,
		.frags = port->sg,
		.fallback = (enum port_fallback)port->config->fallback,
	};
	int err;

	if (port->steer && steer_attached(port->steer))
		return 0; /* since an earlier try: see open_failed() */
	steer_close(port->steer);
	port->steer = NULL;
	err = steer_attach(&port->steer, &options, port->env->addresses, port->reason);
	port->generic = options.generic;
	if (err == -EOPNOTSUPP && port->config->mode == PORT_MODE_AUTO) {
		log_warning("port %s: %s; falling back to generic mode, which is slow", port->name,
			    port->reason);
		options.generic = port->generic = true;
		err = steer_attach(&port->steer, &options, port->env->addresses, port->reason);
	}
	return err;
}

/* How many queues to serve; says in `reason` where that is not what was asked for. */
static int choose_queues(struct port *port)
{
	int have = device_rx_queues(port->config->device);
	int want = (int)port->config->queues;

	port->device_queues = have;
	port->reason[0] = '\0';
	if (want > have)
		snprintf(port->reason, sizeof(port->reason), "queues = %d, but %s has %d: using %d",
			 want, port->config->device, have, have);
	else if (want && want < have)
		snprintf(port->reason, sizeof(port->reason),
			 "queues = %d, but %s has %d: packets of the others take the fallback; "
			 "set ethtool -L %s combined %d",
			 want, port->config->device, have, port->config->device, want);
	else if (have > PORT_QUEUES_MAX)
		snprintf(port->reason, sizeof(port->reason),
			 "%s has %d queues, more than the %d that a port can have; "
			 "set ethtool -L %s combined %d",
			 port->config->device, have, PORT_QUEUES_MAX, port->config->device,
			 PORT_QUEUES_MAX);
	if (port->reason[0])
		log_warning("port %s: %s", port->name, port->reason);
	want = want && want < have ? want : have;
	return want < PORT_QUEUES_MAX ? want : PORT_QUEUES_MAX;
}

static int open_queue(struct port *port, unsigned index)
{
	struct queue_options options = {
		.device = port->config->device,
		.ifindex = port->link.ifindex,
		.port = port->id,
		.index = (uint16_t)index,
		.mode = (enum port_mode)port->config->mode,
		.generic_program = port->generic,
		.sg = port->sg,
		.rx_ring = (uint32_t)port->config->rx_ring,
		.tx_ring = (uint32_t)port->config->tx_ring,
	};
	struct queue *queue;
	int err = queue_open(&queue, port->env->umem, &port->env->group, &options, port->reason);

	if (err) {
		if (port->sg && err == -EOPNOTSUPP)
			snprintf(
				port->reason, sizeof(port->reason),
				"MTU %u does not fit in a frame of %u bytes (%u does) and the driver "
				"has no multi-buffer AF_XDP; lower the MTU or set memory.frame_size",
				port->link.mtu, port->env->umem->frame_size,
				port->env->umem->frame_size - FRAME_HEADROOM - L2_OVERHEAD);
		return err;
	}
	queue->spread = port->config->spread;
	port->queue[port->n_queues++] = queue;
	if (index < (unsigned)device_tx_queues(port->config->device))
		port->n_tx = port->n_queues;
	if (index == 0 || strcmp(queue_mode(queue), queue_mode(port->queue[0])) != 0)
		log_info("port %s: %s, %s%s%s", port->name, steer_describe(port->steer),
			 queue_mode(queue), queue->why[0] ? ": " : "", queue->why);
	return 0;
}

/* Not yet known to any worker: close at once. */
static void abandon_queues(struct port *port)
{
	for (unsigned i = 0; i < port->n_queues; i++) {
		queue_close(port->queue[i], &port->env->group);
		queue_free(port->queue[i], port->env->frames);
	}
	port->n_queues = 0;
}

static int open_queues(struct port *port, unsigned n)
{
	struct port_env *env = port->env;
	uint32_t frames = n * (uint32_t)conf_frames_per_queue(port->config);
	char note[sizeof(port->reason)];
	int err = 0;

	memcpy(note, port->reason, sizeof(note)); /* from choose_queues() */
	port->n_tx = 0;
	if (env->frames_promised + frames > env->umem->frames) {
		snprintf(port->reason, sizeof(port->reason),
			 "%u queues need %u frames and %u of %u are promised to other ports; set "
			 "memory.frames",
			 n, frames, env->frames_promised, env->umem->frames);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n && !err; i++)
		err = open_queue(port, i);
	if (err) {
		abandon_queues(port);
		return err;
	}
	memcpy(port->reason, note, sizeof(note));
	port->frames = frames;
	env->frames_promised += frames;
	err = env->publish(env->arg);
	for (unsigned i = 0; i < n && !err; i++)
		err = steer_socket_set(port->steer, i, port->queue[i]->fd);
	if (err) {
		snprintf(port->reason, sizeof(port->reason), "handing its queues over: %s",
			 strerror(-err));
		close_queues(port);
	}
	return err;
}

/* The program stays attached until the next try. Many NICs reset their link for it: detaching would
 * make each try an outage for the host as well, and the link that comes back would call for the
 * next try at once. Without sockets it hands all packets to the fallback. */
static void open_failed(struct port *port, int err)
{
	if (!port->steer)
		unlock_device(port);
	if (!port->reason[0])
		snprintf(port->reason, sizeof(port->reason), "%s", strerror(-err));
	port->backoff_ns = port->backoff_ns ? port->backoff_ns * 2 : SECOND_NS;
	if (port->backoff_ns > BACKOFF_MAX_NS)
		port->backoff_ns = BACKOFF_MAX_NS;
	port->retry_ns = clock_now_ns() + port->backoff_ns;
	if (port->state != PORT_FAILED)
		log_error("port %s: %s", port->name, port->reason);
	port->state = PORT_FAILED;
}

/* Multi-buffer packets have a limit as well. */
static int check_mtu(struct port *port)
{
	uint32_t room = port->env->umem->frame_size - FRAME_HEADROOM;
	uint32_t most = (PACKET_SEGMENTS_MAX + 1) * room - L2_OVERHEAD;

	if (port->link.mtu <= most)
		return 0;
	snprintf(port->reason, sizeof(port->reason),
		 "MTU %u of %s is more than %u, what %u frames of %u bytes hold; lower the MTU%s",
		 port->link.mtu, port->config->device, most, PACKET_SEGMENTS_MAX + 1,
		 port->env->umem->frame_size,
		 port->env->umem->frame_size < 4096 ? " or set memory.frame_size = 4096" : "");
	return -EMSGSIZE;
}

static void open_port(struct port *port)
{
	bool sg = port->link.mtu + L2_OVERHEAD + FRAME_HEADROOM > port->env->umem->frame_size;
	int n, err;

	if (port->steer && port->sg != sg) {
		steer_close(port->steer); /* of an earlier try; it takes another program now */
		port->steer = NULL;
	}
	port->sg = sg;
	err = check_mtu(port);
	if (!err)
		err = lock_device(port);
	if (!err)
		err = attach(port);
	if (!err) {
		if (device_strips_vlan(port->config->device) && port->config->interfaces.n)
			log_warning("port %s: %s takes VLAN tags off before XDP sees them; set "
				    "ethtool -K %s rxvlan off",
				    port->name, port->config->device, port->config->device);
		n = choose_queues(port);
		err = open_queues(port, (unsigned)n);
	}
	if (err) {
		open_failed(port, err);
		return;
	}
	port->backoff_ns = 0;
	set_state(port, PORT_UP);
}

/* --- events --- */

static bool needs_reopening(const struct port *port, const struct rib_link *link)
{
	uint32_t room = port->env->umem->frame_size - FRAME_HEADROOM;
	bool sg = link->mtu + L2_OVERHEAD > room;

	return sg != port->sg || link->mtu + L2_OVERHEAD > (PACKET_SEGMENTS_MAX + 1) * room;
}

static void gone(struct port *port)
{
	if (port->link.ifindex) {
		close_port(port);
		memset(&port->link, 0, sizeof(port->link));
	}
	snprintf(port->reason, sizeof(port->reason), "no device named %s", port->config->device);
	port->backoff_ns = 0;
	set_state(port, PORT_ABSENT);
}

void port_link(struct port *port, const struct rib_link *link, bool present)
{
	if (!present) {
		if (link->ifindex == port->link.ifindex)
			gone(port);
		return;
	}
	if (port->link.ifindex && port->link.ifindex != link->ifindex)
		gone(port); /* another device under the same name */
	if (port->link.mtu != link->mtu || !port->link.up)
		port->retry_ns = port->backoff_ns = 0; /* what was refused may be granted now */
	port->link = *link;
	if (port->n_queues && needs_reopening(port, link)) {
		log_info("port %s: MTU is %u now: opening anew", port->name, link->mtu);
		close_port(port);
	}
	if (!link->up) {
		snprintf(port->reason, sizeof(port->reason), "%s is down; ip link set %s up",
			 port->config->device, port->config->device);
		set_state(port, PORT_DOWN);
		return;
	}
	if (!port->n_queues) {
		if (port->state != PORT_FAILED || clock_now_ns() >= port->retry_ns)
			open_port(port);
		return;
	}
	if (port->state == PORT_DOWN)
		port->reason[0] = '\0';
	set_state(port, PORT_UP);
}

void port_update(struct port *port, const struct port_config *config)
{
	port->config = config;
	if (port->steer)
		steer_set_fallback(port->steer, (enum port_fallback)config->fallback);
	for (unsigned i = 0; i < port->n_queues; i++)
		__atomic_store_n(&port->queue[i]->spread, config->spread, __ATOMIC_RELAXED);
}

static void reopen(struct port *port, const char *why)
{
	log_warning("port %s: %s: opening anew", port->name, why);
	close_port(port);
	open_port(port);
}

void port_tick(struct port *port, uint64_t now)
{
	if (!port->link.ifindex || !port->link.up)
		return;
	if (!port->n_queues) {
		if (now >= port->retry_ns)
			open_port(port);
		return;
	}
	if (!steer_attached(port->steer))
		reopen(port, "the XDP program was taken off its device");
	else if (device_rx_queues(port->config->device) != port->device_queues)
		reopen(port, "its number of queues has changed");
}

/* --- show --- */

static json_t *queue_show(const struct port *port, const struct queue *queue)
{
	const struct queue_counters *c = &queue->counters;
	struct queue_kernel_counters k = { 0 };

	queue_kernel_counters(queue, &k);
	return json_pack(
		"{s:i,s:i,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
		"queue", queue->index, "worker", queue->worker, "mode", queue_mode(queue),
		"requested", config_port_mode_names[port->config->mode], "why", queue->why,
		"rx_packets", (json_int_t)READ(c->rx_packets), "rx_bytes",
		(json_int_t)READ(c->rx_bytes), "tx_packets", (json_int_t)READ(c->tx_packets),
		"tx_bytes", (json_int_t)READ(c->tx_bytes), "rx_dropped", (json_int_t)k.rx_dropped,
		"rx_ring_full", (json_int_t)k.rx_ring_full, "fill_ring_empty",
		(json_int_t)k.fill_ring_empty, "rx_invalid",
		(json_int_t)(k.rx_invalid + READ(c->rx_invalid)), "tx_invalid",
		(json_int_t)k.tx_invalid, "tx_ring_empty", (json_int_t)k.tx_ring_empty,
		"fill_starved", (json_int_t)READ(c->fill_starved), "tx_full",
		(json_int_t)READ(c->tx_full), "kicks", (json_int_t)READ(c->kicks), "kick_errors",
		(json_int_t)READ(c->kick_errors));
}

json_t *port_show(const struct port *port)
{
	struct queue_counters sum = port->past;
	json_t *queues = json_array();
	char mac[18];

	for (unsigned i = 0; i < port->n_queues; i++) {
		add_counters(&sum, &port->queue[i]->counters);
		json_array_append_new(queues, queue_show(port, port->queue[i]));
	}
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", port->link.mac[0],
		 port->link.mac[1], port->link.mac[2], port->link.mac[3], port->link.mac[4],
		 port->link.mac[5]);
	return json_pack("{s:s,s:s,s:i,s:s,s:b,s:s,s:s,s:i,s:s,s:s,s:b,s:b,s:I,s:I,s:I,s:I,s:o}",
			 "name", port->name, "device", port->config->device, "ifindex",
			 port->link.ifindex, "state", port_state_names[port->state], "carrier",
			 port->link.running, "reason", port->reason, "mac", mac, "mtu",
			 (int)port->link.mtu, "xdp", port->steer ? steer_describe(port->steer) : "",
			 "fallback", config_fallback_names[port->config->fallback], "spread",
			 port->config->spread, "multi_buffer", port->sg, "rx_packets",
			 (json_int_t)sum.rx_packets, "rx_bytes", (json_int_t)sum.rx_bytes,
			 "tx_packets", (json_int_t)sum.tx_packets, "tx_bytes",
			 (json_int_t)sum.tx_bytes, "queues", queues);
}
