/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones. Rules name interfaces and sets of them; the classifier compares one number. So interfaces
 * are sorted into *classes*, as few as the rules can tell apart: an interface that a rule names has
 * one of its own, the others of a zone share the zone's, all the rest share another.
 */
#ifndef FIREWALL_ZONE_H
#define FIREWALL_ZONE_H

#include "datapath.h"
#include "keys.h"

struct config;

enum { FIREWALL_CLASS_NOWHERE, FIREWALL_CLASS_OTHER, FIREWALL_CLASS_ZONES };

#define FIREWALL_NO_ZONE UINT16_MAX

struct firewall_interface {
	char name[32];
	uint16_t zone;
	uint16_t class;
	uint8_t antispoof;
};

struct firewall_zone_cache; /* one worker's */

struct firewall_zones {
	unsigned n, n_zones, n_classes;
	struct firewall_interface *interface; /* by name */
	const struct firewall_keys *keys;
	struct firewall_zone_cache *cache; /* [WORKERS_MAX] */
};

/* 0 or -errno; mistakes go to `errors`. control. */
int firewall_zones_build(struct firewall_zones *zones, const struct firewall_keys *keys,
			 const struct config *config, struct conf_errors *errors);
void firewall_zones_free(struct firewall_zones *zones);
/* Mark the classes that these names lead to, or with ! do not lead to; false: one is neither a zone
 * nor an interface. */
bool firewall_zones_select(const struct firewall_zones *zones, const struct conf_strings *names,
			   bool *classes);

/* The interface in this slot by the name that it has now. worker. */
const struct firewall_interface *firewall_zones_at(const struct firewall_zones *zones,
						   const struct datapath *dp, uint16_t slot);

#endif
