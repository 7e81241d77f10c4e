/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a network function: the only header of the engine's that a function needs to
 * start with. A function is one folder under nf/ and one line in nf/list.c. It does not know any
 * other function.
 *
 * Life: the configuration's section `<name> = ( { name = "instance"; … } )` is read by the
 * function's key table into its own conf struct (the key `name` is the engine's and not in the
 * table), check() looks at what spans keys, init() builds an instance. On a reload all of that
 * happens for the new configuration first; then adopt() carries live state from the old instance of
 * the same name over (or refuses, which refuses the reload), the chains are swapped by RCU, and
 * after a grace period fini() frees the old instance.
 *
 * A chain without a stateful function never touches the flow table. In one that has any, the flow
 * stage stands where the first of them does: a packet of a known flow skips all stateful functions
 * and goes on to the others behind with its rewriting done and its next hop known.
 *
 * A function without a section of its own in the file can be named in a chain all the same: it
 * then runs with its defaults under the instance name "default".
 */
#ifndef VISOR_NF_H
#define VISOR_NF_H

#include <jansson.h>

#include "conf.h"
#include "datapath.h"
#include "flow_open.h"
#include "log.h"

#define NF_ABI 3

struct config;
struct nf;

/* What visorctl can ask of an instance: the command's name is unique among all functions, and its
 * argument "instance" picks the instance. NULL with *error (malloc'ed) set where it fails. control. */
struct nf_command {
	const char *name; /* "set add" */
	json_t *(*run)(struct nf *nf, const json_t *args, char **error);
};

struct nf_ops {
	uint32_t abi;			  /* NF_ABI */
	const char *name;		  /* folder = config key = symbol prefix = metrics label */
	const char *doc;		  /* one line */
	const struct conf_schema *schema; /* its keys; conf struct's size */
	const char *const *drop_reasons;  /* NULL-terminated; counter i is nf->drop_base + i */

	/* Nothing may pass without it: its ports' fallback is "drop" where none is given. */
	bool guards;

	/* Rules that span keys, and names of interfaces (conf_interface_known()); problems go to
	 * conf_error(). control. */
	void (*check)(const void *conf, const struct config *config, struct conf_errors *errors);
	/* check() is called although something in the conf could not be read, and leaves those of its
	 * parts alone (conf_errors_marked()): one mistake in a long list must not hide the others. */
	bool checks_parts;
	/* Build nf->state from nf->conf. 0 or -errno. control. */
	int (*init)(struct nf *nf);
	void (*fini)(struct nf *nf);
	/* Take over what lives in `old`, by sharing it: `old` goes on working until its fini(), since
	 * another function may still refuse the reload. 0 or -errno: the reload is refused. control. */
	int (*adopt)(struct nf *nf, struct nf *old);
	/* Stateful functions: asked once per flow, told once when it has ended (flow_open.h). worker. */
	enum nf_verdict (*open)(struct nf *nf, struct datapath *dp, struct flow_open *open);
	void (*close)(struct nf *nf, struct datapath *dp, const struct flow_close *close);
	/* Stateless ones, asked for every packet: leave PACKET_CONTINUE, or TX/DROP/STOLEN. Of a
	 * function that has both, the instance says which (`stateful`). worker. */
	void (*process)(struct nf *nf, struct datapath *dp, struct burst *burst);
	/* One source for visorctl and metrics: `show NAME` with its arguments, which may pick a part,
	 * and `show functions` in a few words (args NULL). control. */
	void (*show)(const struct nf *nf, const json_t *args, json_t *out);
	const struct nf_command *commands;	      /* ends with name == NULL; or NULL */
	void (*tick)(struct nf *nf, uint64_t now_ns); /* once a second. control. */
};

/* An instance. */
struct nf {
	const struct nf_ops *ops;
	const char *name; /* instance */
	const void *conf; /* the struct that ops->schema describes */
	void *state;	  /* the function's own */
	uint16_t drop_base;
	bool stateful; /* open() is asked rather than process(); init() may change it; as it is set
			* before init(): whether there is an open() */
};

struct chain {
	unsigned n;
	bool stateful; /* one of its functions is: its packets take the flow stage */
	struct nf *functions[];
};

/* All built-in functions, NULL-terminated (nf/list.c). */
extern const struct nf_ops *const nf_list[];
const struct nf_ops *nf_find(const char *name);

#endif
