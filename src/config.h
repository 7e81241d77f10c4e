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

enum poll_mode { POLL_BUSY, POLL_ADAPTIVE, POLL_INTERRUPT };
enum port_mode { PORT_MODE_AUTO, PORT_MODE_ZEROCOPY, PORT_MODE_COPY, PORT_MODE_GENERIC };
enum port_fallback { FALLBACK_KERNEL, FALLBACK_DROP };
enum hugepages { HUGEPAGES_PREFER, HUGEPAGES_REQUIRE, HUGEPAGES_OFF };

struct workers_config {
	struct conf_where where;
	int64_t count;		/* 0: one per queue of the port with most, up to the CPUs there are */
	struct conf_ints cpus;	/* empty: all allowed CPUs in order */
	int poll;		/* enum poll_mode, default adaptive */
	int64_t burst;		/* 1..64, default 64 */
	int64_t spin_us;	/* adaptive: spin this long before sleeping; default 50 */
};

struct memory_config {
	struct conf_where where;
	int hugepages;		/* enum hugepages, default prefer */
	int64_t frame_size;	/* 2048 (default) or 4096 */
	int64_t frames;		/* 0: from ports, queues and rings */
};

struct vlan_config { /* an item of a port's `interfaces` */
	struct conf_where where;
	const char *name;
	int64_t vlan;		/* 1..4094 */
	int64_t outer_vlan;	/* 802.1ad service tag, 0 none */
	const char *device;	/* kernel device that carries the addresses; NULL: found by VLAN id */
};

struct port_config {
	struct conf_where where;
	const char *name;
	const char *device;
	int mode;		/* enum port_mode, default auto */
	int64_t queues;		/* 0: all that the device has */
	int fallback;		/* enum port_fallback, default kernel */
	bool spread;		/* spread packets of a port over the workers by flow hash */
	int64_t rx_ring, tx_ring; /* descriptors, power of two, default 2048 */
	struct conf_list interfaces; /* struct vlan_config */
};

struct route_config { /* static routes */
	struct conf_where where;
	struct conf_prefix to;
	struct ip_addr via;	/* family 0: on-link, or a type other than unicast */
	const char *interface;	/* name of a port or VLAN interface; NULL: found by `via` */
	int type;		/* 0 unicast, 1 blackhole, 2 unreachable, 3 prohibit */
	int64_t metric;
};

struct chain_config {
	struct conf_where where;
	struct conf_strings ports;     /* names of ports or VLAN interfaces */
	struct conf_strings functions; /* "router", "firewall:edge" */
};

struct control_config {
	struct conf_where where;
	const char *socket;	/* default /run/visor/visor.sock */
	const char *group;	/* default "visor" where it exists */
};

struct routing_config {
	struct conf_where where;
	struct conf_strings tables; /* "main", "local" numbers or names of rt_tables; default main */
	int64_t icmp_rate;	    /* own ICMP errors a second, all workers; default 1000 */
	int64_t receive_buffer;	    /* netlink socket buffer, bytes; default 8 MiB */
};

struct log_config {
	struct conf_where where;
	int level;		/* enum log_level */
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
	unsigned n_functions;
	struct function_config *functions; /* every instance that a chain names or a section makes */
};

extern const struct conf_schema conf_file_schema; /* the whole file without functions' sections */

/* Read and check a file; NULL where there is any error, all of them in `errors`. */
struct config *conf_read(const char *path, struct conf_errors *errors);
void conf_free(struct config *config);

static inline const struct port_config *conf_port(const struct config *c, unsigned i)
{
	return (const struct port_config *)c->ports.item + i;
}

const struct function_config *conf_function(const struct config *c, const char *ref);

/* The effective configuration, defaults filled in. As a libconfig file (visord reads it back to
 * the same), malloc'ed; or as JSON. */
char *conf_print(const struct config *config);
json_t *conf_json(const struct config *config);

/* The key reference, from the tables: troff for the manual page, or plain text. malloc'ed. */
char *conf_reference(bool troff);

#endif
