/* SPDX-License-Identifier: Apache-2.0 */
/* The names of all ports and VLAN interfaces of a configuration, sorted, for rules and lookups. */
#include "config_impl.h"

#include <stdlib.h>
#include <string.h>

#include "suggest.h"

static int compare(const void *a, const void *b)
{
	const struct config_iface *x = a, *y = b;
	int names = strcmp(x->name, y->name);

	return names ? names : (x->order > y->order) - (x->order < y->order);
}

static void add(struct config_ifaces *ifaces, const struct port_config *port,
		const struct vlan_config *vlan)
{
	struct config_iface *iface = &ifaces->list[ifaces->n];

	iface->order = ifaces->n;
	iface->port = port;
	iface->vlan = vlan;
	iface->name = vlan ? vlan->name : port->name;
	iface->member = vlan ? &vlan->name : &port->name;
	iface->object = vlan ? &vlan->where : &port->where;
	ifaces->n += iface->name != NULL;
}

/* False without memory. */
bool config_ifaces_collect(struct config_ifaces *ifaces, const struct config *config,
			   const struct conf_errors *errors)
{
	size_t n = config->ports.n;

	for (unsigned i = 0; i < config->ports.n; i++)
		n += conf_port(config, i)->interfaces.n;
	ifaces->n = 0;
	ifaces->complete = config->ports.n > 0;
	ifaces->list = calloc(n + 1, sizeof(*ifaces->list));
	if (!ifaces->list)
		return false;
	for (unsigned i = 0; i < config->ports.n; i++) {
		const struct port_config *port = conf_port(config, i);
		const struct vlan_config *vlans = port->interfaces.item;

		ifaces->complete &= !conf_errors_marked(errors, port);
		add(ifaces, port, NULL);
		for (unsigned k = 0; k < port->interfaces.n; k++)
			add(ifaces, port, &vlans[k]);
	}
	qsort(ifaces->list, ifaces->n, sizeof(*ifaces->list), compare);
	return true;
}

void config_ifaces_free(struct config_ifaces *ifaces)
{
	free(ifaces->list);
}

static int compare_name(const void *name, const void *iface)
{
	return strcmp(name, ((const struct config_iface *)iface)->name);
}

struct config_iface *config_ifaces_find(const struct config_ifaces *ifaces, const char *name)
{
	return bsearch(name, ifaces->list, ifaces->n, sizeof(*ifaces->list), compare_name);
}

static const char *next_name(void *arg, unsigned i)
{
	const struct config_ifaces *ifaces = arg;

	return i < ifaces->n ? ifaces->list[i].name : NULL;
}

const char *config_ifaces_suggest(const struct config_ifaces *ifaces, const char *name)
{
	return suggest_from(name, next_name, (void *)ifaces);
}

bool conf_interface_known(const struct config *c, const struct conf_errors *errors,
			  const char *name, bool unsure, const char **meant)
{
	struct config_ifaces ifaces;
	bool known = true;

	*meant = NULL;
	if (!config_ifaces_collect(&ifaces, c, errors))
		return true;
	if (!config_ifaces_find(&ifaces, name)) {
		known = !ifaces.complete && unsure;
		*meant = config_ifaces_suggest(&ifaces, name);
	}
	config_ifaces_free(&ifaces);
	return known;
}
