/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own addresses, kept the same in the maps of every port's program.
 *
 * Three maps are one replica: a hash table a family and the filter in front of both. New programs
 * share one replica, made here: it is the truth. A program that was taken over from an earlier
 * process brings its own, with what was true then. Such a replica is joined: what is missing is
 * added at once, what is set or removed goes to all replicas, and stale entries stay until the
 * sweep, so that a connection to the host does not break while a restarted daemon is still reading
 * the addresses from the kernel. A replica that joins after the sweep is reconciled at once.
 *
 * The filter may never lack a bit of an address that is in a table: a bit is set before its entry,
 * and stays when the entry goes. The filter is written anew from the tables when a thousand bits
 * may have become stale (3 % of them), when a replica joins (its owner may have been killed
 * anywhere) and after a sweep. The kernel copies the value word by word, and words that do not
 * lose a bit stay as they are, so packets meanwhile see each wanted bit set.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "steer.h"
#include "steer_program.h"
#include "xdp/steer.h"

#define STALE_BITS_MAX 1024

static const enum steer_map address_maps[] = { STEER_LOCAL4, STEER_LOCAL6, STEER_FILTER };

struct replica {
	TAILQ_ENTRY(replica) next;
	struct steer_maps maps; /* the three */
	__u32 id;		/* of its first map, to know it again */
	unsigned users;
	unsigned stale_bits; /* at most; removals since the filter was written anew */
	struct steer_filter filter;
};

struct steer_addresses {
	struct replica own;
	TAILQ_HEAD(replicas, replica) joined;
	bool swept;
};

static __u32 filter_bit(int family, const void *key)
{
	__u64 half[2] = { 0, 0 };
	__u32 short_key;

	if (family == 6) {
		memcpy(half, key, sizeof(half));
	} else {
		memcpy(&short_key, key, sizeof(short_key));
		half[1] = short_key;
	}
	return steer_filter_bit(half[0], half[1]);
}

static int filter_write(const struct replica *replica)
{
	__u32 zero = 0;

	return bpf_map_update_elem(replica->maps.fd[STEER_FILTER], &zero, &replica->filter,
				   BPF_ANY) ?
		       -errno :
		       0;
}

/* Set a key's bit in the copy; is it new? */
static bool filter_mark(struct replica *replica, int family, const void *key)
{
	__u32 bit = filter_bit(family, key);
	__u64 *word = &replica->filter.word[bit / 64], before = *word;

	*word |= 1ull << (bit % 64);
	return *word != before;
}

static int table_of(const struct replica *replica, int family)
{
	return replica->maps.fd[family == 4 ? STEER_LOCAL4 : STEER_LOCAL6];
}

static void filter_mark_table(struct replica *replica, int family)
{
	struct in6_addr key, *last = NULL;

	while (bpf_map_get_next_key(table_of(replica, family), last, &key) == 0) {
		filter_mark(replica, family, &key);
		last = &key;
	}
}

static int filter_rebuild(struct replica *replica)
{
	memset(&replica->filter, 0, sizeof(replica->filter));
	filter_mark_table(replica, 4);
	filter_mark_table(replica, 6);
	replica->stale_bits = 0;
	return filter_write(replica);
}

static int replica_add(struct replica *replica, int family, const void *key)
{
	const __u32 value = 1;
	int err = 0;

	if (filter_mark(replica, family, key))
		err = filter_write(replica);
	if (!err && bpf_map_update_elem(table_of(replica, family), key, &value, BPF_ANY))
		err = -errno;
	return err;
}

static int replica_remove(struct replica *replica, int family, const void *key)
{
	if (bpf_map_delete_elem(table_of(replica, family), key))
		return errno == ENOENT ? 0 : -errno;
	return ++replica->stale_bits < STALE_BITS_MAX ? 0 : filter_rebuild(replica);
}

static int replica_set(struct replica *replica, const struct ip_addr *addr, bool present)
{
	const void *key = addr->family == 4 ? (const void *)&addr->addr.s6_addr[12] : &addr->addr;

	return present ? replica_add(replica, addr->family, key) :
			 replica_remove(replica, addr->family, key);
}

int steer_addresses_set(struct steer_addresses *addresses, const struct ip_addr *addr, bool present)
{
	struct replica *replica;
	int err, first;

	if (addr->family != 4 && addr->family != 6)
		return -EAFNOSUPPORT;
	first = replica_set(&addresses->own, addr, present);
	TAILQ_FOREACH(replica, &addresses->joined, next)
	{
		err = replica_set(replica, addr, present);
		if (!first)
			first = err;
	}
	return first;
}

/* Add what `truth` has. */
static int table_fill(struct replica *replica, const struct replica *truth, int family)
{
	struct in6_addr key, *last = NULL;
	int err = 0;

	while (!err && bpf_map_get_next_key(table_of(truth, family), last, &key) == 0) {
		err = replica_add(replica, family, &key);
		last = &key;
	}
	return err;
}

/* Remove what `truth` has not. The next key is read before one is deleted: asked for the successor
 * of a key that is gone, the kernel starts again from the first. */
static void table_sweep(const struct replica *replica, const struct replica *truth, int family)
{
	int table = table_of(replica, family), wanted = table_of(truth, family);
	struct in6_addr key, next;
	__u32 value;
	bool more = bpf_map_get_next_key(table, NULL, &key) == 0;

	while (more) {
		more = bpf_map_get_next_key(table, &key, &next) == 0;
		if (bpf_map_lookup_elem(wanted, &key, &value) && errno == ENOENT)
			bpf_map_delete_elem(table, &key);
		key = next;
	}
}

static void replica_sweep(struct replica *replica, const struct replica *truth)
{
	table_sweep(replica, truth, 4);
	table_sweep(replica, truth, 6);
	filter_rebuild(replica);
}

void steer_addresses_sweep(struct steer_addresses *addresses)
{
	struct replica *replica;

	TAILQ_FOREACH(replica, &addresses->joined, next)
	replica_sweep(replica, &addresses->own);
	addresses->swept = true;
}

static int maps_id(const struct steer_maps *maps, __u32 *id)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(maps->fd[STEER_LOCAL4], &info, &size))
		return -errno;
	*id = info.id;
	return 0;
}

/* Copy the descriptors of the address maps; none on failure. */
static int maps_dup(struct steer_maps *to, const struct steer_maps *from)
{
	for (size_t i = 0; i < sizeof(address_maps) / sizeof(address_maps[0]); i++) {
		enum steer_map map = address_maps[i];

		to->fd[map] = fcntl(from->fd[map], F_DUPFD_CLOEXEC, 0);
		if (to->fd[map] < 0)
			return -errno;
	}
	return 0;
}

static int replica_init(struct replica *replica, const struct steer_maps *maps)
{
	int err;

	steer_maps_init(&replica->maps);
	err = maps_dup(&replica->maps, maps);
	if (!err)
		err = maps_id(maps, &replica->id);
	if (!err)
		err = filter_rebuild(replica);
	if (err)
		steer_maps_close(&replica->maps);
	return err;
}

int steer_addresses_new(struct steer_addresses **out)
{
	struct steer_addresses *addresses = calloc(1, sizeof(*addresses));
	struct steer_maps maps;
	int err;

	if (!addresses)
		return -ENOMEM;
	steer_print_init();
	TAILQ_INIT(&addresses->joined);
	steer_maps_init(&maps);
	err = steer_maps_create(&maps);
	if (!err)
		err = replica_init(&addresses->own, &maps);
	steer_maps_close(&maps);
	if (err)
		free(addresses);
	else
		*out = addresses;
	return err;
}

static void replica_free(struct steer_addresses *addresses, struct replica *replica)
{
	TAILQ_REMOVE(&addresses->joined, replica, next);
	steer_maps_close(&replica->maps);
	free(replica);
}

void steer_addresses_free(struct steer_addresses *addresses)
{
	if (!addresses)
		return;
	while (!TAILQ_EMPTY(&addresses->joined))
		replica_free(addresses, TAILQ_FIRST(&addresses->joined));
	steer_maps_close(&addresses->own.maps);
	free(addresses);
}

int steer_addresses_lend(const struct steer_addresses *addresses, struct steer_maps *maps)
{
	return maps_dup(maps, &addresses->own.maps);
}

static struct replica *replica_find(struct steer_addresses *addresses, __u32 id)
{
	struct replica *replica;

	if (addresses->own.id == id)
		return &addresses->own;
	TAILQ_FOREACH(replica, &addresses->joined, next)
	if (replica->id == id)
		return replica;
	return NULL;
}

static int replica_join(struct steer_addresses *addresses, const struct steer_maps *maps)
{
	struct replica *replica = calloc(1, sizeof(*replica));
	int err;

	if (!replica)
		return -ENOMEM;
	err = replica_init(replica, maps);
	if (err) {
		free(replica);
		return err;
	}
	replica->users = 1;
	TAILQ_INSERT_TAIL(&addresses->joined, replica, next);
	err = table_fill(replica, &addresses->own, 4);
	if (!err)
		err = table_fill(replica, &addresses->own, 6);
	if (err)
		replica_free(addresses, replica);
	else if (addresses->swept)
		replica_sweep(replica, &addresses->own);
	return err;
}

int steer_addresses_join(struct steer_addresses *addresses, const struct steer_maps *maps)
{
	struct replica *replica;
	__u32 id = 0;
	int err = maps_id(maps, &id);

	if (err)
		return err;
	replica = replica_find(addresses, id);
	if (!replica)
		return replica_join(addresses, maps);
	replica->users++;
	return 0;
}

void steer_addresses_leave(struct steer_addresses *addresses, const struct steer_maps *maps)
{
	struct replica *replica;
	__u32 id = 0;

	if (maps_id(maps, &id))
		return;
	replica = replica_find(addresses, id);
	if (replica && replica != &addresses->own && --replica->users == 0)
		replica_free(addresses, replica);
}
