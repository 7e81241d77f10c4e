/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane's speed and size: a full table set, said again by a resync, moved, taken back,
 * and what single events cost while it is there. With an argument: a file of prefixes, one a line
 * ("1.0.0.0/24"); without: a million IPv4 and 200,000 IPv6 prefixes of made-up but usual lengths.
 *
 *     build/bench/rib_bench [PREFIXES]
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rib.h"

#define GATEWAYS 40
#define LINKS 4

struct prefix {
	uint8_t family, len;
	struct in6_addr addr;
};

static struct prefix *prefixes;
static unsigned n_prefixes;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double resident_mib(void)
{
	long pages = 0, ignored;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%ld %ld", &ignored, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static void prefix_add(uint8_t family, uint8_t len, struct in6_addr addr)
{
	if (!(n_prefixes & (n_prefixes - 1)))
		prefixes =
			realloc(prefixes, (n_prefixes ? n_prefixes * 2u : 1u) * sizeof(*prefixes));
	if (!prefixes)
		exit(1);
	prefixes[n_prefixes++] = (struct prefix){ family, len, addr };
}

static void prefixes_make(void)
{
	static const uint8_t len4[] = { 24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 19, 16 };
	static const uint8_t len6[] = { 48, 48, 48, 48, 44, 40, 36, 32, 32, 29 };

	srandom(1);
	for (unsigned i = 0; i < 1200000; i++) {
		struct in6_addr a = { 0 };

		if (i < 1000000) {
			uint8_t len = len4[(unsigned)random() % sizeof(len4)];
			uint32_t net = (uint32_t)random() * 2u & ~0u << (32 - len);

			a.s6_addr32[2] = htonl(0xffff);
			a.s6_addr32[3] = htonl(net);
			prefix_add(4, len, a);
		} else {
			uint8_t len = len6[(unsigned)random() % sizeof(len6)];
			uint64_t net = 0x20ull << 56 | (uint64_t)random() << 26 |
				       (uint64_t)random() << 8;

			net &= ~0ull << (64 - len);
			a.s6_addr32[0] = htonl((uint32_t)(net >> 32));
			a.s6_addr32[1] = htonl((uint32_t)net);
			prefix_add(6, len, a);
		}
	}
}

static int prefixes_read(const char *path)
{
	char line[128], *slash;
	struct in6_addr a;
	FILE *f = fopen(path, "r");

	if (!f) {
		perror(path);
		return -1;
	}
	while (fgets(line, sizeof(line), f)) {
		bool v6 = strchr(line, ':');

		slash = strchr(line, '/');
		if (!slash)
			continue;
		*slash = 0;
		memset(&a, 0, sizeof(a));
		a.s6_addr32[2] = v6 ? 0 : htonl(0xffff);
		if (inet_pton(v6 ? AF_INET6 : AF_INET, line,
			      v6 ? &a.s6_addr32[0] : &a.s6_addr32[3]) == 1)
			prefix_add(v6 ? 6 : 4, (uint8_t)atoi(slash + 1), a);
	}
	fclose(f);
	return n_prefixes ? 0 : -1;
}

static void links_set(struct rib *rib, bool up, bool running)
{
	for (int i = 0; i < LINKS; i++) {
		struct rib_link l = { .ifindex = i + 1, .mtu = 1500, .up = up, .running = running };

		snprintf(l.name, sizeof(l.name), "eth%d", i);
		rib_link_set(rib, &l);
	}
}

/* Every route, by one of GATEWAYS gateways; committed in batches as a mirror does. */
static double routes_do(struct rib *rib, unsigned shift, bool del)
{
	double begin = seconds();

	for (unsigned i = 0; i < n_prefixes; i++) {
		unsigned g = (i + shift) % GATEWAYS;
		struct rib_hop hop = { .ifindex = (int)(g % LINKS) + 1, .weight = 1 };
		struct rib_route r = {
			.family = prefixes[i].family,
			.len = prefixes[i].len,
			.prefix = prefixes[i].addr,
			.table = 254,
			.protocol = 186,
			.metric = 20,
			.target = { .kind = NEXTHOP_FORWARD, .n_hops = 1, .hops = &hop },
		};

		hop.gateway.family = r.family;
		hop.gateway.addr.s6_addr32[0] = r.family == 6 ? htonl(0xfe800000) : 0;
		hop.gateway.addr.s6_addr32[2] = r.family == 4 ? htonl(0xffff) : 0;
		hop.gateway.addr.s6_addr32[3] = htonl(0xc0000200 + g);
		if (del)
			rib_route_del(rib, &r);
		else
			rib_route_set(rib, &r, RIB_ROUTE_ADD);
		if (i % 128 == 127)
			rib_commit(rib);
	}
	rib_commit(rib);
	return seconds() - begin;
}

static void say_rate(const char *what, double s)
{
	printf("%-44s %8.3f s %8.0f k/s\n", what, s, n_prefixes / s / 1000);
}

static double link_flap(struct rib *rib, bool up, bool running)
{
	double begin = seconds();
	struct rib_link l = {
		.ifindex = 1, .name = "eth0", .mtu = 1500, .up = up, .running = running
	};

	rib_link_set(rib, &l);
	rib_commit(rib);
	return seconds() - begin;
}

int main(int argc, char **argv)
{
	double empty, full, begin;
	struct rib *rib;
	json_t *summary;

	if (argc > 1 ? prefixes_read(argv[1]) : (prefixes_make(), 0))
		return 1;
	if (rib_new(&rib, NULL))
		return 1;
	for (uint16_t i = 0; i < LINKS; i++) {
		char name[8], device[8];
		struct rib_interface conf = {
			.name = name, .device = device, .port_device = device, .port = i
		};
		uint16_t slot;

		snprintf(name, sizeof(name), "p%u", i);
		snprintf(device, sizeof(device), "eth%u", i);
		rib_port_state(rib, i, true);
		rib_interface_set(rib, &conf, &slot);
	}
	links_set(rib, true, true);
	rib_commit(rib);
	empty = resident_mib();
	printf("%u prefixes, %d gateways\n", n_prefixes, GATEWAYS);
	say_rate("set, table empty", routes_do(rib, 0, false));
	full = resident_mib();
	begin = seconds();
	rib_resync_begin(rib);
	links_set(rib, true, true);
	routes_do(rib, 0, false);
	rib_resync_end(rib);
	say_rate("resync, nothing changed", seconds() - begin);
	say_rate("set, every route to another gateway", routes_do(rib, 1, false));
	printf("%-44s %8.3f ms\n", "a link loses its carrier, until committed",
	       link_flap(rib, true, false) * 1e3);
	printf("%-44s %8.3f ms\n", "and has it again", link_flap(rib, true, true) * 1e3);
	printf("%-44s %8.3f ms\n", "a link goes down with a quarter of the routes",
	       link_flap(rib, false, false) * 1e3);
	link_flap(rib, true, true);
	routes_do(rib, 1, false);
	summary = rib_summary(rib);
	json_dumpf(summary, stdout, JSON_INDENT(2));
	json_decref(summary);
	printf("\nresident: %.1f MiB for all of it, %.1f bytes a prefix\n", full - empty,
	       (full - empty) * 1048576 / n_prefixes);
	say_rate("delete", routes_do(rib, 1, true));
	rib_free(rib);
	free(prefixes);
	return 0;
}
