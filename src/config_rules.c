/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's rules that one key's range cannot say: ports, VLANs, rings, workers, memory, and
 * static routes. What a table refused already is not complained about again.
 */
#include "config_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The kernel's rule for the name of a network device (dev_valid_name); the length is the table's. */
static bool device_name_valid(const char *name)
{
	return strcmp(name, ".") && strcmp(name, "..") && !name[strcspn(name, "/: \t\n\v\f\r")];
}

static void device_check(const char *device, const struct conf_where *object, const void *member,
			 const char *label, const char *name, struct conf_errors *errors)
{
	const char *quote = name ? "\"" : "";

	if (device && !device_name_valid(device))
		conf_error_at(
			errors, object, member,
			"%s%s%s%s%s: device = \"%s\": that cannot be the name of a network device",
			label, name ? " " : "", quote, name ? name : "", quote, device);
}

static void ring_check(const struct port_config *port, const int64_t *ring, const char *key,
		       struct conf_errors *errors)
{
	int64_t below = 64;

	if (!(*ring & (*ring - 1)))
		return;
	while (2 * below < *ring)
		below *= 2;
	conf_error_at(errors, &port->where, ring,
		      "port \"%s\": %s = %" PRId64 ": expected a power of two, such as %" PRId64
		      " or %" PRId64,
		      port->name ? port->name : "", key, *ring, below, 2 * below);
}

static void vlans_check(const struct port_config *port, struct conf_errors *errors)
{
	const struct vlan_config *vlans = port->interfaces.item;

	for (unsigned i = 0; i < port->interfaces.n; i++) {
		const struct vlan_config *vlan = &vlans[i];

		device_check(vlan->device, &vlan->where, &vlan->device, "interface", vlan->name,
			     errors);
		for (unsigned k = 0; k < i && vlan->vlan; k++) {
			if (vlans[k].vlan != vlan->vlan || vlans[k].outer_vlan != vlan->outer_vlan)
				continue;
			conf_error_at(errors, &vlan->where, &vlan->vlan,
				      "interface \"%s\": VLAN %" PRId64
				      " of port \"%s\" is interface "
				      "\"%s\" already, on line %d",
				      vlan->name ? vlan->name : "", vlan->vlan,
				      port->name ? port->name : "",
				      vlans[k].name ? vlans[k].name : "", vlans[k].where.line);
			break;
		}
	}
}

struct device_use {
	const char *device, *name;
	unsigned order;
	bool vlan;
	const struct conf_where *object;
	const void *member;
};

static int device_compare(const void *a, const void *b)
{
	const struct device_use *x = a, *y = b;
	int devices = strcmp(x->device, y->device);

	return devices ? devices : (x->order > y->order) - (x->order < y->order);
}

static void devices_unique(const struct config_ifaces *ifaces, struct conf_errors *errors)
{
	struct device_use *uses = calloc(ifaces->n + 1, sizeof(*uses));
	unsigned n = 0;

	for (unsigned i = 0; uses && i < ifaces->n; i++) {
		const struct config_iface *iface = &ifaces->list[i];
		const char *const *member = iface->vlan ? &iface->vlan->device :
							  &iface->port->device;

		if (*member)
			uses[n++] = (struct device_use){ *member,	iface->name,
							 iface->order,	iface->vlan != NULL,
							 iface->object, member };
	}
	if (n)
		qsort(uses, n, sizeof(*uses), device_compare);
	for (unsigned i = 1; i < n; i++)
		if (!strcmp(uses[i].device, uses[i - 1].device))
			conf_error_at(
				errors, uses[i].object, uses[i].member,
				"%s \"%s\": device \"%s\" belongs to \"%s\" already, on line %d",
				uses[i].vlan ? "interface" : "port", uses[i].name, uses[i].device,
				uses[i - 1].name, uses[i - 1].object->line);
	free(uses);
}

/* Two names in one list are the reader's to find. */
static void names_unique(const struct config_ifaces *ifaces, struct conf_errors *errors)
{
	for (unsigned i = 1; i < ifaces->n; i++) {
		const struct config_iface *a = &ifaces->list[i - 1], *b = a + 1;

		if (strcmp(a->name, b->name) || (!a->vlan && !b->vlan) ||
		    (a->vlan && b->vlan && a->port == b->port))
			continue;
		conf_error_at(
			errors, b->object, b->member,
			"%s \"%s\": the %s on line %d has this name already; ports and interfaces "
			"share one set of names",
			b->vlan ? "interface" : "port", b->name, a->vlan ? "interface" : "port",
			a->object->line);
	}
}

static void ports_check(const struct config *config, struct conf_errors *errors)
{
	struct config_ifaces ifaces;

	for (unsigned i = 0; i < config->ports.n; i++) {
		const struct port_config *port = conf_port(config, i);

		device_check(port->device, &port->where, &port->device, "port", port->name, errors);
		ring_check(port, &port->rx_ring, "rx_ring", errors);
		ring_check(port, &port->tx_ring, "tx_ring", errors);
		vlans_check(port, errors);
	}
	if (!config_ifaces_collect(&ifaces, config, errors)) {
		conf_error(errors, &config->where, "out of memory");
		return;
	}
	if (ifaces.n > IFACE_MAX)
		conf_error(errors, &config->where,
			   "%u ports and interfaces; expected at most %d in all", ifaces.n,
			   IFACE_MAX);
	names_unique(&ifaces, errors);
	devices_unique(&ifaces, errors);
	config_ifaces_free(&ifaces);
}

static void workers_check(const struct workers_config *workers, struct conf_errors *errors)
{
	const struct conf_ints *cpus = &workers->cpus;

	if (cpus->n > WORKERS_MAX)
		conf_error_at(errors, &workers->where, cpus,
			      "worker settings: cpus names %u CPUs; expected at most %d", cpus->n,
			      WORKERS_MAX);
	else if (workers->count && cpus->n && workers->count != cpus->n)
		conf_error_at(errors, &workers->where, cpus,
			      "worker settings: cpus names %u CPU%s for count = %" PRId64
			      " workers; expected one for each, or leave one of the keys out",
			      cpus->n, cpus->n == 1 ? "" : "s", workers->count);
	for (unsigned i = 0; i < cpus->n && i <= WORKERS_MAX; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (cpus->value[k] != cpus->value[i])
				continue;
			conf_error_at(errors, &workers->where, &cpus->value[i],
				      "worker settings: CPU %" PRId64 " is named twice",
				      cpus->value[i]);
			break;
		}
	}
}

static void memory_check(const struct config *config, struct conf_errors *errors)
{
	const struct memory_config *memory = &config->memory;
	uint64_t workers = config->workers.count ? (uint64_t)config->workers.count :
						   config->workers.cpus.n;
	uint64_t need = (workers ? workers : 1) * conf_frames_per_worker(config);

	if (memory->frame_size != 2048 && memory->frame_size != 4096)
		conf_error_at(errors, &memory->where, &memory->frame_size,
			      "memory settings: frame_size = %" PRId64 ": expected 2048 or 4096",
			      memory->frame_size);
	if (conf_errors_marked(errors, &config->flows.fragments))
		return;
	for (unsigned i = 0; i < config->ports.n; i++) {
		const struct port_config *port = conf_port(config, i);

		if (conf_errors_marked(errors, port))
			return;
		need += (port->queues ? (uint64_t)port->queues : 1) * conf_frames_per_queue(port);
	}
	if (memory->frames && (uint64_t)memory->frames < need)
		conf_error_at(
			errors, &memory->where, &memory->frames,
			"memory settings: frames = %" PRId64 ": expected at least %" PRIu64
			" for these ports, queues, rings and workers, or 0 to have them counted",
			memory->frames, need);
}

static void tables_check(const struct routing_config *routing, struct conf_errors *errors)
{
	const struct conf_strings *tables = &routing->tables;
	uint32_t numbers[64];
	unsigned n = 0;

	for (unsigned i = 0; i < tables->n && n < 64; i++) {
		if (conf_table_number(tables->value[i], &numbers[n])) {
			conf_error_at(
				errors, &routing->where, &tables->value[i],
				"routing settings: no routing table \"%s\"; expected \"main\", a name "
				"of rt_tables, or a number such as \"100\"",
				tables->value[i]);
			continue;
		}
		for (unsigned k = 0; k < n; k++)
			if (numbers[k] == numbers[n])
				conf_error_at(errors, &routing->where, &tables->value[i],
					      "routing settings: table \"%s\" stands twice",
					      tables->value[i]);
		n++;
	}
}

void config_rules_engine(struct config *config, struct conf_errors *errors)
{
	const struct control_config *control = &config->control;

	ports_check(config, errors);
	if (!conf_errors_marked(errors, &config->workers))
		workers_check(&config->workers, errors);
	memory_check(config, errors);
	tables_check(&config->routing, errors);
	if (control->socket && control->socket[0] != '/')
		conf_error_at(
			errors, &control->where, &control->socket,
			"control settings: socket = \"%s\": expected a path from the root, such as "
			"\"/run/visor/visor.sock\"",
			control->socket);
}
