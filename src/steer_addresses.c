/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's own addresses, kept the same in the maps of every port's program.
 *
 * New programs share one pair of maps (a family each), made here: it is the truth. A program that
 * was taken over from an earlier process brings its own pair, with what was true then. Such a pair
 * is joined: what is missing is added at once, what is set or removed goes to all pairs, and stale
 * entries stay until the sweep, so that a connection to the host does not break while a restarted
 * daemon is still reading the addresses from the kernel. A pair that joins after the sweep is
 * reconciled at once.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "steer.h"
#include "steer_program.h"

struct pair {
	TAILQ_ENTRY(pair) next;
	int fd4, fd6;
	__u32 id4; /* identifies the pair */
	unsigned users;
};

struct steer_addresses {
	struct pair own;
	TAILQ_HEAD(, pair) joined;
	bool swept;
};

static int map_id(int fd, __u32 *id)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	*id = info.id;
	return 0;
}

int steer_addresses_new(struct steer_addresses **out)
{
	struct steer_addresses *addresses = calloc(1, sizeof(*addresses));
	struct steer_maps maps;
	int err;

	if (!addresses)
		return -ENOMEM;
	steer_print_init();
	steer_maps_init(&maps);
	err = steer_maps_create(&maps);
	if (!err)
		err = map_id(maps.fd[STEER_LOCAL4], &addresses->own.id4);
	if (err) {
		steer_maps_close(&maps);
		free(addresses);
		return err;
	}
	addresses->own.fd4 = maps.fd[STEER_LOCAL4];
	addresses->own.fd6 = maps.fd[STEER_LOCAL6];
	maps.fd[STEER_LOCAL4] = maps.fd[STEER_LOCAL6] = -1;
	steer_maps_close(&maps);
	TAILQ_INIT(&addresses->joined);
	*out = addresses;
	return 0;
}

static void pair_close(struct pair *pair)
{
	close(pair->fd4);
	close(pair->fd6);
}

void steer_addresses_free(struct steer_addresses *addresses)
{
	struct pair *pair;

	if (!addresses)
		return;
	while ((pair = TAILQ_FIRST(&addresses->joined))) {
		TAILQ_REMOVE(&addresses->joined, pair, next);
		pair_close(pair);
		free(pair);
	}
	pair_close(&addresses->own);
	free(addresses);
}

int steer_addresses_fd4(const struct steer_addresses *addresses)
{
	return addresses->own.fd4;
}

int steer_addresses_fd6(const struct steer_addresses *addresses)
{
	return addresses->own.fd6;
}

static int map_set(int fd, const void *key, bool present)
{
	const __u32 value = 1;

	if (present)
		return bpf_map_update_elem(fd, key, &value, BPF_ANY) ? -errno : 0;
	return bpf_map_delete_elem(fd, key) && errno != ENOENT ? -errno : 0;
}

static int pair_set(const struct pair *pair, const struct ip_addr *addr, bool present)
{
	if (addr->family == 4)
		return map_set(pair->fd4, &addr->addr.s6_addr[12], present);
	return map_set(pair->fd6, &addr->addr, present);
}

int steer_addresses_set(struct steer_addresses *addresses, const struct ip_addr *addr, bool present)
{
	const struct pair *pair;
	int err, first;

	if (addr->family != 4 && addr->family != 6)
		return -EAFNOSUPPORT;
	first = pair_set(&addresses->own, addr, present);
	TAILQ_FOREACH(pair, &addresses->joined, next) {
		err = pair_set(pair, addr, present);
		if (!first)
			first = err;
	}
	return first;
}

/* Add to `to` every key of `from`. */
static int map_fill(int to, int from)
{
	struct in6_addr key, *last = NULL;
	int err = 0;

	while (!err && bpf_map_get_next_key(from, last, &key) == 0) {
		err = map_set(to, &key, true);
		last = &key;
	}
	return err;
}

/* Remove from `map` every key that `truth` has not. The next key is read before one is deleted:
 * asked for the successor of a key that is gone, the kernel starts again from the first. */
static void map_sweep(int map, int truth)
{
	struct in6_addr key, next;
	__u32 value;
	bool more = bpf_map_get_next_key(map, NULL, &key) == 0;

	while (more) {
		more = bpf_map_get_next_key(map, &key, &next) == 0;
		if (bpf_map_lookup_elem(truth, &key, &value) && errno == ENOENT)
			map_set(map, &key, false);
		key = next;
	}
}

static void pair_sweep(const struct pair *pair, const struct steer_addresses *addresses)
{
	map_sweep(pair->fd4, addresses->own.fd4);
	map_sweep(pair->fd6, addresses->own.fd6);
}

void steer_addresses_sweep(struct steer_addresses *addresses)
{
	const struct pair *pair;

	TAILQ_FOREACH(pair, &addresses->joined, next)
		pair_sweep(pair, addresses);
	addresses->swept = true;
}

static struct pair *pair_find(struct steer_addresses *addresses, __u32 id4)
{
	struct pair *pair;

	if (addresses->own.id4 == id4)
		return &addresses->own;
	TAILQ_FOREACH(pair, &addresses->joined, next)
		if (pair->id4 == id4)
			return pair;
	return NULL;
}

static int pair_add(struct steer_addresses *addresses, const struct steer_maps *maps, __u32 id4)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int err;

	if (!pair)
		return -ENOMEM;
	pair->fd4 = dup(maps->fd[STEER_LOCAL4]);
	pair->fd6 = dup(maps->fd[STEER_LOCAL6]);
	pair->id4 = id4;
	pair->users = 1;
	err = pair->fd4 < 0 || pair->fd6 < 0 ? -EMFILE : map_fill(pair->fd4, addresses->own.fd4);
	if (!err)
		err = map_fill(pair->fd6, addresses->own.fd6);
	if (err) {
		pair_close(pair);
		free(pair);
		return err;
	}
	if (addresses->swept)
		pair_sweep(pair, addresses);
	TAILQ_INSERT_TAIL(&addresses->joined, pair, next);
	return 0;
}

int steer_addresses_join(struct steer_addresses *addresses, const struct steer_maps *maps)
{
	struct pair *pair;
	__u32 id4 = 0;
	int err = map_id(maps->fd[STEER_LOCAL4], &id4);

	if (err)
		return err;
	pair = pair_find(addresses, id4);
	if (!pair)
		return pair_add(addresses, maps, id4);
	pair->users++;
	return 0;
}

void steer_addresses_leave(struct steer_addresses *addresses, const struct steer_maps *maps)
{
	struct pair *pair;
	__u32 id4 = 0;

	if (map_id(maps->fd[STEER_LOCAL4], &id4))
		return;
	pair = pair_find(addresses, id4);
	if (!pair || pair == &addresses->own || --pair->users)
		return;
	TAILQ_REMOVE(&addresses->joined, pair, next);
	pair_close(pair);
	free(pair);
}
