/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RIB as JSON, in the words of `ip -j`: dst, gateway, dev, protocol, metric, table, nexthops …,
 * with what only visord knows beside it (interface, port, installed).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lpm4.h"
#include "lpm6.h"
#include "rib_internal.h"

#define TEXT_MAX (INET6_ADDRSTRLEN + 8)

static const char *const kind_names[] = {
	[NEXTHOP_NONE] = "none",
	[NEXTHOP_FORWARD] = "forward",
	[NEXTHOP_ONLINK] = "on-link",
	[NEXTHOP_GROUP] = "group",
	[NEXTHOP_INCOMPLETE] = "incomplete",
	[NEXTHOP_FAILED] = "failed",
	[NEXTHOP_BLACKHOLE] = "blackhole",
	[NEXTHOP_UNREACHABLE] = "unreachable",
	[NEXTHOP_PROHIBIT] = "prohibit",
	[NEXTHOP_LOCAL] = "local",
	[NEXTHOP_BROADCAST] = "broadcast",
	[NEXTHOP_NOT_A_PORT] = "not a port",
	[NEXTHOP_DOWN] = "down",
};

static const char *addr_text(char *out, unsigned family, const struct in6_addr *addr)
{
	if (family == 4)
		inet_ntop(AF_INET, &addr->s6_addr32[3], out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, addr, out, INET6_ADDRSTRLEN);
	return out;
}

static void set_addr(json_t *o, const char *key, const struct ip_addr *addr)
{
	char text[TEXT_MAX];

	if (addr->family)
		json_object_set_new(o, key,
				    json_string(addr_text(text, addr->family, &addr->addr)));
}

static void set_mac(json_t *o, const char *key, const uint8_t *mac)
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	json_object_set_new(o, key, json_string(text));
}

static void set_prefix(json_t *o, const char *key, unsigned family, const struct route *r)
{
	struct in6_addr addr = { 0 };
	char text[TEXT_MAX];
	size_t n;

	if (family == 4)
		addr.s6_addr32[3] = htonl(r->key[0]);
	else
		memcpy(&addr, r->key, sizeof(addr));
	addr_text(text, family, &addr);
	n = strlen(text);
	if (!r->len)
		snprintf(text, sizeof(text), "default");
	else if (r->len < (family == 4 ? 32 : 128))
		snprintf(text + n, sizeof(text) - n, "/%u", (unsigned)r->len);
	json_object_set_new(o, key, json_string(text));
}

static void set_table(json_t *o, uint32_t table)
{
	if (table == TABLE_LOCAL)
		json_object_set_new(o, "table", json_string("local"));
	else if (table == TABLE_MAIN)
		json_object_set_new(o, "table", json_string("main"));
	else
		json_object_set_new(o, "table", json_integer(table));
}

/* rtnetlink's numbers, by the names that iproute2 gives them. */
static const char *protocol_name(unsigned protocol)
{
	static const struct {
		unsigned number;
		const char *name;
	} names[] = {
		{ 0, "unspec" },  { 1, "redirect" }, { 2, "kernel" },	   { 3, "boot" },
		{ 4, "static" },  { 8, "gated" },    { 9, "ra" },	   { 10, "mrt" },
		{ 11, "zebra" },  { 12, "bird" },    { 13, "dnrouted" },   { 14, "xorp" },
		{ 15, "ntk" },	  { 16, "dhcp" },    { 18, "keepalived" }, { 42, "babel" },
		{ 186, "bgp" },	  { 187, "isis" },   { 188, "ospf" },	   { 189, "rip" },
		{ 192, "eigrp" },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == protocol)
			return names[i].name;
	return NULL;
}

static void set_protocol(json_t *o, const struct route_attr *a)
{
	const char *name = a->origin == ORIGIN_STATIC ? "config" : protocol_name(a->protocol);

	json_object_set_new(o, "protocol", name ? json_string(name) : json_integer(a->protocol));
}

/* Where a leg goes: device, our name for it, gateway, and what is wrong with it. */
static void set_leg(const struct rib *rib, json_t *o, unsigned family, const struct path *p)
{
	const struct interface *iface = p->link ? fib_interface(&rib->fib, p->link->slot) : NULL;
	const struct ip_addr *gateway = p->neighbour ? &p->neighbour->addr : &p->key.gateway;
	json_t *via, *flags = json_array();
	char text[TEXT_MAX];

	if (gateway->family == family) {
		set_addr(o, "gateway", gateway);
	} else if (gateway->family) {
		via = json_object();
		json_object_set_new(via, "family",
				    json_string(gateway->family == 6 ? "inet6" : "inet"));
		addr_text(text, gateway->family, &gateway->addr);
		json_object_set_new(via, "host", json_string(text));
		json_object_set_new(o, "via", via);
	}
	if (p->link && p->link->present)
		json_object_set_new(o, "dev", json_string(p->link->k.name));
	if (iface)
		json_object_set_new(o, "interface", json_string(iface->name));
	if (p->key.type != PATH_SPECIAL && (!p->link || !p->link->present || !p->link->k.up))
		json_array_append_new(flags, json_string("dead"));
	else if (p->key.type != PATH_SPECIAL && !p->link->k.running)
		json_array_append_new(flags, json_string("linkdown"));
	json_object_set_new(o, "flags", flags);
}

static void set_members(const struct rib *rib, json_t *o, unsigned family, const struct path *p)
{
	json_t *hops = json_array(), *hop;

	for (unsigned i = 0; i < p->n_members; i++) {
		hop = json_object();
		set_leg(rib, hop, family, p->members[i].path);
		json_object_set_new(hop, "weight", json_integer(p->members[i].weight));
		json_array_append_new(hops, hop);
	}
	json_object_set_new(o, "nexthops", hops);
	json_object_set_new(o, "flags", json_array());
}

static uint32_t path_mtu(const struct path *p)
{
	return p->key.type == PATH_GROUP && p->n_members ? p->members[0].path->key.mtu : p->key.mtu;
}

static json_t *route_json(const struct rib *rib, unsigned family, const struct route *r)
{
	const struct route_attr *a = rib->attr[r->attr];
	const struct path *p = rib->path[r->path];
	json_t *o = json_object();

	set_prefix(o, "dst", family, r);
	if (p->box && p->key.type == PATH_SPECIAL)
		json_object_set_new(o, "type", json_string(kind_names[p->key.kind]));
	else if (p->object && p->object->present && p->object->kind != NEXTHOP_FORWARD)
		json_object_set_new(o, "type", json_string(kind_names[p->object->kind]));
	if (p->key.type == PATH_OBJECT)
		json_object_set_new(o, "nhid", json_integer(p->key.where));
	if (p->n_members)
		set_members(rib, o, family, p);
	else
		set_leg(rib, o, family, p);
	set_protocol(o, a);
	set_table(o, a->table);
	json_object_set_new(o, "metric", json_integer(a->metric));
	set_addr(o, "prefsrc", &a->prefsrc);
	if (path_mtu(p))
		json_object_set_new(o, "mtu", json_integer(path_mtu(p)));
	json_object_set_new(o, "selected", json_boolean(r->flags & ROUTE_INSTALLED));
	return o;
}

/* Lists of routes, in order */

static int key_compare(unsigned words, const uint32_t *a, unsigned a_len, const uint32_t *b,
		       unsigned b_len)
{
	int c = words == 1 ? (a[0] > b[0]) - (a[0] < b[0]) : memcmp(a, b, 16);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

/* A total order: by prefix, by length, and by place among those of one prefix. */
static int route_compare(const struct route_table *t, uint32_t x, uint32_t y)
{
	const struct route *a = route_table_at(t, x), *b = route_table_at(t, y);
	int c = key_compare(t->words, a->key, a->len, b->key, b->len);

	return c ? c : (x > y) - (x < y);
}

static void sift_down(const struct route_table *t, uint32_t *heap, uint32_t n, uint32_t i)
{
	uint32_t child, one = heap[i];

	for (; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && route_compare(t, heap[child], heap[child + 1]) < 0)
			child++;
		if (route_compare(t, one, heap[child]) >= 0)
			break;
		heap[i] = heap[child];
	}
	heap[i] = one;
}

/* Which routes: within a prefix, after the last one of the page before. */
struct route_query {
	unsigned family; /* 0 both */
	uint32_t limit;	 /* 0 none */
	bool within, after;
	uint32_t within_key[4], after_key[4];
	unsigned within_len, after_len, after_family;
	uint32_t after_index;
};

static bool covers(unsigned words, const uint32_t *key, unsigned len, const struct route *r)
{
	const uint8_t *a = (const uint8_t *)key, *b = (const uint8_t *)r->key;
	uint8_t mask = (uint8_t)(0xff00 >> (len & 7));

	if (r->len < len)
		return false;
	if (words == 1)
		return !len || !((key[0] ^ r->key[0]) >> (32 - len));
	return !memcmp(a, b, len / 8) && !((len & 7) && ((a[len / 8] ^ b[len / 8]) & mask));
}

/* The kernel's own record of an address is shown, ours beside it is not. */
static bool shown(const struct rib *rib, const struct route_table *t, uint32_t i,
		  const struct route_query *q)
{
	const struct route *r = route_table_at(t, i);

	if (!r->path ||
	    (rib->attr[r->attr]->origin == ORIGIN_ADDRESS && !(r->flags & ROUTE_INSTALLED)))
		return false;
	return !q->within || covers(t->words, q->within_key, q->within_len, r);
}

static bool is_after(const struct route_table *t, uint32_t i, const struct route_query *q)
{
	const struct route *r = route_table_at(t, i);
	int c;

	if (!q->after || q->after_family != (t->words == 1 ? 4 : 6))
		return true;
	c = key_compare(t->words, r->key, r->len, q->after_key, q->after_len);
	return c ? c > 0 : i > q->after_index;
}

/* The first `room` in order of those that `q` wants, into a heap whose top is the last of them.
 * *total counts all, *left those of this page and later ones. */
static uint32_t routes_first(const struct rib *rib, const struct route_table *t,
			     const struct route_query *q, uint32_t *heap, uint32_t room,
			     uint32_t *total, uint32_t *left)
{
	uint32_t n = 0, last;

	for (uint32_t i = 1; i <= t->top; i++) {
		if (!shown(rib, t, i, q))
			continue;
		++*total;
		if (!is_after(t, i, q))
			continue;
		++*left;
		if (n < room) {
			heap[n++] = i;
			for (uint32_t j = n / 2; n == room && j--;)
				sift_down(t, heap, n, j);
		} else if (room && route_compare(t, i, heap[0]) < 0) {
			heap[0] = i;
			sift_down(t, heap, n, 0);
		}
	}
	for (uint32_t j = n / 2; n < room && j--;)
		sift_down(t, heap, n, j);
	for (uint32_t end = n; end > 1; end--) {
		last = heap[0];
		heap[0] = heap[end - 1];
		heap[end - 1] = last;
		sift_down(t, heap, end - 1, 0);
	}
	return n;
}

/* "192.0.2.0/24", or an address, as a key; its family, 0 where it is neither. */
static unsigned key_parse(const char *text, uint32_t key[4], unsigned *len)
{
	char address[INET6_ADDRSTRLEN] = "";
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);

	if (n >= sizeof(address))
		return 0;
	memcpy(address, text, n);
	memset(key, 0, 16);
	if (inet_pton(AF_INET, address, key) == 1) {
		key[0] = ntohl(key[0]);
		*len = slash ? (unsigned)atoi(slash + 1) : 32;
		return *len <= 32 ? 4 : 0;
	}
	*len = slash ? (unsigned)atoi(slash + 1) : 128;
	return inet_pton(AF_INET6, address, key) == 1 && *len <= 128 ? 6 : 0;
}

static bool query_read(struct route_query *q, const json_t *args)
{
	const json_t *next = json_object_get(args, "next");
	const char *prefix = json_string_value(json_object_get(args, "prefix"));
	const char *after = json_string_value(json_object_get(next, "dst"));

	memset(q, 0, sizeof(*q));
	q->family = (unsigned)json_integer_value(json_object_get(args, "family"));
	q->limit = (uint32_t)json_integer_value(json_object_get(args, "limit"));
	if (prefix) {
		q->within = true;
		q->family = key_parse(prefix, q->within_key, &q->within_len);
		if (!q->family)
			return false;
	}
	if (after) {
		q->after = true;
		q->after_family = key_parse(after, q->after_key, &q->after_len);
		q->after_index = (uint32_t)json_integer_value(json_object_get(next, "index"));
	}
	return !next || (q->after && q->after_family);
}

/* One family's part; sets *next to the cursor where more would come. */
static uint32_t show_family(const struct rib *rib, unsigned f, const struct route_query *q,
			    json_t *out, bool skip, json_t **next)
{
	const struct route_table *t = &rib->routes[f];
	uint32_t taken = (uint32_t)json_array_size(out), total = 0, left = 0, n;
	uint32_t room = skip ? 0 : q->limit ? q->limit - taken : t->count;
	uint32_t *heap = malloc(((room < t->count ? room : t->count) + 1u) * sizeof(*heap));

	if (!heap)
		return 0;
	n = routes_first(rib, t, q, heap, room < t->count ? room : t->count, &total, &left);
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(out, route_json(rib, f ? 6 : 4, route_table_at(t, heap[i])));
	if (n < left && n) {
		const json_t *last = json_array_get(out, json_array_size(out) - 1);
		const char *dst = json_string_value(json_object_get(last, "dst"));

		if (!strcmp(dst, "default"))
			dst = f ? "::/0" : "0.0.0.0/0";
		*next = json_pack("{s:s,s:I}", "dst", dst, "index", (json_int_t)heap[n - 1]);
	} else if (left && !*next && q->limit && taken == q->limit) {
		*next = json_pack("{s:s,s:i}", "dst", "::/0", "index",
				  0); /* the page ended with IPv4 */
	}
	free(heap);
	return total;
}

json_t *rib_show_routes(const struct rib *rib, const json_t *args)
{
	json_t *out = json_array(), *next = NULL;
	struct route_query q;
	uint32_t total = 0;
	bool skip;

	if (!query_read(&q, args)) {
		json_decref(out);
		return NULL;
	}
	for (unsigned f = 0; f < 2; f++) {
		if (q.family && q.family != (f ? 6 : 4))
			continue;
		/* a page that is full, or that begins in the other family: this one is only counted */
		skip = next || (q.after && q.after_family > (f ? 6 : 4)) ||
		       (q.limit && json_array_size(out) == q.limit);
		total += show_family(rib, f, &q, out, skip, &next);
	}
	return json_pack("{s:o,s:I,s:I,s:o}", "routes", out, "total", (json_int_t)total, "shown",
			 (json_int_t)json_array_size(out), "next", next ? next : json_null());
}

/* One lookup, explained */

static json_t *nexthop_json(const struct rib *rib, uint32_t id)
{
	const struct nexthop *nh = rib->fib.nexthops[id];
	const struct interface *iface = fib_interface(&rib->fib, nh->iface);
	json_t *o = json_object();

	json_object_set_new(o, "id", json_integer(id));
	json_object_set_new(o, "kind", json_string(kind_names[nh->kind]));
	if (iface) {
		json_object_set_new(o, "interface", json_string(iface->name));
		json_object_set_new(o, "dev", json_string(iface->device));
		json_object_set_new(o, "port", json_integer(nh->port));
		if (iface->vlan)
			json_object_set_new(o, "vlan", json_integer(iface->vlan));
		if (iface->outer_vlan)
			json_object_set_new(o, "outer_vlan", json_integer(iface->outer_vlan));
	}
	set_addr(o, "gateway", &nh->gateway);
	if (nh->kind == NEXTHOP_FORWARD) {
		set_mac(o, "mac", nh->l2);
		set_mac(o, "source_mac", nh->l2 + 6);
		json_object_set_new(o, "stale", json_boolean(nh->stale));
	}
	if (nh->mtu)
		json_object_set_new(o, "mtu", json_integer(nh->mtu));
	return o;
}

static json_t *group_json(const struct rib *rib, const struct path *p)
{
	const struct nexthop *nh = &p->box->nh;
	json_t *members = json_array(), *o;
	unsigned mine;

	for (unsigned i = 0; i < p->n_members; i++) {
		o = nexthop_json(rib, p->members[i].path->id);
		mine = 0;
		for (uint32_t b = 0; b <= nh->bucket_mask; b++)
			mine += nh->buckets[b] == p->members[i].path->id;
		json_object_set_new(o, "weight", json_integer(p->members[i].weight));
		json_object_set_new(o, "buckets", json_integer(mine));
		json_array_append_new(members, o);
	}
	return members;
}

/* An on-link destination is its own next hop: what is known of it. */
static json_t *destination_json(const struct rib *rib, const struct nexthop *via,
				const struct ip_addr *addr)
{
	const struct nexthop *nh;
	json_t *o = json_object();

	if (addr->family == 4)
		nh = fib_neighbour4(&rib->fib, via->iface, addr->addr.s6_addr32[3]);
	else
		nh = fib_neighbour6(&rib->fib, via->iface, &addr->addr);
	json_object_set_new(o, "kind", json_string(nh ? kind_names[nh->kind] : "unknown"));
	if (nh && nh->kind == NEXTHOP_FORWARD)
		set_mac(o, "mac", nh->l2);
	return o;
}

static uint32_t longest_match(const struct rib *rib, const struct ip_addr *addr)
{
	const struct route_table *t = &rib->routes[addr->family == 6];
	uint32_t key[4], i;

	for (int len = addr->family == 4 ? 32 : 128; len >= 0; len--) {
		route_key(&addr->addr, addr->family, (unsigned)len, key);
		for (i = route_table_find(t, key, (unsigned)len); i; i = route_table_next(t, i))
			if (route_table_at(t, i)->flags & ROUTE_INSTALLED)
				return i;
	}
	return 0;
}

json_t *rib_route_get(const struct rib *rib, const struct ip_addr *addr)
{
	const struct route_table *t = &rib->routes[addr->family == 6];
	json_t *o = json_object(), *candidates = json_array();
	uint32_t installed = longest_match(rib, addr), i;
	const struct route_query any = { 0 };
	const struct route *r;
	uint32_t id;

	set_addr(o, "dst", addr);
	if (addr->family == 4)
		id = lpm4_lookup(rib->fib.lpm4, ntohl(addr->addr.s6_addr32[3]));
	else
		id = lpm6_lookup(rib->fib.lpm6, &addr->addr);
	if (installed) {
		r = route_table_at(t, installed);
		set_prefix(o, "prefix", addr->family, r);
		for (i = route_table_find(t, r->key, r->len); i; i = route_table_next(t, i))
			if (shown(rib, t, i, &any))
				json_array_append_new(candidates, route_json(rib, addr->family,
									     route_table_at(t, i)));
	}
	json_object_set_new(o, "candidates", candidates);
	json_object_set_new(o, "nexthop", nexthop_json(rib, id));
	if (rib->fib.nexthops[id]->kind == NEXTHOP_GROUP)
		json_object_set_new(o, "members", group_json(rib, rib->path[id]));
	if (rib->fib.nexthops[id]->kind == NEXTHOP_ONLINK)
		json_object_set_new(o, "neighbour",
				    destination_json(rib, rib->fib.nexthops[id], addr));
	return o;
}

/* Neighbours, interfaces, numbers */

static json_t *neighbour_json(const struct rib *rib, const struct neighbour *n)
{
	static const char *const states[] = { "incomplete", "reachable", "stale", "failed" };
	const struct interface *iface = fib_interface(&rib->fib, n->link->slot);
	const struct path *p;
	json_t *o = json_object();
	bool used = n->box && n->box->nh.used;
	unsigned gateway = 0;

	cds_list_for_each_entry(p, &n->paths, on_neighbour)
	{
		used |= p->box && p->box->nh.used;
		gateway++;
	}
	set_addr(o, "dst", &n->addr);
	json_object_set_new(o, "dev", json_string(n->link->k.name));
	if (iface)
		json_object_set_new(o, "interface", json_string(iface->name));
	json_object_set_new(o, "state", json_string(n->present ? states[n->state] : "none"));
	if (n->present && (n->state == RIB_NEIGHBOUR_REACHABLE || n->state == RIB_NEIGHBOUR_STALE))
		set_mac(o, "mac", n->mac);
	json_object_set_new(o, "used", json_boolean(used));
	json_object_set_new(o, "gateway", json_boolean(gateway));
	return o;
}

json_t *rib_show_neighbours(const struct rib *rib)
{
	struct hnode *node = NULL;
	json_t *out = json_array();

	while ((node = htable_each(&rib->neighbours, node)))
		json_array_append_new(
			out, neighbour_json(rib, htable_entry(node, struct neighbour, by_addr)));
	return out;
}

static json_t *interface_json(const struct interface *iface)
{
	json_t *o = json_object(), *addresses = json_array();
	char text[TEXT_MAX];
	struct in6_addr addr = { 0 };
	size_t n;

	json_object_set_new(o, "name", json_string(iface->name));
	json_object_set_new(o, "device", json_string(iface->device));
	json_object_set_new(o, "ifindex", json_integer(iface->ifindex));
	json_object_set_new(o, "slot", json_integer(iface->slot));
	json_object_set_new(o, "port", json_integer(iface->port));
	json_object_set_new(o, "vlan", json_integer(iface->vlan));
	json_object_set_new(o, "outer_vlan", json_integer(iface->outer_vlan));
	json_object_set_new(o, "up", json_boolean(iface->up));
	json_object_set_new(o, "mtu", json_integer(iface->mtu));
	set_mac(o, "mac", iface->mac);
	for (unsigned i = 0; i < iface->n4; i++) {
		addr.s6_addr32[3] = iface->addr4[i].addr;
		n = strlen(addr_text(text, 4, &addr));
		snprintf(text + n, sizeof(text) - n, "/%u", iface->addr4[i].len);
		json_array_append_new(addresses, json_string(text));
	}
	for (unsigned i = 0; i < iface->n6; i++) {
		n = strlen(addr_text(text, 6, &iface->addr6[i].addr));
		snprintf(text + n, sizeof(text) - n, "/%u", iface->addr6[i].len);
		json_array_append_new(addresses, json_string(text));
	}
	json_object_set_new(o, "addresses", addresses);
	return o;
}

json_t *rib_show_interfaces(const struct rib *rib)
{
	json_t *out = json_array();

	for (unsigned i = 0; i < IFACE_MAX; i++)
		if (rib->fib.ifaces[i])
			json_array_append_new(out, interface_json(rib->fib.ifaces[i]));
	return out;
}

json_t *rib_summary(const struct rib *rib)
{
	json_t *o = json_object(), *bytes = json_object();

	json_object_set_new(o, "routes4", json_integer(rib->routes[0].count));
	json_object_set_new(o, "routes6", json_integer(rib->routes[1].count));
	json_object_set_new(o, "prefixes4", json_integer((json_int_t)lpm4_count(rib->fib.lpm4)));
	json_object_set_new(o, "prefixes6", json_integer((json_int_t)lpm6_count(rib->fib.lpm6)));
	json_object_set_new(o, "nexthops", json_integer(rib->n_paths));
	json_object_set_new(o, "groups", json_integer(rib->n_groups));
	json_object_set_new(o, "objects", json_integer(rib->objects.count));
	json_object_set_new(o, "neighbours", json_integer(rib->neighbours.count));
	json_object_set_new(o, "links", json_integer(rib->links.count));
	json_object_set_new(o, "addresses", json_integer(rib->own.count));
	json_object_set_new(o, "generation", json_integer((json_int_t)rib->fib.generation));
	json_object_set_new(o, "grace_periods", json_integer((json_int_t)rib->reclaims));
	json_object_set_new(bytes, "routes",
			    json_integer((json_int_t)(route_table_bytes(&rib->routes[0]) +
						      route_table_bytes(&rib->routes[1]))));
	json_object_set_new(bytes, "lpm4", json_integer((json_int_t)lpm4_bytes(rib->fib.lpm4)));
	json_object_set_new(bytes, "lpm6", json_integer((json_int_t)lpm6_bytes(rib->fib.lpm6)));
	json_object_set_new(bytes, "lpm_control",
			    json_integer((json_int_t)(lpm4_control_bytes(rib->fib.lpm4) +
						      lpm6_control_bytes(rib->fib.lpm6))));
	json_object_set_new(bytes, "neighbour_table",
			    json_integer((json_int_t)neighbour_table_bytes(rib->fib.neighbours)));
	json_object_set_new(o, "bytes", bytes);
	return o;
}
