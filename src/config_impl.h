/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the engine's configuration share among themselves; nobody else includes it. */
#ifndef VISOR_CONFIG_IMPL_H
#define VISOR_CONFIG_IMPL_H

#include "conf_impl.h"
#include "config.h"
#include "nf/nf.h"

/*
 * A configuration as it is kept. The schema is the engine's own plus one list for each function,
 * so that one walk of one table reads, prints and compares the whole file; its offsets are from
 * `config` on.
 */
struct config_file {
	struct conf_arena *arena;
	const struct conf_schema *schema;
	const struct nf_ops *const *ops; /* NULL-terminated; section i is ops[i]'s */
	struct config config;
	struct conf_list sections[]; /* of config_section_schema(file, i) */
};

static inline struct config_file *config_file_of(const struct config *config)
{
	return (struct config_file *)((char *)config - offsetof(struct config_file, config));
}

/* The schema of a whole file: owned by the arena; NULL without memory. */
const struct conf_schema *config_schema_compose(struct conf_arena *arena,
						const struct nf_ops *const *ops);
const struct conf_schema *config_section_schema(const struct config_file *file, unsigned i);

/* Split "firewall:edge"; false where that is not its form. */
bool config_ref_split(const char *ref, char name[32], char instance[32]);

/* Everything that spans keys, objects or sections. Completes chains (ports left out, VLANs) and
 * makes the instances that chains name. */
void config_rules_engine(struct config *config, struct conf_errors *errors);
void config_rules_routes(struct config *config, struct conf_errors *errors);
void config_rules_chains(struct config_file *file, struct conf_errors *errors);
void config_rules_functions(struct config_file *file, struct conf_errors *errors);
/* Ports whose fallback is "auto" get theirs; the file has no mistakes. */
void config_fallback_settle(struct config *config);

/* The names of all interfaces, sorted. */
struct config_iface {
	const char *name;
	unsigned order;			 /* in the file */
	const struct conf_where *object; /* the struct */
	const void *member;		 /* its name's */
	const struct port_config *port;
	const struct vlan_config *vlan; /* NULL: the port itself */
	const struct conf_where *chain; /* where a chain names it */
	unsigned in_chain;		/* index + 1, 0 none */
};

struct config_ifaces {
	unsigned n;
	struct config_iface *list;
	bool complete; /* false: a port could not be read, so one may be missing */
};

bool config_ifaces_collect(struct config_ifaces *ifaces, const struct config *config,
			   const struct conf_errors *errors);
void config_ifaces_free(struct config_ifaces *ifaces);
struct config_iface *config_ifaces_find(const struct config_ifaces *ifaces, const char *name);
const char *config_ifaces_suggest(const struct config_ifaces *ifaces, const char *name);

#endif
