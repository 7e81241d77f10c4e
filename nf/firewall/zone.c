/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones. See zone.h.
 *
 * Workers know an interface by its slot, the configuration by its name, and which slot has which
 * name is the RIB's to say. Each worker remembers what it found, with the name that it found it by,
 * so that a slot that passes to another interface is noticed.
 */
#include "zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "worker.h"

struct remembered {
	char name[32];
	const struct firewall_interface *interface;
};

struct firewall_zone_cache {
	struct remembered slot[IFACE_MAX];
};

static const struct firewall_interface nowhere = { .class = FIREWALL_CLASS_NOWHERE,
						   .zone = FIREWALL_NO_ZONE };
static const struct firewall_interface other = { .class = FIREWALL_CLASS_OTHER,
						 .zone = FIREWALL_NO_ZONE };

static struct firewall_interface *find(const struct firewall_zones *zones, const char *name)
{
	unsigned lo = 0, hi = zones->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		int cmp = strcmp(zones->interface[mid].name, name);

		if (!cmp)
			return &zones->interface[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static int find_zone(const struct firewall_keys *keys, const char *name)
{
	for (unsigned i = 0; i < keys->zones.n; i++)
		if (firewall_zone_at(keys, i)->name &&
		    !strcmp(firewall_zone_at(keys, i)->name, name))
			return (int)i;
	return -1;
}

/* The interface of that name, made where it is new; NULL without memory. */
static struct firewall_interface *intern(struct firewall_zones *zones, const char *name)
{
	struct firewall_interface *found = find(zones, name), *grown;
	unsigned at = 0;

	if (found)
		return found;
	grown = realloc(zones->interface, (zones->n + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	zones->interface = grown;
	while (at < zones->n && strcmp(grown[at].name, name) < 0)
		at++;
	memmove(&grown[at + 1], &grown[at], (zones->n++ - at) * sizeof(*grown));
	grown[at] = other;
	snprintf(grown[at].name, sizeof(grown[at].name), "%s", name);
	return &grown[at];
}

static bool known(const struct config *config, struct conf_errors *errors,
		  const struct conf_where *where, const char *const *name, const char *what)
{
	const char *meant;

	if (!errors || !config ||
	    conf_interface_known(config, errors, *name + (**name == '!'), true, &meant))
		return true;
	conf_error_at(errors, where, name, "%s: no zone, port or interface \"%.40s\"%s%s%s", what,
		      *name + (**name == '!'), meant ? "; did you mean \"" : "", meant ? meant : "",
		      meant ? "\"?" : "");
	return false;
}

static int zone_build(struct firewall_zones *zones, const struct firewall_zone_keys *zone,
		      uint16_t index, const struct config *config, struct conf_errors *errors)
{
	const char *meant;
	char what[48];

	snprintf(what, sizeof(what), "zone \"%s\"", zone->name);
	if (errors && config && conf_interface_known(config, errors, zone->name, false, &meant))
		conf_error_at(errors, &zone->where, &zone->name,
			      "zone \"%s\": an interface has this name; expected another",
			      zone->name);
	for (unsigned i = 0; i < zone->interfaces.n; i++) {
		struct firewall_interface *iface;

		if (!known(config, errors, &zone->where, &zone->interfaces.value[i], what))
			continue;
		iface = intern(zones, zone->interfaces.value[i]);
		if (!iface)
			return -ENOMEM;
		if (iface->zone != FIREWALL_NO_ZONE && errors)
			conf_error_at(errors, &zone->where, &zone->interfaces.value[i],
				      "zone \"%s\": \"%s\" is in zone \"%s\" already", zone->name,
				      iface->name,
				      firewall_zone_at(zones->keys, iface->zone)->name);
		iface->zone = index;
		iface->class = (uint16_t)(FIREWALL_CLASS_ZONES + index);
		iface->antispoof = (uint8_t)zone->antispoof;
	}
	return 0;
}

static const char *bare(const char *name)
{
	return name + (*name == '!');
}

/* Interfaces that rules name: a class for each. */
static int names_build(struct firewall_zones *zones, const struct conf_strings *names,
		       const struct conf_where *where, const char *what,
		       const struct config *config, struct conf_errors *errors)
{
	for (unsigned i = 0; i < names->n; i++) {
		const char *name = bare(names->value[i]);
		struct firewall_interface *iface;

		if (find_zone(zones->keys, name) >= 0)
			continue;
		iface = find(zones, name);
		if (iface && iface->class >= FIREWALL_CLASS_ZONES + zones->n_zones)
			continue;
		if (!iface && !known(config, errors, where, &names->value[i], what))
			continue;
		iface = intern(zones, name);
		if (!iface)
			return -ENOMEM;
		iface->class = (uint16_t)zones->n_classes++;
	}
	return 0;
}

static bool marked(const struct conf_errors *errors, const void *part)
{
	return errors && conf_errors_marked(errors, part);
}

int firewall_zones_build(struct firewall_zones *zones, const struct firewall_keys *keys,
			 const struct config *config, struct conf_errors *errors)
{
	char what[48];
	int err = 0;

	*zones = (struct firewall_zones){ .keys = keys, .n_zones = keys->zones.n };
	zones->n_classes = FIREWALL_CLASS_ZONES + zones->n_zones;
	for (unsigned i = 0; i < zones->n_zones && !err; i++)
		if (!marked(errors, firewall_zone_at(keys, i)))
			err = zone_build(zones, firewall_zone_at(keys, i), (uint16_t)i, config,
					 errors);
	for (unsigned i = 0; i < keys->rules.n && !err; i++) {
		const struct firewall_rule_keys *rule = firewall_rule_at(keys, i);

		if (marked(errors, rule))
			continue;
		snprintf(what, sizeof(what), "rule%s%s%s", rule->name ? " \"" : "",
			 rule->name ? rule->name : "", rule->name ? "\"" : "");
		err = names_build(zones, &rule->in, &rule->where, what, config, errors);
		if (!err)
			err = names_build(zones, &rule->out, &rule->where, what, config, errors);
	}
	for (unsigned i = 0; i < keys->policies.n && !err; i++) {
		const struct firewall_policy_keys *policy = firewall_policy_at(keys, i);

		if (marked(errors, policy))
			continue;
		err = names_build(zones, &policy->in, &policy->where, "policy", config, errors);
		if (!err)
			err = names_build(zones, &policy->out, &policy->where, "policy", config,
					  errors);
	}
	if (err || errors) /* a check needs no cache */
		return err;
	zones->cache = calloc(WORKERS_MAX, sizeof(*zones->cache));
	return zones->cache ? 0 : -ENOMEM;
}

void firewall_zones_free(struct firewall_zones *zones)
{
	free(zones->interface);
	free(zones->cache);
	*zones = (struct firewall_zones){ 0 };
}

/* Classes of a zone or an interface; false where it is neither. */
static bool mark(const struct firewall_zones *zones, const char *name, bool *classes, bool as)
{
	int zone = find_zone(zones->keys, name);
	const struct firewall_interface *iface = zone < 0 ? find(zones, name) : NULL;

	if (iface)
		classes[iface->class] = as;
	for (unsigned i = 0; zone >= 0 && i < zones->n; i++)
		if (zones->interface[i].zone == zone)
			classes[zones->interface[i].class] = as;
	return iface || zone >= 0;
}

bool firewall_zones_select(const struct firewall_zones *zones, const struct conf_strings *names,
			   bool *classes)
{
	bool any = true, all = true; /* named positively: none; known: all */

	for (unsigned i = 0; i < names->n; i++)
		any = any && *names->value[i] == '!';
	for (unsigned i = 0; i < zones->n_classes; i++)
		classes[i] = any;
	for (unsigned i = 0; i < names->n; i++)
		if (*names->value[i] != '!')
			all &= mark(zones, names->value[i], classes, true);
	for (unsigned i = 0; i < names->n; i++)
		if (*names->value[i] == '!')
			all &= mark(zones, names->value[i] + 1, classes, false);
	return all;
}

static __attribute__((noinline)) const struct firewall_interface *
look_up(const struct firewall_zones *zones, struct remembered *at, const char *name)
{
	const struct firewall_interface *found = find(zones, name);

	memcpy(at->name, name, sizeof(at->name));
	at->interface = found ? found : &other;
	return at->interface;
}

const struct firewall_interface *firewall_zones_at(const struct firewall_zones *zones,
						   const struct datapath *dp, uint16_t slot)
{
	const struct interface *iface = fib_interface(dp->fib, slot);
	struct remembered *at;

	if (!iface)
		return &nowhere;
	at = &zones->cache[dp->index].slot[slot];
	if (at->interface && !memcmp(at->name, iface->name, sizeof(at->name)))
		return at->interface;
	return look_up(zones, at, iface->name);
}
