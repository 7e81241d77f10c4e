/* SPDX-License-Identifier: Apache-2.0 */
/* The router, packet in, packet out: a table of what is forwarded and how, and of what is not. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "nf/nf.h"
#include "src/bytes.h"
#include "support_packet.h"

struct router_conf {
	struct conf_where where;
	bool redirects;
};

static struct router_conf conf = { .redirects = true };
static struct nf router;

static struct support *setup(void)
{
	router.ops = nf_find("router");
	router.name = "default";
	router.conf = &conf;
	router.drop_base = DROP_ENGINE_COUNT;
	conf.redirects = true;
	return support_new();
}

static void teardown(struct support *s)
{
	assert_true(support_balanced(s));
	for (unsigned i = 0; i < s->n_sent; i++)
		assert_true(support_checksums_good(s->sent[i].data + s->sent[i].l3,
						   s->sent[i].len - s->sent[i].l3));
	support_free(s);
}

static struct packet *route(struct support *s, const struct probe *probe, uint16_t iface)
{
	struct packet *p = support_probe(s, probe, iface);

	support_run(s, &router, &p, 1);
	return p;
}

/* Index of one of the router's own reasons. */
static uint16_t own_reason(const char *name)
{
	uint16_t i = 0;

	while (strcmp(router.ops->drop_reasons[i], name))
		i++;
	return DROP_ENGINE_COUNT + i;
}

static void ttl_one_is_answered_with_time_exceeded(void **state)
{
	const struct probe probe = { .from = "10.0.0.5", .to = "198.51.100.7", .ttl = 1 };
	struct support *s = setup();
	struct packet *p = route(s, &probe, LAN);
	const uint8_t *ip;

	assert_int_equal(p->verdict, PACKET_DROP);
	assert_int_equal(p->reason, own_reason("ttl_exceeded"));
	assert_int_equal(s->n_sent, 1);
	ip = s->sent[0].data + 14;
	assert_int_equal(s->sent[0].iface, LAN);
	assert_int_equal(ip[9], IPPROTO_ICMP);
	assert_int_equal(ip[20], 11);
	assert_int_equal(ip[21], 0);
	assert_int_equal(bytes_get32(ip + 12), 0x0a000001);
	assert_memory_equal(ip + 28, packet_l3(p), 100);
	teardown(s);
	(void)state;
}

static void packet_leaves_by_its_route_with_ttl_one_less(void **state)
{
	static const char *const to[] = { "198.51.100.7", "2001:db8:ffff::7" };
	static const char *const from[] = { "10.0.0.5", "2001:db8:1::5" };

	for (unsigned i = 0; i < 2; i++) {
		struct support *s = setup();
		const struct probe probe = { .from = from[i], .to = to[i], .ttl = 2 };
		struct packet *p = route(s, &probe, LAN);
		const uint8_t *frame = s->sent[0].data;

		assert_int_equal(p->verdict, PACKET_TX);
		assert_int_equal(s->n_sent, 1);
		assert_int_equal(s->sent[0].port, 1);
		assert_int_equal(s->sent[0].iface, WAN);
		assert_int_equal(s->sent[0].len, 114);
		assert_memory_equal(frame, s->hop[i ? HOP_WAN6 : HOP_WAN].l2, 12);
		assert_int_equal(bytes_get16(frame + 12), i ? 0x86dd : 0x0800);
		assert_int_equal(frame[14 + (i ? 7 : 8)], 1);
		teardown(s);
	}
	(void)state;
}

struct refusal {
	const char *from, *to;
	const char *reason; /* the router's own; NULL: `engine` */
	uint16_t engine;
};

static void impossible_addresses_are_refused_without_a_word(void **state)
{
	static const struct refusal refusals[] = {
		{ "0.0.0.0", "198.51.100.7", "martian_source", 0 },
		{ "0.1.2.3", "198.51.100.7", "martian_source", 0 },
		{ "127.0.0.1", "198.51.100.7", "martian_source", 0 },
		{ "224.0.0.5", "198.51.100.7", "martian_source", 0 },
		{ "240.0.0.1", "198.51.100.7", "martian_source", 0 },
		{ "255.255.255.255", "198.51.100.7", "martian_source", 0 },
		{ "10.0.0.255", "198.51.100.7", "martian_source", 0 },
		{ "10.0.0.5", "0.0.0.0", "martian_destination", 0 },
		{ "10.0.0.5", "127.1.2.3", "martian_destination", 0 },
		{ "10.0.0.5", "240.0.0.1", "martian_destination", 0 },
		{ "10.0.0.5", "224.0.0.5", NULL, DROP_BROADCAST },
		{ "10.0.0.5", "255.255.255.255", NULL, DROP_BROADCAST },
		{ "10.0.0.5", "192.0.2.255", NULL, DROP_BROADCAST },
		{ "169.254.3.4", "198.51.100.7", "link_local", 0 },
		{ "10.0.0.5", "169.254.3.4", "link_local", 0 },
		{ "10.0.0.1", "198.51.100.7", "own_source", 0 },
		{ "192.0.2.1", "198.51.100.7", "own_source", 0 },
		{ "10.0.0.5", "192.0.2.1", NULL, DROP_LOCAL },
		{ "::", "2001:db8:ffff::7", "martian_source", 0 },
		{ "::1", "2001:db8:ffff::7", "martian_source", 0 },
		{ "::ffff:10.0.0.5", "2001:db8:ffff::7", "martian_source", 0 },
		{ "::10.0.0.5", "2001:db8:ffff::7", "martian_source", 0 },
		{ "ff02::1", "2001:db8:ffff::7", "martian_source", 0 },
		{ "2001:db8:1::5", "::", "martian_destination", 0 },
		{ "2001:db8:1::5", "::1", "martian_destination", 0 },
		{ "2001:db8:1::5", "::ffff:192.0.2.7", "martian_destination", 0 },
		{ "2001:db8:1::5", "ff0e::1", NULL, DROP_BROADCAST },
		{ "2001:db8:1::5", "fe80::99", "link_local", 0 },
		{ "fe80::5", "fe80::99", "link_local", 0 },
		{ "2001:db8:1::1", "2001:db8:ffff::7", "own_source", 0 },
		{ "2001:db8:1::5", "2001:db8:2::1", NULL, DROP_LOCAL },
	};

	for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];
		const struct probe probe = { .from = r->from, .to = r->to };
		struct support *s = setup();
		struct packet *p = route(s, &probe, LAN);

		assert_int_equal(p->verdict, PACKET_DROP);
		assert_string_equal(p->reason >= DROP_ENGINE_COUNT ?
					    router.ops->drop_reasons[p->reason - DROP_ENGINE_COUNT] :
					    drops_name(p->reason),
				    r->reason ? r->reason : drops_name(r->engine));
		assert_int_equal(s->n_sent, 0);
		teardown(s);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_leaves_by_its_route_with_ttl_one_less),
		cmocka_unit_test(ttl_one_is_answered_with_time_exceeded),
		cmocka_unit_test(impossible_addresses_are_refused_without_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
