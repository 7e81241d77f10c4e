/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces of the configuration: which kernel device each one is, what workers see of it, and
 * which interface a port's VLAN tag leads to.
 *
 * An interface has the device that it names. A VLAN without a device of its own name has the
 * kernel's VLAN device on the port's device (for two tags: an 802.1Q one on an 802.1ad one), and
 * where there is none either, it has the port's MAC, MTU and state and no addresses.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rib_internal.h"

struct port_vlans_box {
	struct retired retired;
	uint16_t *single; /* of vlans; one allocation with this */
	struct port_vlans vlans;
};

struct rib_iface *interface_find(const struct rib *rib, const char *name)
{
	for (unsigned i = 0; i < IFACE_MAX; i++)
		if (rib->iface[i] && !strcmp(rib->iface[i]->name, name))
			return rib->iface[i];
	return NULL;
}

/* Finding the device */

static struct link *link_by_name(const struct rib *rib, const char *name)
{
	struct hnode *node = NULL;

	while (*name && (node = htable_each(&rib->links, node))) {
		struct link *link = htable_entry(node, struct link, by_index);

		if (link->present && !strcmp(link->k.name, name))
			return link;
	}
	return NULL;
}

static struct link *link_by_vlan(const struct rib *rib, const struct link *parent, uint16_t vlan,
				 uint16_t proto)
{
	struct hnode *node = NULL;

	while (parent && (node = htable_each(&rib->links, node))) {
		struct link *link = htable_entry(node, struct link, by_index);

		if (link->present && link->k.parent == parent->k.ifindex &&
		    link->k.vlan_id == vlan && link->k.vlan_proto == proto)
			return link;
	}
	return NULL;
}

static struct link *device_of(const struct rib *rib, const struct rib_iface *iface)
{
	struct link *parent = iface->port_link;

	if (iface->device[0])
		return link_by_name(rib, iface->device);
	if (iface->conf.outer_vlan)
		parent = link_by_vlan(rib, parent, iface->conf.outer_vlan, ETH_P_8021AD);
	if (iface->conf.vlan)
		return link_by_vlan(rib, parent, iface->conf.vlan, ETH_P_8021Q);
	return parent;
}

/* Publishing */

static void fill_addresses(const struct link *link, struct interface *out)
{
	const struct address *a;

	for (int pass = 0; pass < 2; pass++) /* primary and global ones first */
		cds_list_for_each_entry(a, &link->addresses, on_link)
		{
			if (a->k.tentative)
				continue;
			if (a->k.addr.family == 4 && a->k.secondary == pass &&
			    out->n4 < IFACE_ADDRS_MAX) {
				out->addr4[out->n4].addr = a->k.addr.addr.s6_addr32[3];
				out->addr4[out->n4++].len = a->k.len;
			}
			if (a->k.addr.family == 6 && a->k.link_scope == pass &&
			    out->n6 < IFACE_ADDRS_MAX) {
				out->addr6[out->n6].addr = a->k.addr.addr;
				out->addr6[out->n6++].len = a->k.len;
			}
		}
}

static void fill(const struct rib *rib, const struct rib_iface *iface, struct interface *out)
{
	const struct link *link = iface->link ? iface->link : iface->port_link;

	memcpy(out->name, iface->name, sizeof(out->name));
	memcpy(out->device, iface->device, sizeof(out->device));
	out->slot = iface->slot;
	out->port = iface->conf.port;
	out->vlan = iface->conf.vlan;
	out->outer_vlan = iface->conf.outer_vlan;
	out->chain = iface->conf.chain;
	if (!link)
		return;
	out->mtu = link->k.mtu;
	memcpy(out->mac, link->k.mac, sizeof(out->mac));
	out->up = link_usable(link) && rib->port_usable[iface->conf.port];
	if (!iface->link)
		return;
	memcpy(out->device, link->k.name, sizeof(out->device));
	out->ifindex = link->k.ifindex;
	fill_addresses(link, out);
}

/* Publishes it if it differs from what workers see. */
static bool publish(struct rib *rib, struct rib_iface *iface)
{
	struct interface_box *box = calloc(1, sizeof(*box)), *old = iface->box;

	if (!box)
		return false;
	fill(rib, iface, &box->iface);
	if (old && !memcmp(&old->iface, &box->iface, sizeof(box->iface))) {
		free(box);
		return false;
	}
	iface->box = box;
	__atomic_store_n(&rib->fib.ifaces[iface->slot], &box->iface, __ATOMIC_RELEASE);
	rib->changed = true;
	if (old)
		rib_retire(rib, &old->retired, RETIRED_MEMORY, 0);
	return true;
}

static void floating_reattach(struct rib *rib)
{
	struct path *p, *next;

	cds_list_for_each_entry_safe(p, next, &rib->floating, floating) path_reattach(rib, p);
}

static void link_take(struct rib *rib, struct rib_iface *iface, struct link *link)
{
	struct link *old = iface->link;

	if (link && link != old && link->slot != IFACE_NONE)
		link = NULL; /* another interface has it; the old one is not it all the same */
	if (old == link)
		return;
	iface->link = link;
	if (link)
		link->slot = iface->slot;
	if (old) {
		old->slot = IFACE_NONE;
		link_recompile(rib, old);
	}
}

void interface_refresh(struct rib *rib, struct rib_iface *iface)
{
	iface->port_link = link_by_name(rib, iface->port_device);
	link_take(rib, iface, device_of(rib, iface));
	if (!publish(rib, iface))
		return;
	if (iface->link)
		link_recompile(rib, iface->link);
	floating_reattach(rib);
}

/* Might this link be, or have been, something to the interface? */
static bool concerns(const struct rib_iface *iface, const struct link *link, const char *name)
{
	if (iface->link == link || iface->port_link == link)
		return true;
	if (!strcmp(iface->device, name) || !strcmp(iface->port_device, name))
		return true;
	return !iface->device[0] && link->k.vlan_id &&
	       (link->k.vlan_id == iface->conf.vlan || link->k.vlan_id == iface->conf.outer_vlan);
}

void interface_link_changed(struct rib *rib, const struct link *link, const char *old_name)
{
	for (unsigned i = 0; i < IFACE_MAX; i++) {
		struct rib_iface *iface = rib->iface[i];

		if (iface && (concerns(iface, link, link->k.name) ||
			      (old_name && concerns(iface, link, old_name))))
			interface_refresh(rib, iface);
	}
}

struct link *interface_link_towards(const struct rib *rib, const struct ip_addr *gateway)
{
	struct link *best = NULL;
	int longest = -1;

	for (unsigned i = 0; i < IFACE_MAX; i++) {
		const struct rib_iface *iface = rib->iface[i];
		const struct address *a;

		if (!iface || !iface->link)
			continue;
		cds_list_for_each_entry(a, &iface->link->addresses, on_link)
		{
			uint32_t have[4], want[4];
			unsigned len = a->k.len;

			if (a->k.addr.family != gateway->family || (int)len <= longest)
				continue;
			route_key(&a->k.addr.addr, gateway->family, len, have);
			route_key(&gateway->addr, gateway->family, len, want);
			if (memcmp(have, want, sizeof(have)))
				continue;
			longest = (int)len;
			best = iface->link;
		}
	}
	return best;
}

/* VLANs of a port */

static unsigned count_vlans(const struct rib *rib, uint16_t port, bool twice)
{
	unsigned n = 0;

	for (unsigned i = 0; i < IFACE_MAX; i++)
		n += rib->iface[i] && rib->iface[i]->conf.port == port &&
		     (twice ? rib->iface[i]->conf.outer_vlan != 0 :
			      rib->iface[i]->conf.vlan && !rib->iface[i]->conf.outer_vlan);
	return n;
}

static void vlans_fill(const struct rib *rib, uint16_t port, struct port_vlans *v)
{
	v->untagged = IFACE_NONE;
	for (unsigned i = 0; v->single && i < 4096; i++)
		v->single[i] = IFACE_NONE;
	for (unsigned i = 0; i < IFACE_MAX; i++) {
		const struct rib_iface *iface = rib->iface[i];

		if (!iface || iface->conf.port != port)
			continue;
		if (iface->conf.outer_vlan) {
			v->twice[v->n_double].outer = iface->conf.outer_vlan;
			v->twice[v->n_double].inner = iface->conf.vlan;
			v->twice[v->n_double++].slot = iface->slot;
		} else if (iface->conf.vlan) {
			v->single[iface->conf.vlan & 4095] = iface->slot;
		} else {
			v->untagged = iface->slot;
		}
	}
}

static bool port_in_use(const struct rib *rib, uint16_t port)
{
	for (unsigned i = 0; i < IFACE_MAX; i++)
		if (rib->iface[i] && rib->iface[i]->conf.port == port)
			return true;
	return false;
}

static int vlans_rebuild(struct rib *rib, uint16_t port)
{
	struct port_vlans_box *box = NULL, *old = rib->vlans[port];
	size_t twice = count_vlans(rib, port, true), single = count_vlans(rib, port, false), size;

	if (port_in_use(rib, port)) {
		size = sizeof(*box) + twice * sizeof(box->vlans.twice[0]);
		size = (size + 7) & ~(size_t)7;
		box = calloc(1, size + (single ? 4096 * sizeof(uint16_t) : 0));
		if (!box)
			return -ENOMEM;
		if (single)
			box->vlans.single = (uint16_t *)(void *)((char *)box + size);
		vlans_fill(rib, port, &box->vlans);
	}
	rib->vlans[port] = box;
	__atomic_store_n(&rib->fib.vlans[port], box ? &box->vlans : NULL, __ATOMIC_RELEASE);
	rib->changed = true;
	if (old)
		rib_retire(rib, &old->retired, RETIRED_MEMORY, 0);
	return 0;
}

/* Configuration */

static bool conf_same(const struct rib_iface *iface, const struct rib_interface *conf)
{
	return !strcmp(iface->device, conf->device) &&
	       !strcmp(iface->port_device, conf->port_device) && iface->conf.port == conf->port &&
	       iface->conf.vlan == conf->vlan && iface->conf.outer_vlan == conf->outer_vlan &&
	       iface->conf.chain == conf->chain;
}

static void conf_take(struct rib_iface *iface, const struct rib_interface *conf)
{
	iface->conf = *conf;
	snprintf(iface->name, sizeof(iface->name), "%s", conf->name);
	snprintf(iface->device, sizeof(iface->device), "%s", conf->device);
	snprintf(iface->port_device, sizeof(iface->port_device), "%s", conf->port_device);
	iface->conf.name = iface->name;
	iface->conf.device = iface->device;
	iface->conf.port_device = iface->port_device;
}

static struct rib_iface *iface_new(struct rib *rib)
{
	struct rib_iface *iface;
	unsigned slot = 0;

	while (slot < IFACE_MAX && rib->slot_busy[slot])
		slot++;
	if (slot == IFACE_MAX)
		return NULL;
	iface = calloc(1, sizeof(*iface));
	if (!iface)
		return NULL;
	iface->slot = (uint16_t)slot;
	rib->slot_busy[slot] = true;
	return iface;
}

/* A device that this interface gives up may be what another one waits for. */
static void offer_link(struct rib *rib, const struct link *link)
{
	if (link)
		interface_link_changed(rib, link, NULL);
}

int rib_interface_set(struct rib *rib, const struct rib_interface *conf, uint16_t *slot)
{
	struct rib_iface *iface = interface_find(rib, conf->name);
	uint16_t old_port = PORT_NONE;
	struct link *old_link = NULL;
	int err;

	if (conf->port >= PORT_MAX || conf->vlan > 4095 || conf->outer_vlan > 4095)
		return -EINVAL;
	if (!iface) {
		iface = iface_new(rib);
		if (!iface) {
			rib_reclaim(rib); /* slots may be waiting */
			iface = iface_new(rib);
		}
		if (!iface)
			return -ENOSPC;
		rib->iface[iface->slot] = iface;
	} else if (conf_same(iface, conf)) {
		*slot = iface->slot;
		return 0;
	} else {
		old_port = iface->conf.port;
		old_link = iface->link;
	}
	conf_take(iface, conf);
	*slot = iface->slot;
	interface_refresh(rib, iface);
	if (old_link && old_link != iface->link)
		offer_link(rib, old_link);
	if (!iface->box)
		return -ENOMEM;
	err = vlans_rebuild(rib, conf->port);
	if (!err && old_port != PORT_NONE && old_port != conf->port)
		err = vlans_rebuild(rib, old_port);
	return err;
}

int rib_interface_del(struct rib *rib, const char *name)
{
	struct rib_iface *iface = interface_find(rib, name);
	struct link *link;
	uint16_t port;

	if (!iface)
		return -ENOENT;
	link = iface->link;
	port = iface->conf.port;
	rib->iface[iface->slot] = NULL;
	__atomic_store_n(&rib->fib.ifaces[iface->slot], NULL, __ATOMIC_RELEASE);
	rib->changed = true;
	link_take(rib, iface, NULL);
	floating_reattach(rib);
	if (iface->box)
		rib_retire(rib, &iface->box->retired, RETIRED_SLOT, iface->slot);
	else
		rib->slot_busy[iface->slot] = false;
	free(iface);
	offer_link(rib, link);
	return vlans_rebuild(rib, port);
}

void rib_port_state(struct rib *rib, uint16_t port, bool usable)
{
	if (port >= PORT_MAX || rib->port_usable[port] == usable)
		return;
	rib->port_usable[port] = usable;
	for (unsigned i = 0; i < IFACE_MAX; i++)
		if (rib->iface[i] && rib->iface[i]->conf.port == port)
			interface_refresh(rib, rib->iface[i]);
}

void interface_free_all(struct rib *rib)
{
	for (unsigned i = 0; i < IFACE_MAX; i++)
		if (rib->iface[i])
			rib_interface_del(rib, rib->iface[i]->name);
}
