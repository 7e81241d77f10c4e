/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's next-hop objects (`ip nexthop`), single ones and groups.
 *
 * Routes by an object have a path of type OBJECT under its number. Redefining an object re-attaches
 * those paths: their ids stay, so a change of one object is one compilation for all its routes. As
 * in the kernel, deleting an object takes its routes with it, and takes it out of its groups; a
 * group without members is deleted in turn. An object that something names before it is known is a
 * placeholder and leads nowhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"
#include "rib_internal.h"

static struct object *object_find(const struct rib *rib, uint32_t id)
{
	struct hnode *node = htable_first(&rib->objects, mix64(rib->seed, id));

	for (; node; node = htable_next(node)) {
		struct object *o = htable_entry(node, struct object, by_id);

		if (o->id == id)
			return o;
	}
	return NULL;
}

struct object *object_get(struct rib *rib, uint32_t id)
{
	struct object *o = object_find(rib, id);

	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->id = id;
	CDS_INIT_LIST_HEAD(&o->paths);
	CDS_INIT_LIST_HEAD(&o->on_link);
	htable_add(&rib->objects, &o->by_id, mix64(rib->seed, id));
	return o;
}

void object_release(struct rib *rib, struct object *o)
{
	if (o->present || o->in_groups || !cds_list_empty(&o->paths))
		return;
	htable_del(&rib->objects, &o->by_id);
	free(o);
}

/* Takes the definition away; the object remains, known or not, for those who name it. */
static void object_undefine(struct rib *rib, struct object *o)
{
	struct link *link = o->link;
	struct object *member;

	cds_list_del_init(&o->on_link);
	o->link = NULL;
	for (unsigned i = 0; i < o->n_members; i++) {
		member = object_find(rib, o->members[i].id);
		member->in_groups--;
		if (member != o)
			object_release(rib, member);
	}
	free(o->members);
	o->members = NULL;
	o->n_members = 0;
	o->kind = NEXTHOP_NONE;
	o->ifindex = 0;
	o->gateway = (struct ip_addr){ 0 };
	if (link)
		link_release(rib, link);
}

static int object_define(struct rib *rib, struct object *o, const struct rib_target *t,
			 struct object_member *members, unsigned n)
{
	struct object *member;

	o->kind = t->kind;
	if (n) {
		for (unsigned i = 0; i < n; i++) {
			member = object_get(rib, members[i].id);
			if (!member)
				return -ENOMEM;
			member->in_groups++;
			o->members = members;
			o->n_members = i + 1;
		}
		return 0;
	}
	if (t->kind != NEXTHOP_FORWARD)
		return 0;
	o->ifindex = t->hops[0].ifindex;
	o->gateway = ip_addr_clean(&t->hops[0].gateway);
	o->link = link_get(rib, o->ifindex);
	if (!o->link)
		return -ENOMEM;
	cds_list_add(&o->on_link, &o->link->objects);
	return 0;
}

static void object_reattach_paths(struct rib *rib, struct object *o)
{
	struct cds_list_head paths;
	struct path *p;

	CDS_INIT_LIST_HEAD(&paths);
	cds_list_splice(&o->paths, &paths);
	CDS_INIT_LIST_HEAD(&o->paths);
	o->in_groups++; /* held */
	while (!cds_list_empty(&paths)) {
		p = cds_list_first_entry(&paths, struct path, on_object);
		if (p->orphan) {
			cds_list_del(&p->on_object);
			cds_list_add(&p->on_object, &o->paths);
		} else {
			path_reattach(rib, p);
		}
	}
	o->in_groups--;
}

/* The same definition already? */
static bool object_is(const struct object *o, const struct rib_target *t,
		      const struct object_member *members, unsigned n)
{
	if (!o->present || o->kind != t->kind || o->n_members != n)
		return false;
	if (n)
		return !memcmp(o->members, members, n * sizeof(*members));
	return t->kind != NEXTHOP_FORWARD || (o->ifindex == t->hops[0].ifindex &&
					      ip_addr_equal(&o->gateway, &t->hops[0].gateway));
}

static int members_of(const struct rib_target *t, const uint32_t *ids,
		      struct object_member **members)
{
	*members = NULL;
	if (t->n_hops > RIB_HOPS_MAX)
		return -E2BIG;
	if (!ids)
		return t->kind == NEXTHOP_FORWARD && t->n_hops != 1 ? -EINVAL : 0;
	if (!t->n_hops)
		return -EINVAL;
	*members = calloc(t->n_hops, sizeof(**members));
	if (!*members)
		return -ENOMEM;
	for (unsigned i = 0; i < t->n_hops; i++) {
		(*members)[i].id = ids[i];
		(*members)[i].weight = t->hops[i].weight ? t->hops[i].weight : 1;
	}
	return 0;
}

int rib_nexthop_object_set(struct rib *rib, uint32_t id, const struct rib_target *target,
			   const uint32_t *ids)
{
	struct object_member *members;
	unsigned n = ids ? target->n_hops : 0;
	struct object *o;
	int err;

	if (!id)
		return -EINVAL;
	err = members_of(target, ids, &members);
	if (err)
		return err;
	o = object_get(rib, id);
	if (!o) {
		free(members);
		return -ENOMEM;
	}
	o->seen = true;
	if (object_is(o, target, members, n)) {
		free(members);
		return 0;
	}
	o->in_groups++; /* held */
	object_undefine(rib, o);
	o->present = true;
	err = object_define(rib, o, target, members, n);
	if (err) {
		if (o->members != members)
			free(members);
		object_undefine(rib, o);
		o->present = false;
	}
	object_reattach_paths(rib, o);
	o->in_groups--;
	object_release(rib, o);
	return err;
}

static void object_delete(struct rib *rib, struct object *o);

/* Takes the object out of the groups that have it, as the kernel does without a message. */
static void object_leave_groups(struct rib *rib, struct object *o)
{
	struct hnode *node = NULL;
	struct object *g;
	unsigned i;

	while (o->in_groups > 1 && (node = htable_each(&rib->objects, node))) {
		g = htable_entry(node, struct object, by_id);
		for (i = 0; i < g->n_members && g->members[i].id != o->id; i++)
			;
		if (i == g->n_members)
			continue;
		if (g->n_members == 1) {
			object_delete(rib, g);
			node = NULL; /* it may have been freed: from the start */
			continue;
		}
		memmove(&g->members[i], &g->members[i + 1],
			(g->n_members - i - 1) * sizeof(*g->members));
		g->n_members--;
		o->in_groups--;
		object_reattach_paths(rib, g);
	}
}

static void object_delete(struct rib *rib, struct object *o)
{
	struct path *p;

	o->in_groups++; /* held */
	object_leave_groups(rib, o);
	cds_list_for_each_entry(p, &o->paths, on_object) if (p->key.owner != OWNER_PLAIN)
		path_make_orphan(rib, p);
	object_undefine(rib, o);
	o->present = false;
	object_reattach_paths(rib, o);
	o->in_groups--;
	object_release(rib, o);
}

int rib_nexthop_object_del(struct rib *rib, uint32_t id)
{
	struct object *o = object_find(rib, id);

	if (o && o->present)
		object_delete(rib, o);
	return 0;
}

void object_link_down(struct rib *rib, struct link *link)
{
	while (!cds_list_empty(&link->objects))
		object_delete(rib, cds_list_first_entry(&link->objects, struct object, on_link));
}

/* The next present object that a resync has not met. */
static struct object *unseen(const struct rib *rib)
{
	struct hnode *node = NULL;

	while ((node = htable_each(&rib->objects, node))) {
		struct object *o = htable_entry(node, struct object, by_id);

		if (o->present && !o->seen)
			return o;
	}
	return NULL;
}

void object_sweep(struct rib *rib)
{
	struct object *o;

	while ((o = unseen(rib)))
		object_delete(rib, o);
}

void object_free_all(struct rib *rib)
{
	struct hnode *node;

	while ((node = htable_each(&rib->objects, NULL)))
		object_delete(rib, htable_entry(node, struct object, by_id));
}
