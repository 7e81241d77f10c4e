/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fallback = "auto": who gets a port's traffic while visord is not there. A function that guards what
 * is behind it (a firewall) would be undone by a kernel that forwards, so ports with one in a chain
 * give it to nobody; others leave it to the kernel.
 */
#include "config_impl.h"
#include "nf/nf.h"

#include <string.h>

static bool guarded(const struct config *config, const struct chain_config *chain)
{
	for (unsigned i = 0; i < chain->functions.n; i++) {
		const struct function_config *function =
			conf_function(config, chain->functions.value[i]);

		if (function && function->ops->guards)
			return true;
	}
	return false;
}

static bool takes(const struct chain_config *chain, const char *interface)
{
	for (unsigned i = 0; i < chain->ports.n; i++)
		if (!strcmp(chain->ports.value[i], interface))
			return true;
	return false;
}

static bool is_guarded(const struct config *config, const char *interface)
{
	const struct chain_config *chains = config->chains.item;

	for (unsigned i = 0; i < config->chains.n; i++)
		if (takes(&chains[i], interface) && guarded(config, &chains[i]))
			return true;
	return false;
}

void config_fallback_settle(struct config *config)
{
	for (unsigned i = 0; i < config->ports.n; i++) {
		struct port_config *port = (struct port_config *)config->ports.item + i;
		const struct vlan_config *vlan = port->interfaces.item;
		bool drop = is_guarded(config, port->name);

		if (port->fallback != FALLBACK_AUTO)
			continue;
		for (unsigned k = 0; k < port->interfaces.n; k++)
			drop |= is_guarded(config, vlan[k].name);
		port->fallback = drop ? FALLBACK_DROP : FALLBACK_KERNEL;
	}
}
