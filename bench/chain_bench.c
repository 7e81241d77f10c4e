/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a chain costs per packet, without a NIC: frames in memory, parsed and taken through the
 * worker's own code in bursts of 64.
 *
 *     chain_bench [--flows N[,N…]] [--rules N] [--seconds S]
 *
 * Chains: the router alone; a stateless firewall and the router; a stateful one and the router. The
 * same packets for each: established TCP, both directions in turn at random, a random flow out of N
 * each. 4096 frames of 2 KiB take turns as in a ring; what writes them is not in the time. Columns:
 * nanoseconds and time stamp counter cycles a packet, and how many cycles more than the router.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "measure.h"
#include "nf/nf.h"
#include "src/bytes.h"
#include "src/chain.h"
#include "src/clock.h"
#include "src/flow_label.h"
#include "src/flow_policy.h"
#include "src/flow_route.h"
#include "src/flows.h"
#include "src/parse.h"
#include "tests/unit/support_packet.h"

#define FRAMES 4096
#define ISN_CLIENT 1000u
#define ISN_SERVER 5000u

struct bench {
	struct support *s;
	uint8_t *area;
	uint32_t len[FRAMES];
	uint8_t template[2][128]; /* a packet of each direction */
	uint32_t n_flows;
	double seconds, ns_per_tick, router_cycles;
};

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t next_random(void)
{
	return bench_random(&state);
}

static void die(const char *why)
{
	fprintf(stderr, "chain_bench: %s\n", why);
	exit(1);
}

/* --- traffic --- */

/* Flow i is from 10.x.y.z, whose 23 low bits are i's, to port 443 of one server. */
static void write_frame(struct bench *b, uint8_t *frame, uint32_t flow, bool reply, uint8_t flags)
{
	uint8_t *ip = frame + 14, *tcp = ip + 20;
	const uint32_t client = 0x0a000000 | (flow & 0x7fffff) | 0x800000;
	const uint16_t port = (uint16_t)(1024 + (flow >> 23) + flow % 60000);

	memcpy(frame, b->template[reply], 64);
	bytes_put32(ip + (reply ? 16 : 12), client);
	bytes_put16(tcp + (reply ? 2 : 0), port);
	tcp[13] = flags;
	bytes_put32(tcp + 4, (reply ? ISN_SERVER : ISN_CLIENT) + !(flags & 2));
	bytes_put32(tcp + 8, flags == 2 ? 0 : (reply ? ISN_CLIENT : ISN_SERVER) + 1);
	bytes_put16(ip + 10, 0);
	bytes_put16(ip + 10, support_checksum(ip, 20, 0));
}

static void make_templates(struct bench *b)
{
	struct probe probe = { .from = "10.0.0.5",
			       .to = "198.51.100.7",
			       .ttl = 64,
			       .protocol = IPPROTO_TCP,
			       .dport = 443,
			       .tcp_flags = 0x10,
			       .window = 8192,
			       .ip_len = 46 };

	support_build(&probe, b->template[0]);
	probe.from = "198.51.100.7";
	probe.to = "10.0.0.5";
	probe.sport = 443;
	probe.dport = 1000;
	support_build(&probe, b->template[1]);
}

static void take_up(const struct bench *b, unsigned first, struct packet *packets,
		    const bool *reply)
{
	for (unsigned i = 0; i < BURST_MAX; i++)
		packets[i] = (struct packet){
			.data = b->area + (size_t)(first + i) * SUPPORT_FRAME + 256,
			.len = 60,
			.first_len = 60,
			.iface = reply[i] ? WAN : LAN,
			.port = reply[i] ? WAN : LAN,
		};
}

static void refresh(struct bench *b)
{
	struct datapath *dp = &b->s->dp;

	dp->now_ns = clock_now_ns();
	dp->policy = flow_policy_generation();
	dp->route = flow_route_generation(b->s->fib.generation);
}

static unsigned pass(struct bench *b, const struct chain *chain, struct packet *packets)
{
	struct burst burst = { .count = BURST_MAX };
	unsigned sent = 0;

	for (unsigned i = 0; i < BURST_MAX; i++) {
		burst.packet[i] = &packets[i];
		__builtin_prefetch(packets[i].data);
	}
	for (unsigned i = 0; i < BURST_MAX; i++)
		if (parse_packet(&packets[i]))
			die("a packet is not as it should be");
	chain_run(&b->s->dp, chain, &burst);
	for (unsigned i = 0; i < BURST_MAX; i++)
		sent += packets[i].verdict == PACKET_TX;
	return sent;
}

/* Three packets of each flow; nanoseconds for a flow. */
static double establish(struct bench *b, const struct chain *chain)
{
	static const uint8_t flags[3] = { 0x02, 0x12, 0x10 };
	static struct packet packets[BURST_MAX];
	uint64_t ticks = 0;

	for (uint32_t flow = 0; flow < b->n_flows; flow += BURST_MAX)
		for (unsigned k = 0; k < 3; k++) {
			bool reply[BURST_MAX];
			uint64_t t;

			for (unsigned i = 0; i < BURST_MAX; i++) {
				reply[i] = k == 1;
				write_frame(b, b->area + (size_t)i * SUPPORT_FRAME + 256,
					    (flow + i) % b->n_flows, reply[i], flags[k]);
			}
			take_up(b, 0, packets, reply);
			refresh(b);
			t = __rdtsc();
			pass(b, chain, packets);
			if (b->s->dp.flows) {
				flow_wake(&b->s->dp);
				flow_round(&b->s->dp);
			}
			ticks += __rdtsc() - t;
		}
	return (double)ticks / b->n_flows * b->ns_per_tick;
}

static void run(struct bench *b, const char *what, const struct chain *chain)
{
	static struct packet packets[BURST_MAX];
	static bool reply[FRAMES];
	const double until = (double)clock_now_ns() + b->seconds * 1e9;
	const double setup = chain->stateful ? establish(b, chain) : 0;
	uint64_t best = UINT64_MAX, sent = 0, all = 0;
	double cycles;

	while (all < 40 * FRAMES || (double)clock_now_ns() < until) {
		uint64_t ticks = 0;

		for (unsigned i = 0; i < FRAMES; i++) {
			reply[i] = next_random() & 1;
			write_frame(b, b->area + (size_t)i * SUPPORT_FRAME + 256,
				    (uint32_t)(next_random() % b->n_flows), reply[i], 0x10);
		}
		refresh(b);
		for (unsigned first = 0; first < FRAMES; first += BURST_MAX) {
			uint64_t t;

			take_up(b, first, packets, reply + first);
			t = __rdtsc();
			sent += pass(b, chain, packets);
			ticks += __rdtsc() - t;
			all += BURST_MAX;
		}
		if (b->s->dp.flows) {
			flow_wake(&b->s->dp);
			flow_round(&b->s->dp);
		}
		best = ticks < best ? ticks : best;
	}
	if (sent != all)
		die("not all packets were forwarded");
	cycles = (double)best / FRAMES;
	if (!chain->stateful && chain->n == 1)
		b->router_cycles = cycles;
	printf("%-22s %9u %8.1f %8.1f %+8.1f", what, b->n_flows, cycles * b->ns_per_tick, cycles,
	       cycles - b->router_cycles);
	if (setup > 0)
		printf("   %8.2f", 1000 / setup);
	printf("\n");
	fflush(stdout);
}

/* --- chains --- */

static struct nf *function(const char *name, const char *text)
{
	struct nf *nf = calloc(1, sizeof(*nf));
	struct conf_errors *errors = conf_errors_new();

	nf->ops = nf_find(name);
	if (!nf->ops)
		die("a function is missing");
	nf->name = "bench";
	nf->conf = conf_struct_parse(nf->ops->schema, text, errors);
	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		die(conf_errors_get(errors, i));
	nf->drop_base = (uint16_t)drops_register(name, nf->ops->drop_reasons);
	nf->stateful = nf->ops->open != NULL;
	if (nf->ops->init && nf->ops->init(nf))
		die("a function cannot be started");
	conf_errors_free(errors);
	return nf;
}

static struct chain *chain_new(struct nf *first, struct nf *second)
{
	struct chain *chain = calloc(1, sizeof(*chain) + 2 * sizeof(chain->functions[0]));

	if (first) {
		chain->functions[chain->n++] = first;
		chain->stateful = first->stateful;
	}
	chain->functions[chain->n++] = second;
	return chain;
}

/* `rules` rules that do not match, and one that does. */
static char *firewall_text(bool stateful, unsigned rules)
{
	char *text = malloc(512 + (size_t)rules * 160), *at = text;

	at += sprintf(at, "stateful = %s; default = \"drop\"; rules = (",
		      stateful ? "true" : "false");
	for (unsigned i = 0; i < rules; i++)
		at += sprintf(
			at,
			"{ from = \"172.%u.%u.0/24\"; to = \"198.51.%u.0/24\"; proto = \"tcp\"; "
			"dport = %u; action = \"drop\"; },",
			16 + i / 256 % 16, i % 256, i % 90, 1 + i % 400);
	sprintf(at, "{ proto = \"tcp\"; dport = 443; action = \"accept\"; },"
		    "{ proto = \"tcp\"; sport = 443; action = \"accept\"; } );");
	return text;
}

static void start_flows(struct bench *b, const struct chain *chain, uint32_t n)
{
	struct flows_config config = { .ipv4 = n + n / 16 + 65536, .ipv6 = 1024, .loose = true };
	struct conf_errors *errors = conf_errors_new();
	struct flow_timeouts_config *timeouts =
		conf_struct_parse(&flow_timeouts_schema, "", errors);
	char why[256] = "";

	config.timeouts = *timeouts;
	conf_errors_free(errors);
	config.fragments.datagrams = 256;
	config.fragments.held = 64;
	if (flows_new(&b->s->dp.flows, &config, 1, HUGEPAGES_PREFER, why))
		die(why);
	b->s->dp.reassembly = flow_worker(&b->s->dp)->reassembly;
	b->s->iface[LAN].chain = b->s->iface[WAN].chain = chain;
	refresh(b);
	flow_wake(&b->s->dp);
	flow_round(&b->s->dp);
}

static double tick_ns(void)
{
	const uint64_t start = clock_now_ns();
	uint64_t t = __rdtsc(), now;

	do
		now = clock_now_ns();
	while (now - start < 50000000);
	t = __rdtsc() - t;
	return (double)(now - start) / (double)t;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "flows", required_argument, NULL, 'f' },
						 { "rules", required_argument, NULL, 'r' },
						 { "seconds", required_argument, NULL, 's' },
						 { 0 } };
	struct bench *b = calloc(1, sizeof(*b));
	char *flows = strdup("1000,10000,100000,1000000"), *save = NULL;
	unsigned rules = 100;
	struct nf *router;
	int c;

	b->seconds = 1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'f': flows = optarg; break;
		case 'r': rules = (unsigned)atoi(optarg); break;
		case 's': b->seconds = atof(optarg); break;
		default: die("usage: chain_bench [--flows N[,N...]] [--rules N] [--seconds S]");
		}
	b->s = support_new();
	b->ns_per_tick = tick_ns();
	b->area = aligned_alloc(4096, (size_t)FRAMES * SUPPORT_FRAME);
	b->s->fib.generation = 1;
	support_hop(b->s, HOP_TEST, NEXTHOP_FORWARD, LAN, "10.0.0.5");
	support_route(b->s, "10.128.0.0/9", HOP_TEST);
	make_templates(b);
	flow_labels_start(1);
	router = function("router", "");
	printf("%u rules\n%-22s %9s %8s %8s %8s   %8s\n", rules, "chain", "flows", "ns", "cycles",
	       "+router", "M set-ups/s");
	for (char *n = strtok_r(flows, ",", &save); n; n = strtok_r(NULL, ",", &save)) {
		struct chain *stateless =
			chain_new(function("firewall", firewall_text(false, rules)), router);
		struct chain *stateful =
			chain_new(function("firewall", firewall_text(true, rules)), router);

		b->n_flows = (uint32_t)atoi(n);
		run(b, "router", chain_new(NULL, router));
		run(b, "stateless + router", stateless);
		start_flows(b, stateful, b->n_flows);
		run(b, "stateful + router", stateful);
		flows_free(b->s->dp.flows);
		b->s->dp.flows = NULL;
		b->s->dp.reassembly = NULL;
	}
	return 0;
}
