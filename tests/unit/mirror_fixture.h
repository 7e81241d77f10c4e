/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mirror with its RIB in a network namespace of the test's own, commands for the kernel, and the
 * comparison of two mirrors: one that has followed every change, and one that has just dumped.
 */
#ifndef MIRROR_FIXTURE_H
#define MIRROR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "mirror.h"

#define LINKS_MAX 64

struct follower {
	struct event_base *base;
	struct rib *rib;
	struct mirror *mirror;
	unsigned synced;
	struct rib_link links[LINKS_MAX]; /* as the callbacks have it */
	unsigned n_links;
};

static inline double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void told_link(void *arg, const struct rib_link *link, bool present)
{
	struct follower *f = arg;
	unsigned i = 0;

	while (i < f->n_links && f->links[i].ifindex != link->ifindex)
		i++;
	if (present) {
		assert_true(i < LINKS_MAX);
		f->links[i] = *link;
		f->n_links += i == f->n_links;
	} else if (i < f->n_links) {
		f->links[i] = f->links[--f->n_links];
	}
}

static void told_synced(void *arg)
{
	((struct follower *)arg)->synced++;
}

/* Devices v0 … v3 are interfaces of a configuration with ports; others are the kernel's alone. */
static inline struct follower *follower_new(unsigned receive_buffer)
{
	static const char *const names[] = { "v0", "v1", "v2", "v3" };
	const uint32_t tables[] = { 254, 100 };
	const struct rib_callbacks none = { 0 };
	struct follower *f = calloc(1, sizeof(*f));
	struct mirror_callbacks told = { f, told_link, told_synced };
	struct mirror_options options = { receive_buffer };

	assert_non_null(f);
	f->base = event_base_new();
	assert_int_equal(rib_new(&f->rib, &none), 0);
	assert_int_equal(rib_set_tables(f->rib, tables, 2), 0);
	for (uint16_t i = 0; i < 4; i++) {
		struct rib_interface iface = {
			.name = names[i], .device = names[i], .port_device = names[i], .port = i
		};
		uint16_t slot;

		assert_int_equal(rib_interface_set(f->rib, &iface, &slot), 0);
		rib_port_state(f->rib, i, true);
	}
	assert_int_equal(mirror_new(&f->mirror, f->base, f->rib, &options, &told), 0);
	return f;
}

static inline void follower_free(struct follower *f)
{
	mirror_free(f->mirror);
	rib_free(f->rib);
	event_base_free(f->base);
	free(f);
}

/* Run the event loop for a while. */
static inline void follow(struct follower *f, unsigned ms)
{
	struct timeval wait = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	event_base_loopexit(f->base, &wait);
	event_base_dispatch(f->base);
}

/* --- the kernel's side --- */

/* False where the test lacks the right to a namespace. */
static inline bool namespace_enter(void)
{
	return !unshare(CLONE_NEWNET);
}

static inline FILE *kernel_begin(void)
{
	FILE *ip = popen("exec ip -force -batch - >>${MIRROR_ERRORS:-/dev/null} 2>&1", "w");

	assert_non_null(ip);
	signal(SIGPIPE, SIG_IGN);
	return ip;
}

/* A line may fail in the kernel; one that ip does not understand ends the batch. */
static inline void kernel_end(FILE *ip)
{
	assert_in_range(WEXITSTATUS(pclose(ip)), 0, 2);
}

/* `ip -batch`: every line is tried. */
static inline void kernel(const char *lines)
{
	FILE *ip = kernel_begin();

	fputs(lines, ip);
	kernel_end(ip);
}

/* The same, but every line must succeed. */
static inline void kernel_must(const char *lines)
{
	FILE *ip = popen("exec ip -batch -", "w");

	assert_non_null(ip);
	fputs(lines, ip);
	assert_int_equal(pclose(ip), 0);
}

static inline void sysctl_set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	close(fd);
}

static inline void two_pairs(void)
{
	kernel_must("link set lo up\n"
		    "link add v0 type veth peer name v1\n"
		    "link add v2 type veth peer name v3\n"
		    "link set v0 up\nlink set v1 up\nlink set v2 up\nlink set v3 up\n"
		    "addr add 10.0.0.1/24 dev v0\naddr add 10.0.2.1/24 dev v2\n"
		    "addr add 2001:db8::1/64 dev v0 nodad\n"
		    "addr add 2001:db8:2::1/64 dev v2 nodad\n");
}

/* --- what a follower knows, as sorted lines --- */

struct lines {
	char **line;
	unsigned n, room;
};

static inline void lines_add(struct lines *l, char *line)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->line = realloc(l->line, l->room * sizeof(*l->line));
		assert_non_null(l->line);
	}
	l->line[l->n++] = line;
}

static int lines_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void lines_sort(struct lines *l)
{
	if (l->n)
		qsort(l->line, l->n, sizeof(*l->line), lines_compare);
}

static inline void lines_free(struct lines *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->line[i]);
	free(l->line);
	*l = (struct lines){ 0 };
}

/* An array whose order means nothing, in order. */
static inline void sort_array(json_t *o, const char *key)
{
	json_t *array = json_object_get(o, key), *sorted = json_array();
	struct lines l = { 0 };
	size_t i;
	json_t *item;

	if (!array)
		return json_decref(sorted);
	json_array_foreach (array, i, item)
		lines_add(&l, json_dumps(item, JSON_SORT_KEYS | JSON_ENCODE_ANY));
	lines_sort(&l);
	for (unsigned j = 0; j < l.n; j++)
		json_array_append_new(sorted, json_string(l.line[j]));
	lines_free(&l);
	json_object_set_new(o, key, sorted);
}

static inline void lines_of_array(struct lines *l, const char *what, json_t *array)
{
	json_t *item;
	size_t i;

	json_array_foreach (array, i, item) {
		const char *state = json_string_value(json_object_get(item, "state"));
		char *text, *line;

		/* the kernel does not announce that it has begun to ask */
		if (state && (!strcmp(state, "none") || !strcmp(state, "incomplete")))
			continue;
		json_object_del(item, "used");
		sort_array(item, "nexthops");
		sort_array(item, "addresses");
		text = json_dumps(item, JSON_SORT_KEYS);
		assert_true(asprintf(&line, "%s %s", what, text) > 0);
		free(text);
		lines_add(l, line);
	}
}

static inline struct lines follower_lines(const struct follower *f)
{
	json_t *routes = rib_show_routes(f->rib, NULL);
	json_t *neighbours = rib_show_neighbours(f->rib);
	json_t *interfaces = rib_show_interfaces(f->rib);
	struct lines l = { 0 };

	assert_non_null(routes);
	lines_of_array(&l, "route", json_object_get(routes, "routes"));
	lines_of_array(&l, "neighbour", neighbours);
	lines_of_array(&l, "interface", interfaces);
	for (unsigned i = 0; i < f->n_links; i++) {
		const struct rib_link *k = &f->links[i];
		char *line;

		assert_true(asprintf(&line, "link %d %s %02x:%02x mtu %u %s %s", k->ifindex,
				     k->name, k->mac[4], k->mac[5], k->mtu, k->up ? "up" : "down",
				     k->running ? "running" : "idle") > 0);
		lines_add(&l, line);
	}
	lines_sort(&l);
	json_decref(routes);
	json_decref(neighbours);
	json_decref(interfaces);
	return l;
}

/* Differences between what was followed and what a dump says: printed where `say`. */
static inline unsigned lines_differ(const struct lines *followed, const struct lines *dumped,
				    bool say)
{
	unsigned i = 0, j = 0, n = 0;

	while (i < followed->n || j < dumped->n) {
		int c = i == followed->n ? 1 :
			j == dumped->n	 ? -1 :
					   strcmp(followed->line[i], dumped->line[j]);

		if (c < 0 && say)
			print_message("  followed only: %s\n", followed->line[i]);
		if (c > 0 && say)
			print_message("  kernel only:   %s\n", dumped->line[j]);
		n += c != 0;
		i += c <= 0;
		j += c >= 0;
	}
	return n;
}

/* Equal to a fresh dump? Carrier changes and duplicate address detection go on by themselves, so a
 * difference gets time to go away. */
static inline bool follower_agrees(struct follower *f, double patience_s)
{
	double until = now_s() + patience_s;
	unsigned n;

	for (;;) {
		struct follower *fresh = follower_new(0);
		struct lines followed, dumped;
		bool last = now_s() > until;

		follow(f, 5);
		followed = follower_lines(f);
		dumped = follower_lines(fresh);
		n = lines_differ(&followed, &dumped, last);
		lines_free(&followed);
		lines_free(&dumped);
		follower_free(fresh);
		if (!n || last)
			return !n;
		follow(f, 50);
	}
}

#endif
