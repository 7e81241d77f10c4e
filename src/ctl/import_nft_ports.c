/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interfaces that the ruleset names, as ports and their VLAN interfaces. nftables knows names of
 * devices only; "eth0.100" is taken for what nearly everybody means by it.
 */
#include "import_nft.h"

#include <stdlib.h>
#include <string.h>

struct vlan {
	unsigned tag;	 /* 0: it is no VLAN */
	size_t port_len; /* of what is before the tag */
};

static struct vlan last_tag(const char *device, size_t len)
{
	struct vlan none = { 0, len };
	size_t digits = 0;
	unsigned tag = 0;

	while (digits < len && device[len - digits - 1] >= '0' && device[len - digits - 1] <= '9')
		digits++;
	if (!digits || digits > 4 || len < digits + 2 || device[len - digits - 1] != '.' ||
	    device[len - digits] == '0')
		return none;
	for (size_t i = len - digits; i < len; i++)
		tag = 10 * tag + (unsigned)(device[i] - '0');
	if (len - digits - 1 <= 2 && device[0] == '.')
		return none; /* "." and ".." are no devices */
	return tag > 4094 ? none : (struct vlan){ tag, len - digits - 1 };
}

/* "eth0.100", or "eth0.200.100" with a service tag of 200. */
static const char *port_of(struct import *import, const char *device, unsigned *outer,
			   unsigned *inner)
{
	const struct vlan last = last_tag(device, strlen(device));
	const struct vlan before = last_tag(device, last.tag ? last.port_len : 0);

	*inner = last.tag;
	*outer = before.tag;
	return arena_print(&import->arena, "%.*s",
			   (int)(before.tag ? before.port_len : last.port_len), device);
}

void import_name_ports(struct import *import)
{
	const size_t named = json_array_size(import->ifaces);
	json_t *taken = json_object(), *name;
	unsigned outer, inner;
	size_t i;

	for (i = 0; i < named; i++)
		import_iface(import,
			     port_of(import, json_string_value(json_array_get(import->ifaces, i)),
				     &outer, &inner));
	import->port_names = json_array();
	json_array_foreach (import->ifaces, i, name) {
		json_array_append_new(
			import->port_names,
			json_string(import_name(import, taken, json_string_value(name))));
	}
	json_decref(taken);
}

static const char *our_name(const struct import *import, size_t place)
{
	return json_string_value(json_array_get(import->port_names, place));
}

static void print_vlans(struct import *import, const char *port, FILE *out)
{
	unsigned outer, inner;
	bool first = true;
	json_t *name;
	size_t i;

	json_array_foreach (import->ifaces, i, name) {
		const char *device = json_string_value(name);

		if (strcmp(port_of(import, device, &outer, &inner), port) || !inner)
			continue;
		fprintf(out, "%s\n      { name = \"%s\"; vlan = %u;",
			first ? "\n    interfaces = (" : ",", our_name(import, i), inner);
		if (outer)
			fprintf(out, " outer_vlan = %u;", outer);
		fprintf(out, " device = \"%s\"; }", import_clean(import, device));
		first = false;
	}
	if (!first)
		fputs(" );", out);
}

void import_print_ports(struct import *import, FILE *out)
{
	const size_t n = json_array_size(import->ifaces);
	unsigned outer, inner;
	bool first = true;

	import_print_comment(out, 0,
			     n ? "The interfaces that the ruleset names; add the others, take out "
				 "what is no network port." :
				 "The ruleset names no interface: list the ports here.");
	fputs("ports = (", out);
	for (size_t i = 0; i < n; i++) {
		const char *device = json_string_value(json_array_get(import->ifaces, i));

		port_of(import, device, &outer, &inner);
		if (inner)
			continue;
		fprintf(out, "%s\n  { name = \"%s\"; device = \"%s\";", first ? "" : ",",
			our_name(import, i), import_clean(import, device));
		print_vlans(import, device, out);
		fputs(" }", out);
		first = false;
	}
	fputs(" );\n\n", out);
}
