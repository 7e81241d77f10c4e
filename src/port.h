/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: a network device, the steering program on it, and a socket on each of its queues. A
 * device may be down, vanish, come back under the same name, change its MTU or its queues: the
 * port goes down and comes back, the daemon stays. All functions: control thread.
 *
 *            link there and up                    queues open, program attached
 *   ABSENT ───────────────────→ opening ────────────────────────────────→ UP
 *      ↑                          │ refused                                │ link down
 *      │ link gone                ↓                                        ↓
 *      └──────────────────── FAILED (tried again: 1, 2, 4 … 30 s)        DOWN
 */
#ifndef VISOR_PORT_H
#define VISOR_PORT_H

#include <jansson.h>

#include "config.h"
#include "queue.h"
#include "rib.h"
#include "steer.h"

#define PORT_QUEUES_MAX 256 /* as many as the steering program has room for */

enum port_state { PORT_ABSENT, PORT_DOWN, PORT_UP, PORT_FAILED };

extern const char *const port_state_names[];

/* What all ports share. */
struct port_env {
	struct umem *umem;
	struct queue_group group;
	struct frame_cache *frames; /* the control thread's */
	struct steer_addresses *addresses;
	struct rib *rib;
	struct queue *lingering; /* closed, frames not yet taken back (by group_next) */
	uint64_t linger_until_ns;
	uint32_t frames_promised; /* sum of port_frames() of the open ports */
	/* hand the open queues of all ports to the workers; returns when they use them */
	int (*publish)(void *arg);
	void *arg;
};

struct port {
	const struct port_config *config; /* of the running configuration */
	char name[32];
	uint16_t id;
	enum port_state state;
	char reason[256];     /* why it is not up, or what is not as it should be */
	struct rib_link link; /* last seen; ifindex 0: absent */
	struct steer *steer;
	int lock; /* see lock_device(); -1 none */
	bool generic, sg;
	unsigned n_queues;
	struct queue *queue[PORT_QUEUES_MAX];
	struct queue_counters past; /* of queues that were closed */
	uint32_t frames;
	int device_queues; /* when it was opened */
	unsigned n_tx; /* of its queues that can transmit: a device may have fewer TX than RX queues */
	uint64_t retry_ns, backoff_ns;
	struct port_env *env;
};

int port_new(struct port **port, const struct port_config *config, uint16_t id,
	     struct port_env *env);
/* Close and forget; with `leave` the program stays as the fallback says, else it is detached. */
void port_free(struct port *port, bool leave);

/* The link as the kernel has it now; present false: it is gone. */
void port_link(struct port *port, const struct rib_link *link, bool present);

/* A reload changed only what can change live: point at the new configuration, apply fallback and
 * spread. */
void port_update(struct port *port, const struct port_config *config);

/* Once a second: retry, notice a changed queue count or a program that was taken away. */
void port_tick(struct port *port, uint64_t now_ns);

/* Take the frames of closed queues back when their time has come. */
void port_env_tick(struct port_env *env, uint64_t now_ns);
void port_env_finish(struct port_env *env);

json_t *port_show(const struct port *port);

#endif
