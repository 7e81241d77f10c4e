/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: those of our interfaces become part of struct interface; those of all links are the
 * host's own, counted over the links that have them, told to the steering map, and routed as local
 * (IPv4 broadcast addresses as broadcast) whether or not the kernel's local table is seen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rib_internal.h"

static struct own_address *own_find(const struct rib *rib, const struct ip_addr *addr,
				    bool broadcast)
{
	struct hnode *node = htable_first(&rib->own, ip_addr_hash(addr, broadcast));

	for (; node; node = htable_next(node)) {
		struct own_address *own = htable_entry(node, struct own_address, by_addr);

		if (own->broadcast == broadcast && ip_addr_equal(&own->addr, addr))
			return own;
	}
	return NULL;
}

/* Workers' filter and the steering map know an address once, whatever it is. */
static void own_tell(struct rib *rib, const struct own_address *own, bool present)
{
	if (own_find(rib, &own->addr, !own->broadcast))
		return;
	if (present)
		own_filter_add(&rib->fib.own, &own->addr);
	else
		own_filter_del(&rib->fib.own, &own->addr);
	if (rib->callbacks.local_address)
		rib->callbacks.local_address(rib->callbacks.arg, &own->addr, present);
}

static int own_add(struct rib *rib, const struct ip_addr *addr, bool broadcast)
{
	struct own_address *own = own_find(rib, addr, broadcast);
	int err;

	if (own) {
		own->refs++;
		return 0;
	}
	own = calloc(1, sizeof(*own));
	if (!own)
		return -ENOMEM;
	own->addr = ip_addr_clean(addr);
	own->broadcast = broadcast;
	own->refs = 1;
	err = route_address_set(rib, &own->addr, broadcast);
	if (err) {
		free(own);
		return err;
	}
	htable_add(&rib->own, &own->by_addr, ip_addr_hash(addr, broadcast));
	own_tell(rib, own, true);
	return 0;
}

static void own_remove(struct rib *rib, const struct ip_addr *addr, bool broadcast, bool infer)
{
	struct own_address *own = own_find(rib, addr, broadcast);

	if (!own || --own->refs)
		return;
	htable_del(&rib->own, &own->by_addr);
	route_address_del(rib, &own->addr, broadcast);
	if (infer && !broadcast && own->addr.family == 4)
		route_drop_prefsrc(rib, &own->addr);
	own_tell(rib, own, false);
	free(own);
}

static struct address *address_find(const struct link *link, const struct rib_address *k)
{
	struct address *a;

	cds_list_for_each_entry(a, &link->addresses,
				on_link) if (a->k.len == k->len &&
					     ip_addr_equal(&a->k.addr, &k->addr)) return a;
	return NULL;
}

static bool has_broadcast(const struct rib_address *k)
{
	return k->broadcast.family == 4 && !ip_addr_equal(&k->broadcast, &k->addr);
}

static bool address_same(const struct rib_address *a, const struct rib_address *b)
{
	return a->link_scope == b->link_scope && a->tentative == b->tentative &&
	       a->secondary == b->secondary && ip_addr_equal(&a->broadcast, &b->broadcast);
}

static void address_changed(struct rib *rib, const struct link *link)
{
	if (link->slot != IFACE_NONE)
		interface_refresh(rib, rib->iface[link->slot]);
}

static int address_update(struct rib *rib, struct link *link, struct address *a,
			  const struct rib_address *k)
{
	bool rebroadcast = !ip_addr_equal(&a->k.broadcast, &k->broadcast);
	int err = rebroadcast && has_broadcast(k) ? own_add(rib, &k->broadcast, true) : 0;

	if (err)
		return err;
	if (rebroadcast && has_broadcast(&a->k))
		own_remove(rib, &a->k.broadcast, true, false);
	a->k = *k;
	address_changed(rib, link);
	return 0;
}

static int address_add(struct rib *rib, struct link *link, const struct rib_address *k)
{
	struct address *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->k = *k;
	a->seen = true;
	err = own_add(rib, &k->addr, false);
	if (err)
		goto fail;
	err = has_broadcast(k) ? own_add(rib, &k->broadcast, true) : 0;
	if (err) {
		own_remove(rib, &k->addr, false, false);
		goto fail;
	}
	cds_list_add_tail(&a->on_link, &link->addresses);
	if (k->addr.family == 4)
		link_begin_ipv4(link);
	address_changed(rib, link);
	return 0;
fail:
	free(a);
	return err;
}

int rib_address_set(struct rib *rib, const struct rib_address *k)
{
	struct link *link = link_get(rib, k->ifindex);
	struct address *a;
	int err = 0;

	if (!link)
		return -ENOMEM;
	a = address_find(link, k);
	if (!a) {
		err = address_add(rib, link, k);
		link_release(rib, link);
		return err;
	}
	a->seen = true;
	return address_same(&a->k, k) ? 0 : address_update(rib, link, a, k);
}

/* infer: the kernel has dropped routes because of this, see rib.h. */
static void address_remove(struct rib *rib, struct link *link, struct address *a, bool infer)
{
	unsigned others = 0;
	struct address *other;

	cds_list_del(&a->on_link);
	if (has_broadcast(&a->k))
		own_remove(rib, &a->k.broadcast, true, infer);
	own_remove(rib, &a->k.addr, false, infer);
	cds_list_for_each_entry(other, &link->addresses, on_link)
		others += other->k.addr.family == 4;
	if (infer && a->k.addr.family == 4 && !others)
		link_drop_routes(rib, link, LINK_LOST_ADDRESS);
	address_changed(rib, link);
	free(a);
}

int rib_address_del(struct rib *rib, const struct rib_address *k)
{
	struct link *link = link_find(rib, k->ifindex);
	struct address *a = link ? address_find(link, k) : NULL;

	if (a) {
		address_remove(rib, link, a, true);
		link_release(rib, link);
	}
	return 0;
}

void address_drop_all(struct rib *rib, struct link *link)
{
	struct address *a, *next;

	cds_list_for_each_entry_safe(a, next, &link->addresses, on_link)
		address_remove(rib, link, a, true);
}

void address_free_all(struct rib *rib)
{
	struct hnode *node = NULL;
	struct address *a, *next;

	while ((node = htable_each(&rib->links, node)))
		cds_list_for_each_entry_safe(
			a, next, &htable_entry(node, struct link, by_index)->addresses, on_link)
			address_remove(rib, htable_entry(node, struct link, by_index), a, false);
}

/* What a resync did not meet. The routes that it has brought are the truth: nothing is inferred. */
void address_sweep(struct rib *rib)
{
	struct hnode *node = NULL;
	struct address *a, *next;

	while ((node = htable_each(&rib->links, node))) {
		struct link *link = htable_entry(node, struct link, by_index);

		cds_list_for_each_entry_safe(a, next, &link->addresses, on_link) if (!a->seen)
			address_remove(rib, link, a, false);
	}
}
