/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's links, and what the kernel does to routes when one goes: see rib.h.
 *
 * A link that something names before its own message has come (a route, a neighbour) is a
 * placeholder: not present, hence not usable.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"
#include "rib_internal.h"

struct link *link_find(const struct rib *rib, int ifindex)
{
	struct hnode *node = htable_first(&rib->links, mix64(0, (uint32_t)ifindex));

	for (; node; node = htable_next(node)) {
		struct link *link = htable_entry(node, struct link, by_index);

		if (link->k.ifindex == ifindex)
			return link;
	}
	return NULL;
}

struct link *link_get(struct rib *rib, int ifindex)
{
	struct link *link = link_find(rib, ifindex);

	if (link)
		return link;
	link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	link->k.ifindex = ifindex;
	link->slot = IFACE_NONE;
	CDS_INIT_LIST_HEAD(&link->paths);
	CDS_INIT_LIST_HEAD(&link->neighbours);
	CDS_INIT_LIST_HEAD(&link->addresses);
	CDS_INIT_LIST_HEAD(&link->objects);
	htable_add(&rib->links, &link->by_index, mix64(0, (uint32_t)ifindex));
	return link;
}

void link_release(struct rib *rib, struct link *link)
{
	if (link->present || link->held || !cds_list_empty(&link->paths) ||
	    !cds_list_empty(&link->neighbours) || !cds_list_empty(&link->addresses) ||
	    !cds_list_empty(&link->objects))
		return;
	htable_del(&rib->links, &link->by_index);
	free(link);
}

bool link_usable(const struct link *link)
{
	return link->present && link->k.up && link->k.running;
}

/* Its state, MAC, MTU or interface has changed. */
void link_recompile(struct rib *rib, struct link *link)
{
	struct neighbour *n, *next;
	struct path *p;

	cds_list_for_each_entry(p, &link->paths, on_link) path_compile(rib, p);
	cds_list_for_each_entry_safe(n, next, &link->neighbours, on_link) neighbour_refresh(rib, n);
}

/* Has it no leg left? */
static bool group_is_down(const struct path *group)
{
	for (unsigned i = 0; i < group->n_members; i++) {
		const struct path_member *m = &group->members[i];
		const struct link *link = m->path->link;

		if (link && link->present && link->k.up && !m->ended)
			return false;
	}
	return true;
}

static bool drops(const struct path *p, enum link_loss loss)
{
	if (p->key.owner == OWNER_KERNEL6)
		return loss != LINK_LOST_ADDRESS;
	return p->key.owner == OWNER_KERNEL4;
}

static bool drops_leg(const struct path *p, enum link_loss loss)
{
	return drops(p, loss) && p->key.type != PATH_OBJECT &&
	       (loss != LINK_LOST_UP || p->key.owner == OWNER_KERNEL6 ||
		p->key.kind != NEXTHOP_LOCAL);
}

/* An IPv4 route goes with the first of its devices that is deleted, but only with the last of them
 * that goes down; an IPv6 one loses the legs. */
static bool drops_group(const struct path *group, enum link_loss loss)
{
	return group->key.type == PATH_GROUP && drops(group, loss) &&
	       ((loss == LINK_LOST && group->key.owner == OWNER_KERNEL4) || group_is_down(group));
}

void link_drop_routes(struct rib *rib, struct link *link, enum link_loss loss)
{
	struct path_member *m;
	struct path *p;

	cds_list_for_each_entry(p, &link->paths, on_link)
	{
		if (drops_leg(p, loss))
			path_make_orphan(rib, p);
		cds_list_for_each_entry(m, &p->parents, in_path)
		{
			if (loss == LINK_LOST_ADDRESS && m->group->key.owner == OWNER_KERNEL4)
				m->ended = true;
		}
	}
	/* a group may have several legs here: all of them have to be known */
	cds_list_for_each_entry(p, &link->paths, on_link)
	{
		cds_list_for_each_entry(m, &p->parents, in_path)
		{
			if (drops_group(m->group, loss))
				path_make_orphan(rib, m->group);
		}
	}
}

void link_begin_ipv4(struct link *link)
{
	struct path_member *m;
	struct path *p;

	cds_list_for_each_entry(p, &link->paths, on_link)
	{
		cds_list_for_each_entry(m, &p->parents, in_path) m->ended = false;
	}
}

static bool link_same(const struct rib_link *a, const struct rib_link *b)
{
	return !strcmp(a->name, b->name) && !memcmp(a->mac, b->mac, 6) && a->mtu == b->mtu &&
	       a->up == b->up && a->running == b->running && a->parent == b->parent &&
	       a->vlan_id == b->vlan_id && a->vlan_proto == b->vlan_proto;
}

int rib_link_set(struct rib *rib, const struct rib_link *k)
{
	struct link *link = link_get(rib, k->ifindex);
	struct rib_link old;
	bool was_present;

	if (!link)
		return -ENOMEM;
	link->seen = true;
	if (link->present && link_same(&link->k, k))
		return 0;
	old = link->k;
	was_present = link->present;
	link->k = *k;
	link->k.name[sizeof(link->k.name) - 1] = 0;
	link->present = true;
	if (k->up && !(was_present && old.up))
		link_begin_ipv4(link);
	interface_link_changed(rib, link, was_present ? old.name : NULL);
	link_recompile(rib, link);
	if (was_present && old.up && !k->up)
		link_drop_routes(rib, link, LINK_LOST_UP);
	if (was_present && !link_usable(link) && old.up && old.running)
		object_link_down(rib, link);
	return 0;
}

static void link_remove(struct rib *rib, struct link *link)
{
	char name[sizeof(link->k.name)];

	memcpy(name, link->k.name, sizeof(name));
	link->present = false;
	link->held = true;
	interface_link_changed(rib, link, name);
	link_recompile(rib, link);
	link_drop_routes(rib, link, LINK_LOST);
	object_link_down(rib, link);
	neighbour_drop_all(rib, link);
	address_drop_all(rib, link);
	link->held = false;
	link_release(rib, link);
}

int rib_link_del(struct rib *rib, int ifindex)
{
	struct link *link = link_find(rib, ifindex);

	if (link && link->present)
		link_remove(rib, link);
	return 0;
}

static struct link *unseen(const struct rib *rib)
{
	struct hnode *node = NULL;

	while ((node = htable_each(&rib->links, node))) {
		struct link *link = htable_entry(node, struct link, by_index);

		if (link->present && !link->seen)
			return link;
	}
	return NULL;
}

void link_sweep(struct rib *rib)
{
	struct link *link;

	while ((link = unseen(rib)))
		link_remove(rib, link);
}

void link_free_all(struct rib *rib)
{
	struct hnode *node;

	while ((node = htable_each(&rib->links, NULL)))
		link_remove(rib, htable_entry(node, struct link, by_index));
}
