/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the router costs per packet, without a NIC: frames in memory, parsed and forwarded in bursts
 * of 64 over a full table. One line per kind of traffic; time is the CPU's time stamp counter,
 * whose cycles are not the core's where that runs at another clock, so nanoseconds stand beside
 * them.
 *
 *     router_bench [PREFIXES]     a file with one prefix a line, IPv4 and IPv6; without it a random
 *                                 table of 900,000 and 160,000
 *
 * Each packet has a destination of its own, random inside of a random prefix of the table; 250 next
 * hops are dealt out by a hash of the prefix. 4096 frames of 2 KiB take turns, as in a ring: their
 * headers do not stay in the first-level cache.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "measure.h"
#include "nf/nf.h"
#include "src/bytes.h"
#include "src/lpm4.h"
#include "src/lpm6.h"
#include "src/parse.h"
#include "tests/unit/support_packet.h"

#define FRAMES 4096
#define HOPS 250
#define ROUNDS 120 /* of all frames, until their TTL is used up and they are made again */
#define REPEATS 5

struct bench {
	struct support *s;
	struct nf router;
	uint8_t *area;
	uint32_t len[FRAMES];
	struct ip_addr *prefix4, *prefix6;
	unsigned n4, n6;
	double ns_per_tick;
};

struct router_conf {
	struct conf_where where;
	bool redirects;
};

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t next_random(void)
{
	return bench_random(&state);
}

static void die(const char *why)
{
	fprintf(stderr, "router_bench: %s\n", why);
	exit(1);
}

static void add_prefix(struct bench *b, struct ip_addr *addr, unsigned len)
{
	const uint64_t hash =
		bytes_get64(addr->addr.s6_addr) + bytes_get64(addr->addr.s6_addr + 8) * 31;
	const uint32_t hop = HOP_TEST + (uint32_t)(hash % HOPS);
	int err;

	if (addr->family == 4) {
		err = lpm4_set(b->s->fib.lpm4, bytes_get32(addr->addr.s6_addr + 12), len, hop);
		b->prefix4[b->n4++] = *addr;
	} else {
		err = lpm6_set(b->s->fib.lpm6, &addr->addr, len, hop);
		b->prefix6[b->n6++] = *addr;
	}
	if (err)
		die("no memory for the table");
}

static void read_table(struct bench *b, FILE *file)
{
	char line[128], *slash;

	while (fgets(line, sizeof(line), file)) {
		struct ip_addr addr;
		const unsigned limit = strchr(line, ':') ? b->n6 : b->n4;

		slash = strchr(line, '/');
		if (!slash || limit == 2000000)
			die("not a prefix in the table's file, or too many");
		*slash = 0;
		addr = support_addr(line);
		add_prefix(b, &addr, (unsigned)atoi(slash + 1));
	}
}

static void make_table(struct bench *b)
{
	for (unsigned i = 0; i < 1060000; i++) {
		struct ip_addr addr = { .family = i < 900000 ? 4 : 6 };
		const unsigned len = (addr.family == 4 ? 24 : 48) - (unsigned)(next_random() % 8);

		if (addr.family == 4) {
			uint32_t net = (uint32_t)next_random() << (32 - len);

			net = (net & 0x1fffffff) | 0x20000000;
			memset(addr.addr.s6_addr + 10, 0xff, 2);
			bytes_put32(addr.addr.s6_addr + 12, net);
		} else {
			bytes_put32(addr.addr.s6_addr,
				    0x20000000 | (uint32_t)(next_random() & 0xfffffff));
			bytes_put16(addr.addr.s6_addr + 4, (uint16_t)(0xffff << (48 - len)));
		}
		add_prefix(b, &addr, len);
	}
}

static void one_prefix(struct bench *b)
{
	struct ip_addr four = support_addr("32.0.0.0"), six = support_addr("2000::");

	add_prefix(b, &four, 3);
	add_prefix(b, &six, 3);
}

static void make_frame(struct bench *b, unsigned i, bool six)
{
	const struct ip_addr *prefix = six ? &b->prefix6[next_random() % b->n6] :
					     &b->prefix4[next_random() % b->n4];
	const struct probe probe = {
		.from = six ? "2001:db8:1::5" : "10.0.0.5",
		.to = six ? "2001:db8:2::5" : "192.0.2.5",
		.ttl = 255,
		.sport = (uint16_t)next_random(),
		.ip_len = 64,
	};
	uint8_t *frame = b->area + (size_t)i * SUPPORT_FRAME + 256, *ip = frame + 14;

	b->len[i] = support_build(&probe, frame);
	if (six) {
		memcpy(ip + 24, &prefix->addr, 16);
		bytes_put32(ip + 36, (uint32_t)next_random());
		bytes_put32(ip + 20, (uint32_t)next_random());
		return;
	}
	bytes_put32(ip + 12, 0x0a000000 | (next_random() & 0xffff) << 8 | 5);
	bytes_put32(ip + 16, bytes_get32(prefix->addr.s6_addr + 12) | (next_random() & 0xff));
	bytes_put16(ip + 10, 0);
	bytes_put16(ip + 10, support_checksum(ip, 20, 0));
}

static void take_up(const struct bench *b, unsigned first, struct packet *packets)
{
	for (unsigned i = 0; i < BURST_MAX; i++)
		packets[i] = (struct packet){
			.data = b->area + (size_t)(first + i) * SUPPORT_FRAME + 256,
			.len = b->len[first + i],
			.first_len = (uint16_t)b->len[first + i],
			.iface = LAN,
			.port = LAN,
		};
}

static void run(struct bench *b, const char *what, unsigned sixes, const char *table)
{
	static struct packet packets[BURST_MAX];
	uint64_t parse = UINT64_MAX, route = UINT64_MAX, sent = 0, all = 0;
	struct burst burst = { .count = BURST_MAX };

	for (unsigned i = 0; i < BURST_MAX; i++)
		burst.packet[i] = &packets[i];
	for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
		uint64_t parsing = 0, routing = 0;

		for (unsigned i = 0; i < FRAMES; i++)
			make_frame(b, i, i % 2 < sixes);
		for (unsigned round = 0; round < ROUNDS * FRAMES / BURST_MAX; round++) {
			uint64_t t0, t1, t2;

			take_up(b, round * BURST_MAX % FRAMES, packets);
			t0 = __rdtsc();
			for (unsigned i = 0; i < BURST_MAX; i++)
				__builtin_prefetch(packets[i].data);
			for (unsigned i = 0; i < BURST_MAX; i++)
				if (parse_packet(&packets[i]))
					die("a packet is not as it should be");
			t1 = __rdtsc();
			b->router.ops->process(&b->router, &b->s->dp, &burst);
			t2 = __rdtsc();
			parsing += t1 - t0;
			routing += t2 - t1;
			for (unsigned i = 0; i < BURST_MAX; i++)
				sent += packets[i].verdict == PACKET_TX;
			all += BURST_MAX;
		}
		parse = parsing < parse ? parsing : parse;
		route = routing < route ? routing : route;
	}
	if (sent != all)
		die("not all packets were forwarded");
	{
		const double n = (double)ROUNDS * FRAMES;
		const double ns = (double)(parse + route) / n * b->ns_per_tick;

		printf("%-6s %-10s %7.1f %7.1f %7.1f   %6.1f %8.1f\n", what, table, parse / n,
		       route / n, (parse + route) / n, ns, 1000 / ns);
	}
}

static double tick_ns(void)
{
	struct timespec a, b;
	uint64_t t = __rdtsc();

	clock_gettime(CLOCK_MONOTONIC, &a);
	do
		clock_gettime(CLOCK_MONOTONIC, &b);
	while ((b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec < 50000000);
	t = __rdtsc() - t;
	return (double)((b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec) / (double)t;
}

int main(int argc, char **argv)
{
	static struct router_conf conf = { .redirects = true };
	struct bench *b = calloc(1, sizeof(*b));
	FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;

	if (argc > 2 || (argc > 1 && !file))
		die("usage: router_bench [PREFIXES]");
	b->s = support_new();
	b->ns_per_tick = tick_ns();
	b->router = (struct nf){ .ops = nf_find("router"), .name = "bench", .conf = &conf };
	b->area = aligned_alloc(4096, (size_t)FRAMES * SUPPORT_FRAME);
	b->prefix4 = calloc(2000000, sizeof(struct ip_addr));
	b->prefix6 = calloc(2000000, sizeof(struct ip_addr));
	for (uint32_t i = 0; i < HOPS; i++)
		support_hop(b->s, HOP_TEST + i, NEXTHOP_FORWARD, WAN, "192.0.2.254");
	printf("traffic table      parse  router     sum       ns     Mpps   (cycles of the "
	       "TSC)\n");
	for (unsigned full = 0; full < 2; full++) {
		if (full && file)
			read_table(b, file);
		else if (full)
			make_table(b);
		else
			one_prefix(b);
		run(b, "IPv4", 0, full ? "full" : "one route");
		run(b, "IPv6", 2, full ? "full" : "one route");
		run(b, "both", 1, full ? "full" : "one route");
	}
	return 0;
}
