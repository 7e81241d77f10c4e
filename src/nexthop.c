/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths: the registry by content, ids, what each depends on, and the compilation into struct
 * nexthop. See nexthop.h.
 *
 * Publishing: nexthops[id] is exchanged with release order and the old struct is freed after a
 * grace period. An id is handed out again only after one, too: a worker may still hold it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mix.h"
#include "rib_internal.h"

/* Content, index */

static uint64_t key_hash(const struct rib *rib, const struct path_key *k)
{
	uint64_t h = rib->seed;

	h = mix64(h, (uint64_t)k->type << 56 | (uint64_t)k->owner << 48 | (uint64_t)k->kind << 40 |
			     (uint64_t)k->by << 32 | k->where);
	h = mix64(h, (uint64_t)k->mtu << 32 | k->n);
	if (k->gateway.family)
		h = ip_addr_hash(&k->gateway, h);
	for (uint32_t i = 0; i < k->n; i++)
		h = mix64(h, (uint64_t)k->members[i].id << 32 | k->members[i].weight);
	return h;
}

static bool key_equal(const struct path_key *a, const struct path_key *b)
{
	return a->type == b->type && a->owner == b->owner && a->kind == b->kind && a->by == b->by &&
	       a->where == b->where && a->mtu == b->mtu && a->n == b->n &&
	       ip_addr_equal(&a->gateway, &b->gateway) &&
	       (!a->n || !memcmp(a->members, b->members, a->n * sizeof(*a->members)));
}

static struct path *path_find(const struct rib *rib, const struct path_key *key)
{
	struct hnode *node = htable_first(&rib->paths, key_hash(rib, key));

	for (; node; node = htable_next(node)) {
		struct path *p = htable_entry(node, struct path, by_content);

		if (key_equal(&p->key, key))
			return p;
	}
	return NULL;
}

struct path *path_by_id(const struct rib *rib, uint32_t id)
{
	return rib->path[id];
}

void path_hold(struct path *path)
{
	path->refs++;
}

static uint32_t id_new(struct rib *rib)
{
	if (!rib->n_free_ids && rib->top_id == NEXTHOP_MAX - 1)
		rib_reclaim(rib);
	if (rib->n_free_ids)
		return rib->free_ids[--rib->n_free_ids];
	return rib->top_id < NEXTHOP_MAX - 1 ? ++rib->top_id : 0;
}

/* What it depends on */

static int attach_leg(struct rib *rib, struct path *p, struct link *link,
		      const struct ip_addr *gateway)
{
	p->link = link;
	if (!link)
		return 0;
	cds_list_add(&p->on_link, &link->paths);
	if (!gateway->family)
		return 0;
	p->neighbour = neighbour_get(rib, link, gateway);
	if (!p->neighbour)
		return -ENOMEM;
	cds_list_add(&p->on_neighbour, &p->neighbour->paths);
	return 0;
}

static int attach_member(struct rib *rib, struct path *group, struct path *member, uint32_t weight)
{
	struct path_member *m = &group->members[group->n_members++];

	*m = (struct path_member){ .path = member, .group = group, .weight = weight };
	path_hold(member);
	cds_list_add(&m->in_path, &member->parents);
	return 0;
}

static int path_get(struct rib *rib, const struct path_key *key, struct path **out);

static int attach_object(struct rib *rib, struct path *p)
{
	struct object *o = object_get(rib, p->key.where);
	struct path_key key = { .type = PATH_OBJECT, .mtu = p->key.mtu };
	struct path *member;
	int err;

	if (!o)
		return -ENOMEM;
	p->object = o;
	cds_list_add(&p->on_object, &o->paths);
	if (!o->present)
		return 0;
	if (!o->n_members) {
		if (o->kind != NEXTHOP_FORWARD)
			return 0;
		return o->link ? attach_leg(rib, p, o->link, &o->gateway) : 0;
	}
	p->members = calloc(o->n_members, sizeof(*p->members));
	if (!p->members)
		return -ENOMEM;
	for (unsigned i = 0; i < o->n_members; i++) {
		key.where = o->members[i].id;
		err = path_get(rib, &key, &member);
		if (err)
			return err;
		attach_member(rib, p, member, o->members[i].weight);
		path_put(rib, member);
	}
	return 0;
}

static int attach_group(struct rib *rib, struct path *p)
{
	p->members = calloc(p->key.n, sizeof(*p->members));
	if (!p->members)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->key.n; i++)
		attach_member(rib, p, path_by_id(rib, p->key.members[i].id),
			      p->key.members[i].weight);
	return 0;
}

static int path_attach(struct rib *rib, struct path *p)
{
	struct link *link = NULL;

	p->attached = true;
	switch (p->key.type) {
	case PATH_OBJECT: return attach_object(rib, p);
	case PATH_GROUP: return attach_group(rib, p);
	case PATH_LEG:
		if (p->key.by == LEG_BY_SLOT)
			link = rib->iface[p->key.where] ? rib->iface[p->key.where]->link : NULL;
		else if (p->key.by == LEG_BY_GATEWAY)
			link = interface_link_towards(rib, &p->key.gateway);
		else if (!(link = link_get(rib, (int)p->key.where)))
			return -ENOMEM;
		return attach_leg(rib, p, link, &p->key.gateway);
	case PATH_SPECIAL: /* its device matters only for what the kernel drops */
		if (p->key.where && !(link = link_get(rib, (int)p->key.where)))
			return -ENOMEM;
		return attach_leg(rib, p, link, &p->key.gateway);
	}
	return -EINVAL;
}

static void path_detach(struct rib *rib, struct path *p)
{
	struct link *link = p->link;
	struct neighbour *neighbour = p->neighbour;
	struct object *object = p->object;
	struct path_member *members = p->members;
	unsigned n = p->n_members;

	if (link)
		cds_list_del(&p->on_link);
	if (neighbour)
		cds_list_del(&p->on_neighbour);
	if (object)
		cds_list_del(&p->on_object);
	p->link = NULL;
	p->neighbour = NULL;
	p->object = NULL;
	p->members = NULL;
	p->n_members = 0;
	p->attached = false;
	for (unsigned i = 0; i < n; i++) {
		cds_list_del(&members[i].in_path);
		path_put(rib, members[i].path);
	}
	free(members);
	if (neighbour)
		neighbour_release(rib, neighbour); /* and its link, which is this one */
	else if (link)
		link_release(rib, link);
	if (object)
		object_release(rib, object);
}

/* Making and ending */

static void path_destroy(struct rib *rib, struct path *p)
{
	path_detach(rib, p);
	if (!p->orphan)
		htable_del(&rib->paths, &p->by_content);
	cds_list_del(&p->dirty);
	cds_list_del(&p->floating);
	cds_list_del(&p->changed_node);
	rib->path[p->id] = NULL;
	if (p->key.type == PATH_GROUP)
		rib->n_groups--;
	rib->n_paths--;
	if (p->box)
		rib_retire(rib, &p->box->retired, RETIRED_NEXTHOP_ID, p->id);
	else
		rib->free_ids[rib->n_free_ids++] = p->id;
	free((void *)(uintptr_t)p->key.members);
	free(p);
}

void path_put(struct rib *rib, struct path *path)
{
	if (!--path->refs)
		path_destroy(rib, path);
}

static struct path *path_alloc(struct rib *rib, const struct path_key *key)
{
	struct path_member_key *members = NULL;
	struct path *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	if (key->n) {
		members = malloc(key->n * sizeof(*members));
		if (!members) {
			free(p);
			return NULL;
		}
		memcpy(members, key->members, key->n * sizeof(*members));
	}
	p->key = *key;
	p->key.members = members;
	p->refs = 1;
	CDS_INIT_LIST_HEAD(&p->parents);
	CDS_INIT_LIST_HEAD(&p->dirty);
	CDS_INIT_LIST_HEAD(&p->floating);
	CDS_INIT_LIST_HEAD(&p->changed_node);
	return p;
}

/* The path with this content, made where there is none; a reference for the caller. */
static int path_get(struct rib *rib, const struct path_key *key, struct path **out)
{
	struct path *p = path_find(rib, key);
	int err;

	if (p) {
		path_hold(p);
		*out = p;
		return 0;
	}
	p = path_alloc(rib, key);
	if (!p)
		return -ENOMEM;
	p->id = id_new(rib);
	if (!p->id) {
		free((void *)(uintptr_t)p->key.members);
		free(p);
		return -ENOSPC;
	}
	rib->path[p->id] = p;
	rib->n_paths++;
	if (key->type == PATH_GROUP)
		rib->n_groups++;
	htable_add(&rib->paths, &p->by_content, key_hash(rib, key));
	if (key->type == PATH_LEG && key->by != LEG_BY_IFINDEX)
		cds_list_add(&p->floating, &rib->floating);
	err = path_attach(rib, p);
	if (!err) {
		path_compile(rib, p);
		err = p->box ? 0 : -ENOMEM;
	}
	if (err) {
		path_put(rib, p);
		return err;
	}
	*out = p;
	return 0;
}

/* From targets to paths */

static int hop_key(const struct rib *rib, const struct rib_hop *hop, uint32_t mtu,
		   enum path_owner owner, struct path_key *key)
{
	const struct rib_iface *iface;

	*key = (struct path_key){ .type = PATH_LEG, .owner = owner, .mtu = mtu };
	key->gateway = ip_addr_clean(&hop->gateway);
	key->where = (uint32_t)hop->ifindex;
	if (hop->interface) {
		iface = interface_find(rib, hop->interface);
		if (!iface)
			return -ENODEV;
		key->by = LEG_BY_SLOT;
		key->where = iface->slot;
	} else if (!hop->ifindex) {
		if (!hop->gateway.family)
			return -EINVAL;
		key->by = LEG_BY_GATEWAY;
	}
	return 0;
}

struct path *path_of_hop(struct rib *rib, const struct rib_hop *hop, uint32_t mtu)
{
	struct path_key key;

	return hop_key(rib, hop, mtu, OWNER_PLAIN, &key) ? NULL : path_find(rib, &key);
}

/* Sorted by id, twice the same summed up. Returns how many are left. */
static unsigned members_sort(struct path_member_key *m, unsigned n)
{
	unsigned kept = 0, j;

	for (unsigned i = 0; i < n; i++) {
		struct path_member_key one = m[i];

		for (j = 0; j < kept && m[j].id < one.id; j++)
			;
		if (j < kept && m[j].id == one.id) {
			m[j].weight += one.weight;
			continue;
		}
		memmove(&m[j + 1], &m[j], (kept - j) * sizeof(*m));
		m[j] = one;
		kept++;
	}
	return kept;
}

int path_of_members(struct rib *rib, const struct path_member_key *members, unsigned n,
		    enum path_owner owner, struct path **out)
{
	struct path_member_key sorted[2 * RIB_HOPS_MAX];
	struct path_key key;

	memcpy(sorted, members, n * sizeof(*members));
	n = members_sort(sorted, n);
	if (n > RIB_HOPS_MAX)
		return -E2BIG;
	if (n == 1) {
		key = path_by_id(rib, sorted[0].id)->key;
		key.owner = owner;
	} else {
		key = (struct path_key){
			.type = PATH_GROUP, .owner = owner, .n = n, .members = sorted
		};
	}
	return path_get(rib, &key, out);
}

/* A route's several hops: their legs are made for the time of the call, the group holds them. */
static int group_of_hops(struct rib *rib, const struct rib_target *t, uint32_t mtu,
			 enum path_owner owner, struct path **out)
{
	struct path_member_key members[RIB_HOPS_MAX];
	struct path_key key;
	struct path *leg;
	unsigned n = 0;
	int err = 0;

	for (; n < t->n_hops; n++) {
		err = hop_key(rib, &t->hops[n], mtu, OWNER_PLAIN, &key);
		if (!err)
			err = path_get(rib, &key, &leg);
		if (err)
			break;
		members[n].id = leg->id;
		members[n].weight = t->hops[n].weight ? t->hops[n].weight : 1;
	}
	if (!err)
		err = path_of_members(rib, members, n, owner, out);
	while (n)
		path_put(rib, path_by_id(rib, members[--n].id));
	return err;
}

static int find_group_of_hops(struct rib *rib, const struct rib_target *t, uint32_t mtu,
			      enum path_owner owner, struct path **out)
{
	struct path_member_key members[RIB_HOPS_MAX];
	struct path_key key = { .type = PATH_GROUP, .owner = owner };
	struct path *leg;
	unsigned n;

	for (unsigned i = 0; i < t->n_hops; i++) {
		leg = path_of_hop(rib, &t->hops[i], mtu);
		if (!leg)
			return 0;
		members[i].id = leg->id;
		members[i].weight = t->hops[i].weight ? t->hops[i].weight : 1;
	}
	n = members_sort(members, t->n_hops);
	if (n == 1) {
		key = path_by_id(rib, members[0].id)->key;
		key.owner = owner;
	} else {
		key.n = n;
		key.members = members;
	}
	*out = path_find(rib, &key);
	return 0;
}

int path_of_target(struct rib *rib, const struct rib_target *t, uint32_t mtu, enum path_owner owner,
		   bool create, struct path **out)
{
	struct path_key key = { .owner = owner };
	int err;

	*out = NULL;
	if (t->nexthop_object) {
		key.type = PATH_OBJECT;
		key.where = t->nexthop_object;
		key.mtu = mtu;
	} else if (t->kind != NEXTHOP_FORWARD) {
		key.type = PATH_SPECIAL;
		key.kind = t->kind;
		if ((t->kind == NEXTHOP_LOCAL || t->kind == NEXTHOP_BROADCAST) && t->n_hops)
			key.where = (uint32_t)t->hops[0].ifindex;
		else
			key.owner = OWNER_PLAIN;
	} else if (t->n_hops > RIB_HOPS_MAX) {
		return -E2BIG;
	} else if (t->n_hops > 1) {
		err = find_group_of_hops(rib, t, mtu, owner, out);
		if (err || !create)
			return err;
		if (!*out)
			return group_of_hops(rib, t, mtu, owner, out);
		path_hold(*out);
		return 0;
	} else if (t->n_hops == 1) {
		err = hop_key(rib, t->hops, mtu, owner, &key);
		if (err)
			return err;
	} else {
		return -EINVAL;
	}
	if (create)
		return path_get(rib, &key, out);
	*out = path_find(rib, &key);
	return 0;
}

int path_special(struct rib *rib, enum nexthop_kind kind, struct path **out)
{
	struct path_key key = { .type = PATH_SPECIAL, .kind = kind };

	return path_get(rib, &key, out);
}

/* Compilation */

struct nexthop_box *nexthop_box_new(uint32_t buckets)
{
	return calloc(1, sizeof(struct nexthop_box) + buckets * sizeof(uint32_t));
}

uint8_t nexthop_l2(uint8_t *l2, const uint8_t *dst, const struct interface *iface)
{
	uint8_t *p = l2 + 12;

	memcpy(l2, dst, 6);
	memcpy(l2 + 6, iface->mac, 6);
	if (iface->outer_vlan) {
		*p++ = 0x88; /* 802.1ad */
		*p++ = 0xa8;
		*p++ = (uint8_t)(iface->outer_vlan >> 8);
		*p++ = (uint8_t)iface->outer_vlan;
	}
	if (iface->vlan) {
		*p++ = 0x81;
		*p++ = 0x00;
		*p++ = (uint8_t)(iface->vlan >> 8);
		*p++ = (uint8_t)iface->vlan;
	}
	*p++ = 0; /* the ethertype's place */
	*p++ = 0;
	return (uint8_t)(p - l2);
}

bool nexthop_same(const struct nexthop *a, const struct nexthop *b)
{
	size_t rest = offsetof(struct nexthop, stale);

	return !memcmp(a, b, offsetof(struct nexthop, used)) &&
	       !memcmp((const char *)a + rest, (const char *)b + rest,
		       offsetof(struct nexthop, buckets) - rest) &&
	       !a->buckets == !b->buckets &&
	       (!a->buckets ||
		!memcmp(a->buckets, b->buckets, (a->bucket_mask + 1) * sizeof(*a->buckets)));
}

static void fill_leg(const struct rib *rib, const struct path *p, struct nexthop *nh)
{
	const struct interface *iface;

	nh->kind = NEXTHOP_DOWN;
	nh->port = PORT_NONE;
	nh->iface = IFACE_NONE;
	nh->mtu = p->key.mtu;
	if (p->neighbour)
		nh->gateway = p->neighbour->addr;
	if (p->orphan || !p->link || !link_usable(p->link))
		return;
	iface = fib_interface(&rib->fib, p->link->slot);
	if (!iface) {
		nh->kind = NEXTHOP_NOT_A_PORT;
		return;
	}
	nh->port = iface->port;
	nh->iface = iface->slot;
	if (!nh->mtu || nh->mtu > iface->mtu)
		nh->mtu = iface->mtu;
	if (!iface->up)
		return;
	if (p->neighbour)
		neighbour_describe(p->neighbour, iface, nh);
	else
		nh->kind = NEXTHOP_ONLINK;
}

static uint64_t member_key(const struct path *p)
{
	uint64_t h = mix64(1, p->link ? (uint64_t)p->link->k.ifindex : 0);

	return p->neighbour ? ip_addr_hash(&p->neighbour->addr, h) : h;
}

/* The usable members take part; where none is, all do. */
static unsigned group_take(const struct path *p, bool all, struct bucket_member *out)
{
	unsigned n = 0, twin;

	for (unsigned i = 0; i < p->n_members; i++) {
		const struct path_member *m = &p->members[i];

		if (!all && !m->path->alive)
			continue;
		out[n].key = member_key(m->path);
		out[n].id = m->path->id;
		out[n].weight = m->weight;
		for (unsigned j = twin = 0; j < i; j++)
			twin += member_key(p->members[j].path) == member_key(m->path);
		if (twin) /* two objects that are the same thing */
			out[n].key = mix64(out[n].key, twin);
		n++;
	}
	return n;
}

static int fill_group(struct rib *rib, struct path *p, struct nexthop_box **box)
{
	struct bucket_member members[RIB_HOPS_MAX];
	unsigned n, bits;
	uint32_t *buckets;

	bits = buckets_bits(p->n_members, rib->n_groups);
	if (bits > p->bucket_bits) /* more members; never fewer buckets: flows would move */
		p->bucket_bits = (uint8_t)bits;
	*box = nexthop_box_new(1u << p->bucket_bits);
	if (!*box)
		return -ENOMEM;
	n = group_take(p, false, members);
	if (!n)
		n = group_take(p, true, members);
	buckets = (*box)->buckets;
	buckets_fill(members, n, buckets, p->bucket_bits);
	(*box)->nh.kind = NEXTHOP_GROUP;
	(*box)->nh.buckets = buckets;
	(*box)->nh.bucket_mask = (1u << p->bucket_bits) - 1;
	(*box)->nh.port = PORT_NONE;
	(*box)->nh.iface = IFACE_NONE;
	return 0;
}

static int fill(struct rib *rib, struct path *p, struct nexthop_box **box)
{
	struct nexthop *nh;
	int err = 0;

	if (p->n_members && !p->orphan) {
		err = fill_group(rib, p, box);
		if (err)
			return err;
		(*box)->nh.id = p->id;
		return 0;
	}
	*box = nexthop_box_new(0);
	if (!*box)
		return -ENOMEM;
	nh = &(*box)->nh;
	nh->id = p->id;
	nh->port = PORT_NONE;
	nh->iface = IFACE_NONE;
	if (p->orphan || p->key.type == PATH_GROUP)
		nh->kind = NEXTHOP_DOWN;
	else if (p->key.type == PATH_SPECIAL)
		nh->kind = p->key.kind;
	else if (p->object && (!p->object->present || p->object->kind != NEXTHOP_FORWARD))
		nh->kind = p->object->present ? p->object->kind : NEXTHOP_DOWN;
	else
		fill_leg(rib, p, nh);
	return 0;
}

static bool eligible_by_members(const struct path *p)
{
	for (unsigned i = 0; i < p->n_members; i++)
		if (p->members[i].path->eligible)
			return true;
	return false;
}

/* FAILED gets no buckets: the others carry its flows until it answers again. */
static bool alive(const struct nexthop *nh)
{
	return nh->kind != NEXTHOP_DOWN && nh->kind != NEXTHOP_FAILED &&
	       nh->kind != NEXTHOP_NOT_A_PORT;
}

static void path_consider(struct rib *rib, struct path *p, const struct nexthop *nh)
{
	bool was_alive = p->alive, was_eligible = p->eligible;
	struct path_member *m;

	p->alive = alive(nh);
	p->eligible = nh->kind == NEXTHOP_GROUP ? eligible_by_members(p) : nh->kind != NEXTHOP_DOWN;
	if (p->box && p->eligible != was_eligible) {
		p->changed = true;
		rib->scan = true;
		cds_list_del(&p->changed_node);
		cds_list_add(&p->changed_node, &rib->changed_paths);
	}
	if (p->alive != was_alive || p->eligible != was_eligible)
		cds_list_for_each_entry(m, &p->parents, in_path) path_mark_dirty(rib, m->group);
}

void path_compile(struct rib *rib, struct path *p)
{
	struct nexthop_box *box, *old = p->box;

	if (fill(rib, p, &box)) {
		path_mark_dirty(rib, p);
		return;
	}
	path_consider(rib, p, &box->nh);
	if (old && nexthop_same(&old->nh, &box->nh)) {
		free(box);
		return;
	}
	if (old)
		box->nh.used = __atomic_load_n(&old->nh.used, __ATOMIC_RELAXED);
	p->box = box;
	__atomic_store_n(&rib->fib.nexthops[p->id], &box->nh, __ATOMIC_RELEASE);
	rib->changed = true;
	if (old)
		rib_retire(rib, &old->retired, RETIRED_MEMORY, 0);
}

void path_mark_dirty(struct rib *rib, struct path *path)
{
	cds_list_del(&path->dirty);
	cds_list_add_tail(&path->dirty, &rib->dirty);
}

/* Legs before groups: those that a leg's compilation marks come to the end of the list. What fails
 * for want of memory goes there as well and waits for the next call. */
void path_compile_dirty(struct rib *rib)
{
	struct cds_list_head later;
	struct path *p;

	CDS_INIT_LIST_HEAD(&later);
	while (!cds_list_empty(&rib->dirty)) {
		p = cds_list_first_entry(&rib->dirty, struct path, dirty);
		cds_list_del_init(&p->dirty);
		if (!p->attached)
			path_reattach(rib, p);
		else
			path_compile(rib, p);
		if (!cds_list_empty(&p->dirty)) {
			cds_list_del(&p->dirty);
			cds_list_add(&p->dirty, &later);
		}
	}
	cds_list_splice(&later, &rib->dirty);
}

void path_reattach(struct rib *rib, struct path *p)
{
	path_hold(p);
	path_detach(rib, p);
	if (!p->orphan && path_attach(rib, p)) {
		log_warning("route target %u: no memory; its packets are dropped until there is",
			    p->id);
		path_detach(rib, p);
		path_compile(rib, p);
		path_mark_dirty(rib, p);
	} else {
		path_compile(rib, p);
	}
	path_put(rib, p);
}

void path_make_orphan(struct rib *rib, struct path *p)
{
	if (p->orphan)
		return;
	htable_del(&rib->paths, &p->by_content);
	p->orphan = true;
	rib->scan = true;
	path_compile(rib, p); /* stays attached: callers walk the lists that it is in */
}
