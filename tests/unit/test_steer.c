/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steering program, loaded through the verifier and run by the kernel on packets in plain
 * memory (BPF_PROG_TEST_RUN). An AF_XDP socket that is bound to nothing stands in the queue's
 * slot: the redirect finds it, and a test run delivers nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steer.skel.h"
#include "steer_program.h"
#include "xdp/steer.h"

#define ROOM 128    /* of a sample; what its headers leave is zero */
#define SHORTEST 14 /* the kernel runs XDP on nothing shorter than an Ethernet header */

#ifndef AF_XDP
#define AF_XDP 44
#endif

#define OWN4 "192.0.2.1"
#define OWN6 "2001:db8::1"
#define FAR4 "198.51.100.9"
#define FAR6 "2001:db8:9::9"

/* Where a packet goes; the first three are the program's counters. */
enum where {
	LOCAL = STEER_COUNT_LOCAL,
	OTHER = STEER_COUNT_OTHER,
	FALLBACK = STEER_COUNT_FALLBACK,
	SOCKET,
};

static struct steer_bpf *program;
static struct steer_maps program_maps; /* the same maps, as the daemon would find them */
static struct steer_addresses *own;
static int socket_fd = -1;

struct sample {
	const char *name;
	enum where want;
	uint16_t type;	   /* of what is in the tags */
	const char *to;	   /* IP destination */
	uint16_t tags[3];  /* TPIDs, outermost first */
	uint8_t mac;	   /* first byte of the destination, 0: 02 */
	uint8_t next;	   /* IPv6 next header; of the hop-by-hop header where there is one */
	uint8_t hop_limit; /* 0: 64 */
	uint8_t icmp;
	uint8_t hop_by_hop; /* 0: none; else its length in bytes */
};

static uint8_t *put16(uint8_t *at, uint16_t value)
{
	*at++ = (uint8_t)(value >> 8);
	*at++ = (uint8_t)value;
	return at;
}

static void put_ip4(uint8_t *ip, const struct sample *s)
{
	ip[0] = 0x45;
	put16(ip + 2, 60);
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	assert_int_equal(inet_pton(AF_INET, "203.0.113.5", ip + 12), 1);
	assert_int_equal(inet_pton(AF_INET, s->to, ip + 16), 1);
}

static void put_ip6(uint8_t *ip, const uint8_t *end, const struct sample *s)
{
	uint8_t *next = ip + 40;

	ip[0] = 0x60;
	put16(ip + 4, 40);
	ip[6] = s->hop_by_hop ? 0 : s->next;
	ip[7] = s->hop_limit ? s->hop_limit : 64;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8:5::5", ip + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, s->to, ip + 24), 1);
	if (s->hop_by_hop) {
		next[0] = s->next;
		next[1] = s->hop_by_hop / 8 - 1;
		next += s->hop_by_hop;
	}
	if (next < end)
		next[0] = s->icmp;
}

static void build(const struct sample *s, uint8_t packet[ROOM])
{
	uint8_t *at = packet;

	memset(packet, 0, ROOM);
	packet[0] = s->mac ? s->mac : 0x02;
	packet[5] = 1;
	packet[6] = 0x02;
	at += 12;
	for (int i = 0; i < 3 && s->tags[i]; i++) {
		at = put16(at, s->tags[i]);
		at = put16(at, (uint16_t)(100 + i));
	}
	at = put16(at, s->type);
	if (s->to && strchr(s->to, ':'))
		put_ip6(at, packet + ROOM, s);
	else if (s->to)
		put_ip4(at, s);
}

static void counters(uint64_t sums[STEER_COUNTERS])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = calloc((size_t)cpus, sizeof(*values));

	for (uint32_t i = 0; i < STEER_COUNTERS; i++) {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(program->maps.visor_counters), &i,
						     values),
				 0);
		sums[i] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			sums[i] += values[cpu];
	}
	free(values);
}

static uint32_t run(const uint8_t *packet, uint32_t len)
{
	uint8_t out[ROOM];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program->progs.visor_steer), &opts),
			 0);
	assert_int_equal(opts.data_size_out, len);
	assert_memory_equal(out, packet, len);
	return opts.retval;
}

/* Its action, and that exactly its counter has moved, by one. */
static void expect(const char *name, const uint8_t *packet, uint32_t len, enum where want,
		   uint32_t action)
{
	uint64_t before[STEER_COUNTERS], after[STEER_COUNTERS];
	uint32_t got;

	counters(before);
	got = run(packet, len);
	counters(after);
	if (got != action)
		fail_msg("%s, %u bytes: action %u, expected %u", name, len, got, action);
	for (uint32_t i = 0; i < STEER_COUNTERS; i++)
		if (after[i] - before[i] != (i == want))
			fail_msg("%s, %u bytes: counter %u moved by %u", name, len, i,
				 (unsigned)(after[i] - before[i]));
}

static void expect_sample(const struct sample *s)
{
	uint8_t packet[ROOM];

	build(s, packet);
	expect(s->name, packet, ROOM, s->want, s->want == SOCKET ? XDP_REDIRECT : XDP_PASS);
}

#define IP4 0x0800
#define IP6 0x86dd
#define Q 0x8100
#define AD 0x88a8

static const struct sample samples[] = {
	{ "IPv4 in transit", SOCKET, .type = IP4, .to = FAR4 },
	{ "IPv4 to an own address", LOCAL, .type = IP4, .to = OWN4 },
	{ "IPv4 to a directed broadcast", LOCAL, .type = IP4, .to = "192.0.2.255" },
	{ "IPv4 to another network's broadcast", SOCKET, .type = IP4, .to = "198.51.100.255" },
	{ "IPv4 multicast, first", OTHER, .type = IP4, .to = "224.0.0.0" },
	{ "IPv4 multicast, last", OTHER, .type = IP4, .to = "239.255.255.255" },
	{ "IPv4 below multicast", SOCKET, .type = IP4, .to = "223.255.255.255" },
	{ "IPv4 class E", SOCKET, .type = IP4, .to = "240.0.0.1" },
	{ "IPv4 limited broadcast", OTHER, .type = IP4, .to = "255.255.255.255" },
	{ "IPv4 almost limited broadcast", SOCKET, .type = IP4, .to = "255.255.255.254" },
	{ "IPv4 loopback, a martian", SOCKET, .type = IP4, .to = "127.0.0.1" },
	{ "IPv4 link-local, a martian", SOCKET, .type = IP4, .to = "169.254.1.1" },
	{ "IPv4, Ethernet broadcast", OTHER, .type = IP4, .to = FAR4, .mac = 0xff },
	{ "IPv4, Ethernet multicast", OTHER, .type = IP4, .to = FAR4, .mac = 0x01 },
	{ "IPv4, own address, Ethernet multicast", OTHER, .type = IP4, .to = OWN4, .mac = 0x01 },

	{ "IPv6 in transit", SOCKET, .type = IP6, .to = FAR6, .next = 17 },
	{ "IPv6 to an own address", LOCAL, .type = IP6, .to = OWN6, .next = 6 },
	{ "IPv6 multicast", OTHER, .type = IP6, .to = "ff02::1:ff00:1", .next = 58, .icmp = 135 },
	{ "IPv6 global multicast", OTHER, .type = IP6, .to = "ff0e::5", .next = 17 },
	{ "IPv6 link-local, first", OTHER, .type = IP6, .to = "fe80::", .next = 6 },
	{ "IPv6 link-local, last", OTHER, .type = IP6, .to = "febf:ffff::1", .next = 6 },
	{ "IPv6 site-local, above link-local", SOCKET, .type = IP6, .to = "fec0::1", .next = 6 },
	{ "IPv6 below link-local", SOCKET, .type = IP6, .to = "fe7f::1", .next = 6 },
	{ "IPv6 unique local", SOCKET, .type = IP6, .to = "fd00::1", .next = 6 },
	{ "IPv6 loopback, a martian", SOCKET, .type = IP6, .to = "::1", .next = 6 },
	{ "IPv6 mapped own IPv4 address", SOCKET, .type = IP6, .to = "::ffff:192.0.2.1",
	  .next = 6 },
	{ "IPv6, Ethernet multicast", OTHER, .type = IP6, .to = FAR6, .next = 17, .mac = 0x33 },

	{ "ND router solicitation", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 133,
	  .hop_limit = 255 },
	{ "ND router advertisement", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 134,
	  .hop_limit = 255 },
	{ "ND solicitation", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 135,
	  .hop_limit = 255 },
	{ "ND advertisement", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 136,
	  .hop_limit = 255 },
	{ "ND redirect", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 137,
	  .hop_limit = 255 },
	{ "ND that was forwarded", SOCKET, .type = IP6, .to = FAR6, .next = 58, .icmp = 135,
	  .hop_limit = 254 },
	{ "ICMPv6 138 is not ND", SOCKET, .type = IP6, .to = FAR6, .next = 58, .icmp = 138,
	  .hop_limit = 255 },
	{ "UDP with ND's first byte", SOCKET, .type = IP6, .to = FAR6, .next = 17, .icmp = 135,
	  .hop_limit = 255 },
	{ "MLD query", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 130, .hop_limit = 1,
	  .hop_by_hop = 8 },
	{ "MLD report", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 131, .hop_limit = 1,
	  .hop_by_hop = 8 },
	{ "MLD done", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 132, .hop_limit = 1,
	  .hop_by_hop = 8 },
	{ "MLDv2 report", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 143, .hop_limit = 1,
	  .hop_by_hop = 8 },
	{ "MLDv2 report, 16 bytes of options", OTHER, .type = IP6, .to = FAR6, .next = 58,
	  .icmp = 143, .hop_limit = 1, .hop_by_hop = 16 },
	{ "MLD without options", OTHER, .type = IP6, .to = FAR6, .next = 58, .icmp = 130,
	  .hop_limit = 1 },
	{ "MLD in transit", SOCKET, .type = IP6, .to = FAR6, .next = 58, .icmp = 130,
	  .hop_limit = 2, .hop_by_hop = 8 },
	{ "MLD behind options beyond the packet", SOCKET, .type = IP6, .to = FAR6, .next = 58,
	  .icmp = 130, .hop_limit = 1, .hop_by_hop = 80 },
	{ "echo request in transit", SOCKET, .type = IP6, .to = FAR6, .next = 58, .icmp = 128 },

	{ "ARP, unicast", OTHER, .type = 0x0806 },
	{ "LLDP", OTHER, .type = 0x88cc },
	{ "MPLS", OTHER, .type = 0x8847 },
	{ "PPPoE session", OTHER, .type = 0x8864 },
	{ "802.3 with a length", OTHER, .type = 46 },

	{ "802.1Q, IPv4 in transit", SOCKET, .type = IP4, .to = FAR4, .tags = { Q } },
	{ "802.1Q, IPv4 to an own address", LOCAL, .type = IP4, .to = OWN4, .tags = { Q } },
	{ "802.1Q, IPv6 in transit", SOCKET, .type = IP6, .to = FAR6, .tags = { Q }, .next = 17 },
	{ "802.1Q, ARP", OTHER, .type = 0x0806, .tags = { Q } },
	{ "802.1ad alone, IPv4", SOCKET, .type = IP4, .to = FAR4, .tags = { AD } },
	{ "QinQ, IPv4 in transit", SOCKET, .type = IP4, .to = FAR4, .tags = { AD, Q } },
	{ "QinQ, IPv6 to an own address", LOCAL, .type = IP6, .to = OWN6, .tags = { AD, Q },
	  .next = 6 },
	{ "QinQ with two 8100, IPv4", SOCKET, .type = IP4, .to = FAR4, .tags = { Q, Q } },
	{ "QinQ, ARP", OTHER, .type = 0x0806, .tags = { AD, Q } },
	{ "three tags", OTHER, .type = IP4, .to = FAR4, .tags = { AD, Q, Q } },
};

static void each_class_of_packet_goes_where_it_belongs(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		expect_sample(&samples[i]);
}

/* One sample cut to every length: from `length` bytes on it goes to `want`. */
struct cut {
	struct sample sample;
	struct {
		uint32_t length;
		enum where want;
	} from[4];
};

static const struct cut cuts[] = {
	{ { "ARP", .type = 0x0806 }, { { 14, OTHER } } },
	{ { "IPv4 in transit", .type = IP4, .to = FAR4 }, { { 14, SOCKET } } },
	{ { "IPv4, own", .type = IP4, .to = OWN4 }, { { 14, SOCKET }, { 34, LOCAL } } },
	{ { "IPv4 multicast", .type = IP4, .to = "224.0.0.5" }, { { 14, SOCKET }, { 34, OTHER } } },
	{ { "802.1Q, IPv4, own", .type = IP4, .to = OWN4, .tags = { Q } },
	  { { 14, OTHER }, { 18, SOCKET }, { 38, LOCAL } } },
	{ { "QinQ, IPv4, own", .type = IP4, .to = OWN4, .tags = { AD, Q } },
	  { { 14, OTHER }, { 22, SOCKET }, { 42, LOCAL } } },
	{ { "IPv6 in transit", .type = IP6, .to = FAR6, .next = 17 }, { { 14, SOCKET } } },
	{ { "IPv6, own", .type = IP6, .to = OWN6, .next = 17 }, { { 14, SOCKET }, { 54, LOCAL } } },
	{ { "IPv6 link-local", .type = IP6, .to = "fe80::1", .next = 17 },
	  { { 14, SOCKET }, { 54, OTHER } } },
	{ { "QinQ, IPv6, own", .type = IP6, .to = OWN6, .next = 17, .tags = { AD, Q } },
	  { { 14, OTHER }, { 22, SOCKET }, { 62, LOCAL } } },
	{ { "ND", .type = IP6, .to = FAR6, .next = 58, .icmp = 135, .hop_limit = 255 },
	  { { 14, SOCKET }, { 55, OTHER } } },
	{ { "QinQ, MLD", .type = IP6, .to = FAR6, .next = 58, .icmp = 143, .hop_limit = 1,
	    .hop_by_hop = 8, .tags = { AD, Q } },
	  { { 14, OTHER }, { 22, SOCKET }, { 71, OTHER } } },
};

static void every_truncation_is_read_no_further_than_it_is(void **state)
{
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		uint8_t packet[ROOM];
		int step = 0;

		build(&cuts[i].sample, packet);
		for (uint32_t len = SHORTEST; len <= ROOM; len++) {
			while (step + 1 < 4 && cuts[i].from[step + 1].length &&
			       cuts[i].from[step + 1].length <= len)
				step++;
			expect(cuts[i].sample.name, packet, len, cuts[i].from[step].want,
			       cuts[i].from[step].want == SOCKET ? XDP_REDIRECT : XDP_PASS);
		}
	}
}

static void fallback_set(uint32_t action)
{
	struct steer_config config = { .magic = STEER_MAGIC, .abi = STEER_ABI, .fallback = action };
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(program->maps.visor_config), &zero,
					     &config, BPF_ANY),
			 0);
}

static void socket_set(bool present)
{
	int map = bpf_map__fd(program->maps.visor_sockets);
	uint32_t queue = 0;

	if (present)
		assert_int_equal(bpf_map_update_elem(map, &queue, &socket_fd, BPF_ANY), 0);
	else
		assert_int_equal(bpf_map_delete_elem(map, &queue), 0);
}

/* Only what would have gone to the socket takes the fallback; the host stays reachable. */
static void without_a_socket_the_fallback_is_taken_and_nothing_else_changes(void **state)
{
	static const uint32_t actions[] = { XDP_DROP, XDP_PASS };

	socket_set(false);
	for (int a = 0; a < 2; a++) {
		fallback_set(actions[a]);
		for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
			const struct sample *s = &samples[i];
			bool falls = s->want == SOCKET;
			uint8_t packet[ROOM];

			build(s, packet);
			expect(s->name, packet, ROOM, falls ? FALLBACK : s->want,
			       falls ? actions[a] : XDP_PASS);
		}
	}
	socket_set(true);
	fallback_set(XDP_PASS);
}

static struct ip_addr address(const char *text)
{
	struct ip_addr addr = { .family = 6 };

	if (inet_pton(AF_INET, text, &addr.addr.s6_addr[12]) == 1) {
		addr.addr.s6_addr[10] = addr.addr.s6_addr[11] = 0xff;
		addr.family = 4;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &addr.addr), 1);
	}
	return addr;
}

static void set(struct steer_addresses *addresses, const char *text, bool present)
{
	struct ip_addr addr = address(text);

	assert_int_equal(steer_addresses_set(addresses, &addr, present), 0);
}

static void an_address_is_local_as_long_as_it_is_set(void **state)
{
	struct sample far4 = { "far IPv4", SOCKET, .type = IP4, .to = FAR4 };
	struct sample far6 = { "far IPv6", SOCKET, .type = IP6, .to = FAR6, .next = 6 };

	for (int i = 0; i < 3; i++) {
		far4.want = far6.want = i == 1 ? LOCAL : SOCKET;
		set(own, FAR4, i == 1);
		set(own, FAR6, i == 1);
		expect_sample(&far4);
		expect_sample(&far6);
	}
}

static void many_set(int i, bool present)
{
	char text[48];

	snprintf(text, sizeof(text), "10.7.%d.%d", i >> 8, i & 255);
	set(own, text, present);
	snprintf(text, sizeof(text), "2001:db8:%x::%x", i * 7919 % 65536, i);
	set(own, text, present);
}

static void many_expect(int i, enum where want)
{
	char text[48];
	struct sample s4 = { "one of many IPv4", want, .type = IP4, .to = text };
	struct sample s6 = { "one of many IPv6", want, .type = IP6, .to = text, .next = 6 };

	snprintf(text, sizeof(text), "10.7.%d.%d", i >> 8, i & 255);
	expect_sample(&s4);
	snprintf(text, sizeof(text), "2001:db8:%x::%x", i * 7919 % 65536, i);
	expect_sample(&s6);
}

/* More removals than the filter bears before it is written anew. */
static void thousands_of_addresses_come_and_go_and_none_is_missed(void **state)
{
	enum { N = 3000 };

	for (int i = 0; i < N; i++)
		many_set(i, true);
	for (int i = 0; i < N; i += 7)
		many_expect(i, LOCAL);
	for (int i = 0; i < N; i++)
		if (i % 7)
			many_set(i, false);
	for (int i = 0; i < N; i++)
		many_expect(i, i % 7 ? SOCKET : LOCAL);
	for (int i = 0; i < N; i += 7)
		many_set(i, false);
}

static unsigned filter_bits(const struct steer_maps *maps)
{
	struct steer_filter filter;
	uint32_t zero = 0;
	unsigned n = 0;

	assert_int_equal(bpf_map_lookup_elem(maps->fd[STEER_FILTER], &zero, &filter), 0);
	for (int i = 0; i < STEER_FILTER_BITS / 64; i++)
		n += (unsigned)__builtin_popcountll(filter.word[i]);
	return n;
}

static void the_filter_sheds_stale_bits(void **state)
{
	steer_addresses_sweep(own);
	assert_in_range(filter_bits(&program_maps), 1, 3);
	for (int i = 0; i < 1500; i++) {
		many_set(i, true);
		many_set(i, false);
	}
	assert_in_range(filter_bits(&program_maps), 1, 1024 + 3);
	steer_addresses_sweep(own);
	assert_in_range(filter_bits(&program_maps), 1, 3);
}

static void a_loaded_program_is_known_by_its_maps_and_its_code(void **state)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info), zero = 0;
	struct steer_config config = { .magic = STEER_MAGIC, .abi = STEER_ABI + 1 };
	struct steer_maps maps;

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program->progs.visor_steer), &info,
						&size),
			 0);
	assert_string_equal(info.name, STEER_PROGRAM);
	assert_int_equal(steer_maps_open(&maps, info.id), 0);
	assert_true(steer_image_current(&maps, false, info.id));
	steer_maps_close(&maps);

	bpf_map_update_elem(bpf_map__fd(program->maps.visor_config), &zero, &config, BPF_ANY);
	assert_int_equal(steer_maps_open(&maps, info.id), -ESTALE);
	fallback_set(XDP_PASS);
	assert_int_equal(steer_maps_open(&maps, info.id), 0);
	steer_maps_close(&maps);
}

static bool knows(const struct steer_maps *maps, const char *text)
{
	struct ip_addr addr = address(text);
	uint32_t value;

	if (addr.family == 4)
		return !bpf_map_lookup_elem(maps->fd[STEER_LOCAL4], &addr.addr.s6_addr[12], &value);
	return !bpf_map_lookup_elem(maps->fd[STEER_LOCAL6], &addr.addr, &value);
}

static void addresses_of_a_program_taken_over_are_kept_until_the_sweep(void **state)
{
	struct steer_addresses *earlier, *now;
	struct steer_maps old, lent;

	steer_maps_init(&old);
	assert_int_equal(steer_maps_create(&old), 0);
	assert_int_equal(steer_addresses_new(&earlier), 0);
	assert_int_equal(steer_addresses_join(earlier, &old), 0);
	set(earlier, OWN4, true);
	set(earlier, OWN6, true);
	set(earlier, "192.0.2.255", true);
	steer_addresses_free(earlier);

	assert_int_equal(steer_addresses_new(&now), 0);
	set(now, "2001:db8::77", true);
	assert_int_equal(steer_addresses_join(now, &old), 0);
	assert_true(knows(&old, "2001:db8::77"));
	assert_true(knows(&old, OWN4) && knows(&old, OWN6));
	assert_int_equal(filter_bits(&old), 4);
	set(now, OWN4, true);
	steer_addresses_sweep(now);
	assert_true(knows(&old, OWN4) && knows(&old, "2001:db8::77"));
	assert_false(knows(&old, OWN6) || knows(&old, "192.0.2.255"));

	set(now, OWN4, false);
	set(now, OWN4, false);
	steer_maps_init(&lent);
	assert_int_equal(steer_addresses_lend(now, &lent), 0);
	assert_true(knows(&lent, "2001:db8::77"));
	assert_false(knows(&old, OWN4) || knows(&lent, OWN4));
	steer_addresses_leave(now, &old);
	set(now, OWN4, true);
	assert_false(knows(&old, OWN4));
	steer_maps_close(&lent);
	steer_maps_close(&old);
	steer_addresses_free(now);
}

static void maps_that_join_after_the_sweep_are_reconciled_at_once(void **state)
{
	struct steer_addresses *addresses;
	struct steer_maps old;
	char text[32];

	steer_maps_init(&old);
	assert_int_equal(steer_maps_create(&old), 0);
	for (int i = 0; i < 2000; i++) {
		uint8_t key[4] = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i };
		uint32_t value = 1;

		assert_int_equal(bpf_map_update_elem(old.fd[STEER_LOCAL4], key, &value, BPF_ANY),
				 0);
	}
	assert_int_equal(steer_addresses_new(&addresses), 0);
	for (int i = 0; i < 2000; i += 2) {
		snprintf(text, sizeof(text), "10.%d.%d.%d", 1 + i % 4 / 2, i >> 8, i & 255);
		set(addresses, text, true);
	}
	steer_addresses_sweep(addresses);
	assert_int_equal(steer_addresses_join(addresses, &old), 0);
	for (int i = 0; i < 2000; i++) {
		for (int net = 1; net <= 2; net++) {
			snprintf(text, sizeof(text), "10.%d.%d.%d", net, i >> 8, i & 255);
			assert_int_equal(knows(&old, text), i % 2 == 0 && net == 1 + i % 4 / 2);
		}
	}
	assert_in_range(filter_bits(&old), 900, 1000);
	steer_addresses_leave(addresses, &old);
	steer_addresses_free(addresses);
	steer_maps_close(&old);
}

static int program_load(void **state)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	steer_print_init();
	program = steer_bpf__open_and_load();
	socket_fd = socket(AF_XDP, SOCK_RAW, 0);
	if (!program || socket_fd < 0)
		return -1;
	fallback_set(XDP_PASS);
	socket_set(true);
	if (bpf_obj_get_info_by_fd(bpf_program__fd(program->progs.visor_steer), &info, &size) ||
	    steer_maps_open(&program_maps, info.id) || steer_addresses_new(&own) ||
	    steer_addresses_join(own, &program_maps))
		return -1;
	set(own, OWN4, true);
	set(own, OWN6, true);
	set(own, "192.0.2.255", true);
	return 0;
}

static int program_unload(void **state)
{
	steer_addresses_free(own);
	steer_maps_close(&program_maps);
	close(socket_fd);
	steer_bpf__destroy(program);
	return 0;
}

/* May this process load XDP programs at all? */
static bool privileged(void)
{
	struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
				   { .code = BPF_JMP | BPF_EXIT } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "visor_probe", "GPL", code, 2, NULL);

	if (fd < 0)
		return errno != EPERM && errno != EACCES;
	close(fd);
	return true;
}

static void skipped(void **state)
{
	print_message("test_steer: may not load BPF programs; run as root\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_class_of_packet_goes_where_it_belongs),
		cmocka_unit_test(every_truncation_is_read_no_further_than_it_is),
		cmocka_unit_test(without_a_socket_the_fallback_is_taken_and_nothing_else_changes),
		cmocka_unit_test(an_address_is_local_as_long_as_it_is_set),
		cmocka_unit_test(thousands_of_addresses_come_and_go_and_none_is_missed),
		cmocka_unit_test(the_filter_sheds_stale_bits),
		cmocka_unit_test(a_loaded_program_is_known_by_its_maps_and_its_code),
		cmocka_unit_test(addresses_of_a_program_taken_over_are_kept_until_the_sweep),
		cmocka_unit_test(maps_that_join_after_the_sweep_are_reconciled_at_once),
	};
	const struct CMUnitTest none[] = { cmocka_unit_test(skipped) };

	if (!privileged())
		return cmocka_run_group_tests_name("steer", none, NULL, NULL);
	return cmocka_run_group_tests_name("steer", tests, program_load, program_unload);
}
