/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RIB against the kernel: in a network namespace of its own the test makes random changes with
 * ip(8). After each, the RIB that has followed the messages must be equal to one that begins with a
 * fresh dump. This is what finds the routes that the kernel drops without a message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mirror.h"

#define DEVICES 3
#define STEPS 300
#define TRIES 50

struct follower {
	struct event_base *base;
	struct rib *rib;
	struct mirror *mirror;
};

static void on_link(void *arg, const struct rib_link *link, bool present)
{
}

static void on_synced(void *arg)
{
}

static struct follower follower_new(void)
{
	struct follower f = { .base = event_base_new() };
	struct mirror_options options = { 0 };
	struct mirror_callbacks callbacks = { .link = on_link, .synced = on_synced };

	assert_non_null(f.base);
	assert_int_equal(rib_new(&f.rib, NULL), 0);
	for (uint16_t i = 0; i < DEVICES; i++) {
		char name[8], device[8];
		struct rib_interface conf = {
			.name = name, .device = device, .port_device = device, .port = i
		};
		uint16_t slot;

		snprintf(name, sizeof(name), "p%u", i);
		snprintf(device, sizeof(device), "v%u", i);
		rib_port_state(f.rib, i, true);
		assert_int_equal(rib_interface_set(f.rib, &conf, &slot), 0);
	}
	assert_int_equal(mirror_new(&f.mirror, f.base, f.rib, &options, &callbacks), 0);
	rib_commit(f.rib);
	return f;
}

static void follower_free(struct follower *f)
{
	mirror_free(f->mirror);
	rib_free(f->rib);
	event_base_free(f->base);
}

static void follow(struct follower *f)
{
	struct timeval some = { .tv_usec = 20000 };

	event_base_loopexit(f->base, &some);
	event_base_dispatch(f->base);
}

/* The routes as sorted lines; legs have no order of their own. */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **lines_of(json_t *list)
{
	char **line = calloc(json_array_size(list) + 1, sizeof(*line));
	json_t *item;
	size_t i;

	assert_non_null(line);
	json_array_foreach (list, i, item)
		line[i] = json_dumps(item, JSON_SORT_KEYS | JSON_COMPACT);
	qsort(line, json_array_size(list), sizeof(*line), compare);
	return line;
}

static void lines_free(char **line)
{
	for (char **l = line; *l; l++)
		free(*l);
	free(line);
}

static void sort_legs(json_t *route)
{
	json_t *legs = json_object_get(route, "nexthops"), *sorted = json_array();
	char **line;

	if (!legs) {
		json_decref(sorted);
		return;
	}
	line = lines_of(legs);
	for (char **l = line; *l; l++)
		json_array_append_new(sorted, json_string(*l));
	json_object_set_new(route, "nexthops", sorted);
	lines_free(line);
}

static char **routes_of(struct rib *rib)
{
	json_t *args = json_object(), *answer = rib_show_routes(rib, args), *route;
	char **line;
	size_t i;

	json_array_foreach (json_object_get(answer, "routes"), i, route)
		sort_legs(route);
	line = lines_of(json_object_get(answer, "routes"));
	json_decref(answer);
	json_decref(args);
	return line;
}

static unsigned differences(struct rib *followed, struct rib *fresh, bool say)
{
	char **a = routes_of(followed), **b = routes_of(fresh);
	unsigned n = 0;

	for (char **x = a, **y = b; *x || *y;) {
		int c = !*x ? 1 : !*y ? -1 : strcmp(*x, *y);

		if (c && say)
			print_error("%s: %s\n", c < 0 ? "followed" : "dumped", c < 0 ? *x : *y);
		n += c != 0;
		x += c <= 0;
		y += c >= 0;
	}
	lines_free(a);
	lines_free(b);
	return n;
}

/* Random changes */

static unsigned pick(unsigned n)
{
	return (unsigned)random() % n;
}

static const char *prefix4(void)
{
	static const char *const prefixes[] = { "172.16.0.0/16", "172.16.1.0/24", "172.17.0.0/16",
						"default" };

	return prefixes[pick(4)];
}

static const char *prefix6(void)
{
	static const char *const prefixes[] = { "2001:db8:f::/48", "2001:db8:f:1::/64", "default" };

	return prefixes[pick(3)];
}

static void random_change(char *out, size_t size)
{
	static const char *const verbs[] = { "add", "replace", "append", "del", "add", "replace" };
	static const char *const metrics[] = { "", "metric 5", "metric 10" };
	static const char *const groups[] = { "1/2", "1,3/2/3,2", "2/3" };
	static const char *const holes[] = { "blackhole", "unreachable", "prohibit" };
	const char *verb = verbs[pick(6)], *metric = metrics[pick(3)];
	unsigned i = pick(DEVICES), j = (i + 1) % DEVICES, g = 2 + pick(3), h = 2 + pick(3);

	switch (pick(17)) {
	case 0: snprintf(out, size, "link set v%u down", i); break;
	case 1:
	case 2: snprintf(out, size, "link set %c%u up", "vq"[pick(2)], i); break;
	case 3:
		snprintf(out, size, "link set q%u down", i); /* v loses its carrier */
		break;
	case 4:
		snprintf(out, size, "route %s %s via 10.%u.0.%u %s", verb, prefix4(), i, g, metric);
		break;
	case 5:
		snprintf(out, size,
			 "route %s %s %s nexthop via 10.%u.0.%u weight 2 "
			 "nexthop via 10.%u.0.%u",
			 verb, prefix4(), metric, i, g, j, h);
		break;
	case 6:
		snprintf(out, size, "route %s %s dev v%u %s src 10.%u.0.%u", verb, prefix4(), i,
			 metric, i, pick(2) ? 1 : 9);
		break;
	case 7:
		snprintf(out, size, "-6 route %s %s via 2001:db8:%u::%u %s", verb, prefix6(), i, g,
			 metric);
		break;
	case 8:
		snprintf(out, size,
			 "-6 route %s %s %s nexthop via 2001:db8:%u::%u weight 2 "
			 "nexthop via 2001:db8:%u::%u",
			 verb, prefix6(), metric, i, g, j, h);
		break;
	case 9: /* not with a metric of the others: among siblings the kernel's dump may miss it */
		snprintf(out, size, "-6 route %s %s dev v%u metric 7", verb, prefix6(), i);
		break;
	case 10:
		snprintf(out, size, "addr %s 10.%u.0.%u/24 dev v%u", pick(2) ? "add" : "del", i,
			 pick(2) ? 1 : 9, i);
		break;
	case 11:
		snprintf(out, size, "-6 addr %s 2001:db8:%u::%u/64 dev v%u",
			 pick(2) ? "add" : "del", i, pick(2) ? 1 : 9, i);
		break;
	case 12:
		if (pick(4))
			snprintf(out, size, "nexthop replace id %u via 10.%u.0.%u dev v%u", i + 1,
				 i, g, i);
		else
			snprintf(out, size, "nexthop del id %u", i + 1);
		break;
	case 13:
		if (pick(4))
			snprintf(out, size, "nexthop replace id 10 group %s", groups[pick(3)]);
		else
			snprintf(out, size, "nexthop del id 10");
		break;
	case 14:
		snprintf(out, size, "route %s %s nhid %u %s", pick(3) ? "replace" : "del",
			 prefix4(), pick(2) ? 10 : i + 1, metric);
		break;
	case 15:
		snprintf(out, size, "route %s %s %s %s", verb, holes[pick(3)], prefix4(), metric);
		break;
	default:
		snprintf(out, size, "-6 nexthop replace id %u via 2001:db8:%u::%u dev v%u", i + 1,
			 i, g, i);
	}
}

static int ip_do(const char *arguments)
{
	char command[300];

	snprintf(command, sizeof(command), "ip %s >/dev/null 2>&1", arguments);
	return system(command);
}

static void devices_make(void)
{
	char text[256];

	assert_int_equal(system("sysctl -qw net.ipv6.conf.default.accept_dad=0 "
				"net.ipv6.conf.default.dad_transmits=0 >/dev/null 2>&1"),
			 0);
	assert_int_equal(ip_do("link set lo up"), 0);
	for (unsigned i = 0; i < DEVICES; i++) {
		snprintf(text, sizeof(text), "link add v%u type veth peer name q%u", i, i);
		assert_int_equal(ip_do(text), 0);
		snprintf(text, sizeof(text), "link set v%u up", i);
		assert_int_equal(ip_do(text), 0);
		snprintf(text, sizeof(text), "link set q%u up", i);
		assert_int_equal(ip_do(text), 0);
		snprintf(text, sizeof(text), "addr add 10.%u.0.1/24 dev v%u", i, i);
		assert_int_equal(ip_do(text), 0);
		snprintf(text, sizeof(text), "-6 addr add 2001:db8:%u::1/64 dev v%u", i, i);
		assert_int_equal(ip_do(text), 0);
	}
}

/* The kernel may still be at it (a carrier takes its time), so a difference has to last. */
static unsigned differences_that_last(struct follower *f)
{
	struct follower fresh;
	unsigned n = 1;

	for (unsigned tries = 0; n && tries <= TRIES; tries++) {
		follow(f);
		fresh = follower_new();
		n = differences(f->rib, fresh.rib, tries == TRIES);
		follower_free(&fresh);
	}
	return n;
}

static void compare_after_random_changes(unsigned seed)
{
	struct follower f = follower_new();
	unsigned done = 0, differ;
	char change[256];

	srandom(seed);
	for (unsigned step = 0; step < STEPS; step++) {
		random_change(change, sizeof(change));
		if (ip_do(change))
			continue; /* refused, as many are */
		done++;
		differ = differences_that_last(&f);
		if (differ)
			print_error("seed %u, after: ip %s\n", seed, change);
		assert_int_equal(differ, 0);
	}
	assert_true(done > STEPS / 5);
	follower_free(&f);
}

static void what_is_followed_is_what_a_dump_says(void **state)
{
	const char *seed = getenv("VISOR_TEST_SEED");

	if (unshare(CLONE_NEWNET)) {
		print_message("SKIPPED: no network namespace: %s\n", strerror(errno));
		skip();
	}
	devices_make();
	compare_after_random_changes(seed ? (unsigned)atoi(seed) : 1);
}

/* A kernel that says nothing of the IPv6 routes of a link that goes down, as FRR recommends. */
static void also_where_ipv6_is_silent(void **state)
{
	if (unshare(CLONE_NEWNET)) {
		print_message("SKIPPED: no network namespace: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(system("sysctl -qw net.ipv6.route.skip_notify_on_dev_down=1"), 0);
	devices_make();
	compare_after_random_changes(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_followed_is_what_a_dump_says),
		cmocka_unit_test(also_where_ipv6_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
