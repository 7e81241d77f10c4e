/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's own configuration: the structs that its schemas fill (config_schema.c) and the
 * reading of a whole file, functions' sections included. Immutable once read. control.
 *
 * The functions are conf_*, like those of conf.h: the prefix config_ is libconfig's, which exports
 * a config_read() of its own.
 */
#ifndef VISOR_CONFIG_H
#define VISOR_CONFIG_H

#include "conf.h"
#include "flow_track.h"

#define WORKERS_MAX 64

enum poll_mode { POLL_BUSY, POLL_ADAPTIVE, POLL_INTERRUPT };
enum port_mode { PORT_MODE_AUTO, PORT_MODE_ZEROCOPY, PORT_MODE_COPY, PORT_MODE_GENERIC };
enum port_fallback { FALLBACK_KERNEL, FALLBACK_DROP, FALLBACK_AUTO /* until it has been read */ };
enum hugepages { HUGEPAGES_PREFER, HUGEPAGES_REQUIRE, HUGEPAGES_OFF };

/* The words of these enums in a file, in their order, NULL-terminated (config_schema.c). */
extern const char *const config_poll_names[], *const config_port_mode_names[];
extern const char *const config_fallback_names[], *const config_hugepages_names[];
extern const char *const config_route_type_names[];

struct workers_config {
	struct conf_where where;
	int64_t count; /* 0: one per queue of the port with most, up to the CPUs there are */
	struct conf_ints cpus; /* empty: all allowed CPUs in order */
	int poll;	       /* enum poll_mode, default adaptive */
	int64_t burst;	       /* 1..64, default 64 */
	int64_t spin_us;       /* adaptive: spin this long before sleeping; default 50 */
};

struct memory_config {
	struct conf_where where;
	int hugepages;	    /* enum hugepages, default prefer */
	int64_t frame_size; /* 2048 (default) or 4096 */
	int64_t frames;	    /* 0: from ports, queues and rings */
};

struct vlan_config { /* an item of a port's `interfaces` */
	struct conf_where where;
	const char *name;
	int64_t vlan;	    /* 1..4094 */
	int64_t outer_vlan; /* 802.1ad service tag, 0 none */
	const char *device; /* kernel device that carries the addresses; NULL: found by VLAN id */
};

struct port_config {
	struct conf_where where;
	const char *name;
	const char *device;
	int mode;		     /* enum port_mode, default auto */
	int64_t queues;		     /* 0: all that the device has */
	int fallback;		     /* enum port_fallback, default kernel */
	bool spread;		     /* spread packets of a port over the workers by flow hash */
	int64_t rx_ring, tx_ring;    /* descriptors, power of two, default 2048 */
	struct conf_list interfaces; /* struct vlan_config */
};

struct route_config { /* static routes */
	struct conf_where where;
	struct conf_prefix to; /* never multicast */
	struct ip_addr via;    /* family 0: on-link, or a type other than unicast */
	const char *interface; /* name of a port or VLAN interface; NULL: found by `via` */
	int type;	       /* 0 unicast, 1 blackhole, 2 unreachable, 3 prohibit */
	int64_t metric;
};

struct chain_config {
	struct conf_where where;
	struct conf_strings ports;     /* names of ports or VLAN interfaces; once read each of them
					* is in exactly one chain, defaults and VLANs filled in */
	struct conf_strings functions; /* "router", "firewall:edge" */
};

struct control_config {
	struct conf_where where;
	const char *socket; /* default /run/visor/visor.sock */
	const char *group;  /* default "visor" where it exists */
};

struct routing_config {
	struct conf_where where;
	struct conf_strings tables; /* "main", "local" numbers or names of rt_tables; default main */
	int64_t icmp_rate;	    /* own ICMP errors a second, all workers; default 1000 */
	int64_t receive_buffer;	    /* netlink socket buffer, bytes; default 8 MiB */
};

struct fragments_config {
	struct conf_where where;
	int64_t datagrams; /* being put in order at once, each worker */
	int64_t held;	   /* fragments that wait for the first of their datagram, each worker */
	int64_t timeout_ms;
};

struct flows_config { /* the flow table of stateful functions */
	struct conf_where where;
	int64_t ipv4, ipv6; /* how many there can be */
	bool loose;	    /* pick up TCP connections in mid-stream */
	struct flow_timeouts_config timeouts;
	struct fragments_config fragments;
};

struct log_config {
	struct conf_where where;
	int level; /* enum log_level */
};

/* One instance of a function: what the section's item was read into. */
struct function_config {
	const struct nf_ops *ops;
	const char *name;
	const void *conf;
};

struct config {
	struct conf_where where;
	struct workers_config workers;
	struct memory_config memory;
	struct conf_list ports;	 /* struct port_config */
	struct conf_list routes; /* struct route_config */
	struct conf_list chains; /* struct chain_config */
	struct control_config control;
	struct routing_config routing;
	struct log_config log;
	struct flows_config flows;
	unsigned n_functions;
	struct function_config *functions; /* every instance that a chain names or a section makes */
};

extern const struct conf_schema conf_file_schema; /* the whole file without functions' sections */

struct nf_ops;

/* Read and check a file; NULL where there is any error, all of them in `errors`. The functions are
 * those of nf_list; a chain may name "router" without a section for it: the instance "default"
 * then exists with its defaults. A section that no chain names is an error: it is a typing mistake,
 * and what its author wanted done would not be done. */
struct config *conf_read(const char *path, struct conf_errors *errors);
/* The same with other functions (NULL-terminated) than nf_list. */
struct config *conf_read_with(const char *path, const struct nf_ops *const *functions,
			      struct conf_errors *errors);
void conf_free(struct config *config);

/* What `visord --check FILE` does: every mistake on stderr, or "FILE: ok" on stdout. The exit
 * status: 0 or 1. */
int conf_check_main(const char *path);

static inline const struct port_config *conf_port(const struct config *c, unsigned i)
{
	return (const struct port_config *)c->ports.item + i;
}

/* The instance that "router" (its "default") or "firewall:edge" means, NULL: there is none. */
const struct function_config *conf_function(const struct config *c, const char *ref);

/* Is there a port or VLAN interface of that name? *meant: one that may have been meant, or NULL;
 * `unsure` is the answer where some port could not be read and may be the one. */
bool conf_interface_known(const struct config *c, const struct conf_errors *errors,
			  const char *name, bool unsure, const char **meant);

/* Frames that one queue of a port can hold at a time, as queue.h has it: fill and receive ring and the
 * driver's, transmit ring and what is not completed; and those that a worker can hold. */
#define CONF_FRAMES_PER_WORKER 768 /* and the fragments that it holds */
static inline uint64_t conf_frames_per_worker(const struct config *config)
{
	return CONF_FRAMES_PER_WORKER + (uint64_t)config->flows.fragments.held;
}

static inline uint64_t conf_frames_per_queue(const struct port_config *port)
{
	return 3 * (uint64_t)port->rx_ring + (uint64_t)port->tx_ring;
}

/* A routing table's number by its name in the file ("main", "200", a name of rt_tables). 0 or
 * -ENOENT. */
int conf_table_number(const char *name, uint32_t *number);

/* The effective configuration, defaults filled in. As a libconfig file (visord reads it back to
 * the same), malloc'ed; or as JSON. */
char *conf_print(const struct config *config);
json_t *conf_json(const struct config *config);

/* The key reference, from the tables: troff for the manual page, or plain text. malloc'ed. */
char *conf_reference(bool troff);
char *conf_reference_with(const struct nf_ops *const *functions, bool troff);

/* What is different in `next`. Objects with names are told apart by them; those without (chains,
 * routes) have changed when one went and another came. Their order does not count. A section that
 * is a group has one change for each of its keys. */
enum conf_change_kind { CONF_ADDED, CONF_REMOVED, CONF_CHANGED };

struct conf_change {
	enum conf_change_kind kind;
	const char *section; /* "ports", "workers", "router" */
	const char *name;    /* of the object: "wan"; what it holds where it has no name; NULL: a
				    * group */
	const char *key;     /* CONF_CHANGED: the key, one call each; otherwise NULL */
	const void *before, *after; /* the object's struct; NULL: not there */
};

/* Calls `change` for each; pointers hold during the call, but before and after as long as their
 * configurations. How many there were, or -ENOMEM. */
int conf_diff(const struct config *running, const struct config *next,
	      void (*change)(void *arg, const struct conf_change *change), void *arg);

#endif
