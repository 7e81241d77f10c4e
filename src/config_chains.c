/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains: every port and VLAN interface ends up in exactly one. What may be left out is filled in:
 * a chain without `ports` takes the ports that no other chain names, and a VLAN interface that no
 * chain names goes where its port goes. The functions that a chain names are found, or made.
 */
#include "config_impl.h"

#include <stdlib.h>
#include <string.h>

#include "suggest.h"

struct rules {
	struct config_file *file;
	struct conf_errors *errors;
	struct config_ifaces ifaces;
	struct chain_config *chains;
	unsigned n;
	bool readable; /* no chain and no port was refused: what is missing is really missing */
};

static void claim(struct rules *r, unsigned chain, const char *const *ref)
{
	struct chain_config *c = &r->chains[chain];
	struct config_iface *iface = config_ifaces_find(&r->ifaces, *ref);
	const char *meant;

	if (!iface) {
		r->readable = false; /* whichever port was meant is not missing */
		if (!r->ifaces.complete)
			return;
		meant = config_ifaces_suggest(&r->ifaces, *ref);
		conf_error_at(r->errors, &c->where, ref, "chain: no port or interface \"%s\"%s%s%s",
			      *ref, meant ? "; did you mean \"" : "", meant ? meant : "",
			      meant ? "\"?" : "");
	} else if (iface->in_chain) {
		conf_error_at(
			r->errors, &c->where, ref,
			"chain: \"%s\" is in %s chain already, on line %d; expected one chain for "
			"each port",
			*ref, iface->in_chain == chain + 1 ? "this" : "another",
			iface->chain->line);
	} else {
		iface->in_chain = chain + 1;
		iface->chain = conf_errors_place_of(r->errors, ref);
		if (!iface->chain)
			iface->chain = &c->where;
	}
}

/* What is filled in comes behind what stands in the file. */
static void append(struct rules *r, struct config_iface *iface, unsigned chain)
{
	struct conf_strings *ports = &r->chains[chain].ports;
	const char **grown = conf_arena_alloc(r->file->arena, (ports->n + 1) * sizeof(*grown));

	if (!grown)
		return;
	if (ports->n)
		memcpy(grown, ports->value, ports->n * sizeof(*grown));
	grown[ports->n] = iface->name;
	ports->value = grown;
	ports->n++;
	iface->in_chain = chain + 1;
	iface->chain = &r->chains[chain].where;
}

/* The chain without ports, index + 1; 0 none. */
static unsigned find_rest(struct rules *r)
{
	unsigned rest = 0;

	for (unsigned i = 0; i < r->n; i++) {
		if (r->chains[i].ports.n)
			continue;
		if (rest)
			conf_error(
				r->errors, &r->chains[i].where,
				"chain: no \"ports\", and the chain on line %d has none either: only one "
				"chain can take all that others leave",
				r->chains[rest - 1].where.line);
		else
			rest = i + 1;
	}
	return rest;
}

static struct config_iface *iface_of(struct rules *r, const char *name)
{
	return name ? config_ifaces_find(&r->ifaces, name) : NULL;
}

static void fill_port(struct rules *r, const struct port_config *port, unsigned rest)
{
	struct config_iface *iface = iface_of(r, port->name), *vlan_iface;
	const struct vlan_config *vlans = port->interfaces.item;

	if (!iface)
		return;
	if (!iface->in_chain && rest)
		append(r, iface, rest - 1);
	if (!iface->in_chain && r->readable)
		conf_error(
			r->errors, &port->where,
			"port \"%s\": it is in no chain, so that all its packets would be dropped; "
			"expected \"%s\" in the ports of a chain",
			port->name, port->name);
	for (unsigned i = 0; i < port->interfaces.n && iface->in_chain; i++) {
		vlan_iface = iface_of(r, vlans[i].name);
		if (vlan_iface && !vlan_iface->in_chain)
			append(r, vlan_iface, iface->in_chain - 1);
	}
}

/* In the order of the file, so that the printed configuration reads as its author thinks. */
static void ports_fill(struct rules *r)
{
	const struct config *config = &r->file->config;
	unsigned rest = find_rest(r);

	for (unsigned i = 0; i < config->ports.n; i++)
		fill_port(r, conf_port(config, i), rest);
	if (rest && r->readable && !r->chains[rest - 1].ports.n)
		conf_error(r->errors, &r->chains[rest - 1].where,
			   "chain: no ports are left for it; the other chains have them all");
}

static const char *next_function(void *arg, unsigned i)
{
	const struct config_file *file = arg;

	return file->ops[i] ? file->ops[i]->name : NULL;
}

struct instances {
	const struct conf_schema *schema;
	const struct conf_list *list;
};

static const char *instance_name(const struct conf_schema *schema, const struct conf_list *list,
				 unsigned i)
{
	return *(const char *const *)conf_member(conf_schema_name_key(schema),
						 (const char *)list->item + i * schema->size);
}

static const char *next_instance(void *arg, unsigned i)
{
	const struct instances *instances = arg;

	return i < instances->list->n ? instance_name(instances->schema, instances->list, i) : NULL;
}

/* The list has room for it: CONF_LIST_SPARE. */
static void make_default(struct rules *r, unsigned section, const struct conf_where *where)
{
	const struct conf_schema *schema = config_section_schema(r->file, section);
	struct conf_list *list = &r->file->sections[section];

	if (!list->item)
		list->item = conf_arena_alloc(r->file->arena, CONF_LIST_SPARE * schema->size);
	if (list->item)
		conf_defaults_read(schema, where, (char *)list->item + list->n++ * schema->size,
				   r->file->arena, r->errors);
}

static bool find_instance(const struct config_file *file, unsigned section, const char *name)
{
	const struct conf_schema *schema = config_section_schema(file, section);

	for (unsigned i = 0; i < file->sections[section].n; i++)
		if (!strcmp(instance_name(schema, &file->sections[section], i), name))
			return true;
	return false;
}

/* Was each instance read, so that a missing one is really missing? */
static bool section_readable(const struct rules *r, unsigned section)
{
	const struct conf_list *list = &r->file->sections[section];
	size_t size = config_section_schema(r->file, section)->size;

	for (unsigned i = 0; i < list->n; i++)
		if (conf_errors_marked(r->errors, (const char *)list->item + i * size))
			return false;
	return true;
}

static void unknown_function(struct rules *r, const struct chain_config *chain,
			     const char *const *ref, const char *name)
{
	const char *meant = suggest_from(name, next_function, r->file);
	char known[256] = "";
	size_t n = 0;

	for (unsigned i = 0; r->file->ops[i] && n < sizeof(known); i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s\"%s\"", i ? ", " : "",
				      r->file->ops[i]->name);
	if (meant)
		conf_error_at(r->errors, &chain->where, ref,
			      "chain: no function \"%s\"; did you mean \"%s\"?", name, meant);
	else
		conf_error_at(r->errors, &chain->where, ref,
			      "chain: no function \"%s\"; expected one of %s", name, known);
}

static void function_resolve(struct rules *r, const struct chain_config *chain,
			     const char *const *ref)
{
	const struct conf_where *where = conf_errors_place_of(r->errors, ref);
	char name[32], instance[32];
	struct instances instances;
	unsigned section = 0;
	const char *meant;

	if (!config_ref_split(*ref, name, instance)) {
		conf_error_at(
			r->errors, &chain->where, ref,
			"chain: functions = \"%s\": expected \"FUNCTION\" or \"FUNCTION:INSTANCE\"",
			*ref);
		return;
	}
	while (r->file->ops[section] && strcmp(r->file->ops[section]->name, name))
		section++;
	if (!r->file->ops[section]) {
		unknown_function(r, chain, ref, name);
		return;
	}
	if (find_instance(r->file, section, instance))
		return;
	if (!strcmp(instance, "default")) {
		make_default(r, section, where ? where : &chain->where);
		return;
	}
	if (!section_readable(r, section))
		return;
	instances.schema = config_section_schema(r->file, section);
	instances.list = &r->file->sections[section];
	meant = suggest_from(instance, next_instance, &instances);
	conf_error_at(r->errors, &chain->where, ref, "chain: no %s called \"%s\"%s%s%s", name,
		      instance, meant ? "; did you mean \"" : "; expected a section for it",
		      meant ? meant : "", meant ? "\"?" : "");
}

static bool same_function(const char *a, const char *b)
{
	char name[2][32], instance[2][32];

	return config_ref_split(a, name[0], instance[0]) &&
	       config_ref_split(b, name[1], instance[1]) && !strcmp(name[0], name[1]) &&
	       !strcmp(instance[0], instance[1]);
}

static void functions_resolve(struct rules *r, const struct chain_config *chain)
{
	const struct conf_strings *refs = &chain->functions;

	unsigned before = conf_errors_total(r->errors);

	for (unsigned i = 0; i < refs->n; i++) {
		unsigned k = 0;

		while (k < i && !same_function(refs->value[k], refs->value[i]))
			k++;
		if (k < i)
			conf_error_at(r->errors, &chain->where, &refs->value[i],
				      "chain: function \"%s\" stands twice", refs->value[i]);
		else
			function_resolve(r, chain, &refs->value[i]);
	}
	if (conf_errors_total(r->errors) != before)
		conf_errors_mark(r->errors, chain); /* the instance that was meant is not unused */
}

void config_rules_chains(struct config_file *file, struct conf_errors *errors)
{
	struct rules r = { .file = file,
			   .errors = errors,
			   .chains = file->config.chains.item,
			   .n = file->config.chains.n };

	if (!config_ifaces_collect(&r.ifaces, &file->config, errors)) {
		conf_error(errors, &file->config.where, "out of memory");
		return;
	}
	r.readable = r.n && r.ifaces.complete;
	for (unsigned i = 0; i < r.n; i++) {
		r.readable &= !conf_errors_marked(errors, &r.chains[i]);
		for (unsigned k = 0; k < r.chains[i].ports.n; k++)
			claim(&r, i, &r.chains[i].ports.value[k]);
	}
	ports_fill(&r);
	for (unsigned i = 0; i < r.n; i++)
		functions_resolve(&r, &r.chains[i]);
	config_ifaces_free(&r.ifaces);
}

static bool is_used(const struct config_file *file, const char *function, const char *instance)
{
	const struct chain_config *chains = file->config.chains.item;
	char ref[64];

	snprintf(ref, sizeof(ref), "%s:%s", function, instance);
	for (unsigned i = 0; i < file->config.chains.n; i++)
		for (unsigned k = 0; k < chains[i].functions.n; k++)
			if (same_function(chains[i].functions.value[k], ref))
				return true;
	return false;
}

static bool chains_readable(const struct config_file *file, const struct conf_errors *errors)
{
	const struct chain_config *chains = file->config.chains.item;

	for (unsigned i = 0; i < file->config.chains.n; i++)
		if (conf_errors_marked(errors, &chains[i]))
			return false;
	return file->config.chains.n > 0;
}

static void instance_check(const struct config_file *file, const struct function_config *function,
			   struct conf_errors *errors)
{
	const struct conf_where *where = function->conf;
	const char *name = function->ops->name;

	if (conf_errors_marked(errors, function->conf) && !function->ops->checks_parts)
		return;
	if (function->ops->check)
		function->ops->check(function->conf, &file->config, errors);
	if (conf_errors_marked(errors, function->conf))
		return;
	if (chains_readable(file, errors) && !is_used(file, name, function->name))
		conf_error(
			errors, where,
			"%s \"%s\": it is in no chain, so that it would do nothing; expected \"%s%s%s\" "
			"in the functions of a chain",
			name, function->name, name, strcmp(function->name, "default") ? ":" : "",
			strcmp(function->name, "default") ? function->name : "");
}

void config_rules_functions(struct config_file *file, struct conf_errors *errors)
{
	struct config *config = &file->config;
	unsigned n = 0;

	for (unsigned i = 0; file->ops[i]; i++)
		n += file->sections[i].n;
	config->functions = conf_arena_alloc(file->arena, (n + 1) * sizeof(*config->functions));
	for (unsigned i = 0; config->functions && file->ops[i]; i++) {
		const struct conf_schema *schema = config_section_schema(file, i);

		for (unsigned k = 0; k < file->sections[i].n; k++) {
			struct function_config *function =
				&config->functions[config->n_functions++];

			function->ops = file->ops[i];
			function->conf = (const char *)file->sections[i].item + k * schema->size;
			function->name = instance_name(schema, &file->sections[i], k);
			instance_check(file, function, errors);
		}
	}
}
