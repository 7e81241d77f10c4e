/* SPDX-License-Identifier: Apache-2.0 */
/* Shallow reassembly: every order, what is refused and by which name, limits and time. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "src/bytes.h"
#include "src/parse.h"
#include "support_fragment.h"
#include "support_packet.h"

#define MS 1000000ull
#define TIMEOUT_MS 2000

#define EACH_FAMILY(f) for (unsigned f = 4; f <= 6; f += 2)

static struct support *start_with(const struct reassembly_config *config)
{
	struct support *s = support_new();

	assert_int_equal(reassembly_new(&s->dp.reassembly, config), 0);
	return s;
}

static struct support *start(void)
{
	return start_with(NULL);
}

static void finish(struct support *s)
{
	assert_true(support_balanced(s));
	reassembly_drop_all(&s->dp);
	assert_int_equal(s->counters.held, 0);
	assert_true(support_balanced(s));
	reassembly_free(s->dp.reassembly);
	support_free(s);
}

static uint64_t under_way(const struct support *s)
{
	return reassembly_stats(s->dp.reassembly)->datagrams;
}

/* One fragment in a burst of its own. */
static struct packet *one(struct support *s, const struct cut *cut)
{
	struct packet *p = support_cut(s, cut);

	support_stage(s, &p, 1);
	assert_true(support_balanced(s));
	return p;
}

static struct packet *piece(struct support *s, unsigned family, uint32_t id, unsigned from,
			    unsigned to, bool more)
{
	return one(s, &(struct cut){ family, .id = id, .start = from, .end = to, .more = more });
}

static void poll_after(struct support *s, uint64_t ns)
{
	s->dp.now_ns += ns;
	reassembly_poll(&s->dp);
	assert_true(support_balanced(s));
}

static void assert_dropped(const struct packet *p, uint16_t reason)
{
	assert_int_equal(p->verdict, PACKET_DROP);
	assert_string_equal(drops_name(p->reason), drops_name(reason));
}

static uint64_t dropped(const struct support *s, uint16_t reason)
{
	return s->counters.drops[reason];
}

/* The offset of what was sent as i-th. */
static unsigned offset_sent(const struct support *s, unsigned i)
{
	const uint8_t *ip = s->sent[i].data + s->sent[i].l3;

	return ip[0] >> 4 == 4 ? (bytes_get16(ip + 6) & 0x1fff) * 8u :
				 bytes_get16(ip + 42) & 0xfff8u;
}

/* --- orders --- */

#define PIECE 64u
#define LAST 51u /* the last one's length */

static struct cut nth(unsigned family, unsigned i, unsigned n)
{
	return (struct cut){ .family = family,
			     .id = 77,
			     .start = i * PIECE,
			     .end = i * PIECE + (i + 1 < n ? PIECE : LAST),
			     .more = i + 1 < n };
}

/* The next permutation in lexical order; false: that was the last one. */
static bool next_order(unsigned *order, unsigned n)
{
	unsigned i = n - 1, k = n - 1, swap;

	while (i && order[i - 1] > order[i])
		i--;
	if (!i)
		return false;
	while (order[k] < order[i - 1])
		k--;
	swap = order[i - 1], order[i - 1] = order[k], order[k] = swap;
	for (k = n - 1; i < k; i++, k--)
		swap = order[i], order[i] = order[k], order[k] = swap;
	return true;
}

/* Send a datagram's n pieces in that order, in bursts of `burst`. */
static void send_in_order(struct support *s, unsigned family, const unsigned *order, unsigned n,
			  unsigned burst, uint16_t dport)
{
	struct packet *packets[BURST_MAX];

	for (unsigned done = 0; done < n;) {
		unsigned some = 0;

		for (; some < burst && done < n; done++) {
			struct cut cut = nth(family, order[done], n);

			cut.dport = dport;
			packets[some++] = support_cut(s, &cut);
		}
		support_stage(s, packets, some);
		assert_true(support_balanced(s));
	}
}

static void with_every_order(void (*check)(struct support *s, unsigned family,
					   const unsigned *order, unsigned n, unsigned burst))
{
	EACH_FAMILY(family)
	{
		for (unsigned n = 2; n <= 5; n++)
			for (unsigned burst = 1; burst <= n; burst++) {
				unsigned order[] = { 0, 1, 2, 3, 4 };

				do {
					struct support *s = start();

					check(s, family, order, n, burst);
					finish(s);
				} while (next_order(order, n));
			}
	}
}

/* The first leaves first, then those that waited as they came, then the others as they come. */
static void check_all_pass(struct support *s, unsigned family, const unsigned *order, unsigned n,
			   unsigned burst)
{
	unsigned seen = 0, next = 0;

	send_in_order(s, family, order, n, burst, 0);
	assert_int_equal(s->n_sent, n);
	assert_int_equal(s->counters.held, 0);
	assert_int_equal(under_way(s), 0);
	assert_int_equal(reassembly_stats(s->dp.reassembly)->completed, 1);
	assert_int_equal(offset_sent(s, 0), 0);
	for (unsigned i = 1; i < n; i++) {
		next += order[next] == 0;
		assert_int_equal(offset_sent(s, i), order[next++] * PIECE);
	}
	for (unsigned i = 0; i < n; i++)
		seen |= 1u << offset_sent(s, i) / PIECE;
	assert_int_equal(seen, (1u << n) - 1);
}

static void fragments_pass_in_every_order(void **state)
{
	with_every_order(check_all_pass);
	(void)state;
}

static void check_all_denied(struct support *s, unsigned family, const unsigned *order, unsigned n,
			     unsigned burst)
{
	send_in_order(s, family, order, n, burst, DENIED_PORT);
	assert_int_equal(s->n_sent, 0);
	assert_int_equal(s->counters.held, 0);
	assert_int_equal(dropped(s, DROP_PROHIBIT), 1);
	assert_int_equal(dropped(s, DROP_FRAGMENT_DENIED), n - 1);
	assert_int_equal(under_way(s), 0); /* all of it came: its id is free */
}

static void the_others_follow_a_denied_first_in_every_order(void **state)
{
	with_every_order(check_all_denied);
	(void)state;
}

/* Without the first none of the others leaves, in whatever order they come. */
static void check_none_without_first(struct support *s, unsigned family, const unsigned *order,
				     unsigned n, unsigned burst)
{
	for (unsigned i = 0; i < n; i++) {
		const struct cut cut = nth(family, order[i], n);

		if (order[i])
			assert_int_equal(one(s, &cut)->verdict, PACKET_STOLEN);
	}
	assert_int_equal(s->n_sent, 0);
	assert_int_equal(s->counters.held, n - 1);
	poll_after(s, TIMEOUT_MS * MS);
	assert_int_equal(dropped(s, DROP_FRAGMENT_TIMEOUT), n - 1);
	assert_int_equal(s->counters.held, 0);
	assert_int_equal(under_way(s), 0);
	(void)burst;
}

static void nothing_passes_without_the_first(void **state)
{
	with_every_order(check_none_without_first);
	(void)state;
}

/* --- what the others are given --- */

struct given {
	uint8_t protocol, icmp_type;
	unsigned sport, dport;
};

static void check_given(unsigned family, const struct given *g, bool early)
{
	struct support *s = start();
	struct cut first = { family,	g->protocol,  .id = 5,
			     .end = 64, .more = true, .icmp_type = g->icmp_type };
	struct cut last = { family,	 g->protocol, .id = 5,
			    .start = 64, .end = 100,  .icmp_type = g->icmp_type };
	struct packet *a = support_cut(s, &first), *b = support_cut(s, &last), *got = b;
	struct packet *batch[BURST_MAX];

	s->counters.rx_packets += 2;
	assert_int_equal(parse_packet(a), DROP_NONE);
	assert_int_equal(parse_packet(b), DROP_NONE);
	if (early)
		reassembly_input(&s->dp, b);
	reassembly_input(&s->dp, a);
	assert_int_equal(a->verdict, PACKET_CONTINUE);
	assert_int_equal(ntohs(a->sport), g->sport);
	assert_int_equal(ntohs(a->dport), g->dport);
	if (early) {
		assert_int_equal(reassembly_release(&s->dp, batch), 1);
		got = batch[0];
	}
	assert_int_equal(reassembly_release(&s->dp, batch), 0);
	if (!early)
		reassembly_input(&s->dp, b);
	assert_int_equal(got->verdict, PACKET_CONTINUE);
	assert_true(got->data == b->data);
	assert_int_equal(got->protocol, g->protocol);
	assert_int_equal(ntohs(got->sport), g->sport);
	assert_int_equal(ntohs(got->dport), g->dport);
	a->verdict = got->verdict = PACKET_TX;
	datapath_finish(&s->dp, &a, 1);
	datapath_finish(&s->dp, &got, 1);
	finish(s);
}

static void the_others_are_given_the_ports_of_the_first(void **state)
{
	static const struct given four[] = {
		{ IPPROTO_TCP, 0, 1000, 2000 },
		{ IPPROTO_UDP, 0, 1000, 2000 },
		{ IPPROTO_SCTP, 0, 1000, 2000 },
		{ IPPROTO_DCCP, 0, 1000, 2000 },
		{ IPPROTO_UDPLITE, 0, 1000, 2000 },
		{ IPPROTO_ICMP, 8, 0x4d2, 0 },
		{ IPPROTO_ICMP, 0, 0, 0x4d2 },
		{ IPPROTO_ICMP, 13, 0, 0 },
		{ IPPROTO_ESP, 0, 0, 0 },
		{ IPPROTO_GRE, 0, 0, 0 },
		{ 99, 0, 0, 0 },
	};
	static const struct given six[] = {
		{ IPPROTO_TCP, 0, 1000, 2000 },	   { IPPROTO_UDP, 0, 1000, 2000 },
		{ IPPROTO_ICMPV6, 128, 0x4d2, 0 }, { IPPROTO_ICMPV6, 129, 0, 0x4d2 },
		{ IPPROTO_ICMPV6, 1, 0, 0 },	   { IPPROTO_ESP, 0, 0, 0 },
	};

	for (unsigned early = 0; early < 2; early++) {
		for (unsigned i = 0; i < sizeof(four) / sizeof(four[0]); i++)
			check_given(4, &four[i], early);
		for (unsigned i = 0; i < sizeof(six) / sizeof(six[0]); i++)
			check_given(6, &six[i], early);
	}
	(void)state;
}

/* RFC 8200 4.5: the next header of the others' fragment headers is that of the first's. */
static void the_others_are_given_the_protocol_behind_extension_headers(void **state)
{
	struct support *s = start();
	struct cut first = { 6, .id = 5, .end = 64, .more = true, .chain = 1 };
	struct cut last = { 6, .id = 5, .start = 64, .end = 100, .chain = 1 };
	struct packet *p;

	assert_int_equal(one(s, &first)->protocol, IPPROTO_UDP);
	p = one(s, &last);
	assert_int_equal(p->verdict, PACKET_TX);
	assert_int_equal(p->protocol, IPPROTO_UDP);
	assert_int_equal(ntohs(p->dport), 2000);
	finish(s);
	(void)state;
}

static void datagrams_are_told_apart(void **state)
{
	const struct cut first = { 4, .id = 5, .end = 64, .more = true };
	const struct cut first6 = { 6, .id = 5, .end = 64, .more = true };
	const struct cut others[] = {
		{ 4, .id = 6, .start = 64, .end = 100 },
		{ 4, .id = 5, .start = 64, .end = 100, .host = 6 },
		{ 4, .id = 5, .start = 64, .end = 100, .protocol = IPPROTO_ICMP },
		{ 6, .id = 6, .start = 64, .end = 100 },
		{ 6, .id = 0x10005, .start = 64, .end = 100 },
		{ 6, .id = 5, .start = 64, .end = 100, .host = 6 },
	};
	struct support *s = start();

	one(s, &first);
	one(s, &first6);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(one(s, &others[i])->verdict, PACKET_STOLEN);
	assert_int_equal(under_way(s), 8);
	assert_int_equal(piece(s, 4, 5, 64, 100, false)->verdict, PACKET_TX);
	assert_int_equal(piece(s, 6, 5, 64, 100, false)->verdict, PACKET_TX);
	finish(s);
	(void)state;
}

/* --- what is refused --- */

struct overlap {
	const char *what;
	unsigned start, end;
	bool more;
};

/* Pieces [0,64), [128,192), [256,320) have come; the datagram ends at 400. */
static const struct overlap overlaps[] = {
	{ "the end of the first", 56, 72, true },
	{ "inside of the first", 8, 16, true },
	{ "the first's beginning, shorter", 0, 56, true },
	{ "the first's beginning, longer", 0, 72, true },
	{ "the first's end", 16, 64, true },
	{ "beginning of the second", 120, 136, true },
	{ "just before and all of the second", 120, 192, true },
	{ "inside of the second", 136, 144, true },
	{ "the second and more", 120, 200, true },
	{ "the second's beginning, shorter", 128, 184, true },
	{ "the second's beginning, longer", 128, 200, true },
	{ "the second's end", 136, 192, true },
	{ "end of the second", 184, 200, true },
	{ "two of them", 184, 264, true },
	{ "all of them", 0, 320, true },
	{ "the last one, inside of the third", 264, 320, false },
	{ "the last one, from the third on", 312, 400, false },
};

static void send_three(struct support *s, unsigned family, bool with_first)
{
	if (with_first)
		assert_int_equal(piece(s, family, 3, 0, 64, true)->verdict, PACKET_TX);
	piece(s, family, 3, 128, 192, true);
	piece(s, family, 3, 256, 320, true);
}

static void an_overlap_ends_the_datagram(void **state)
{
	EACH_FAMILY(family)
	{
		for (unsigned i = 0; i < sizeof(overlaps) / sizeof(overlaps[0]); i++) {
			const struct overlap *o = &overlaps[i];
			struct support *s = start();
			struct packet *p;

			send_three(s, family, true);
			assert_int_equal(s->n_sent, 3);
			p = piece(s, family, 3, o->start, o->end, o->more);
			if (p->verdict != PACKET_DROP || p->reason != DROP_FRAGMENT_OVERLAP)
				fail_msg("IPv%u, %s: %s", family, o->what, drops_name(p->reason));
			/* nothing of it passes any more */
			p = piece(s, family, 3, 64, 128, true);
			assert_dropped(p, DROP_FRAGMENT_OVERLAP);
			p = piece(s, family, 3, 320, 400, false);
			assert_dropped(p, DROP_FRAGMENT_OVERLAP);
			assert_int_equal(s->n_sent, 3);
			finish(s);
		}
	}
	(void)state;
}

/* What waits is not let out by a first fragment that comes after the overlap. */
static void an_overlap_among_early_ones_drops_them_all(void **state)
{
	EACH_FAMILY(family)
	{
		for (unsigned i = 0; i < sizeof(overlaps) / sizeof(overlaps[0]); i++) {
			const struct overlap *o = &overlaps[i];
			struct support *s = start();
			unsigned before;

			if (!o->start)
				goto next;
			if (o->end <= 128)
				piece(s, family, 3, 0, 64, true);
			send_three(s, family, false);
			before = s->n_sent;
			assert_dropped(piece(s, family, 3, o->start, o->end, o->more),
				       DROP_FRAGMENT_OVERLAP);
			assert_int_equal(s->counters.held, 0);
			assert_dropped(piece(s, family, 3, 0, 64, true), DROP_FRAGMENT_OVERLAP);
			assert_int_equal(s->n_sent, before);
next:
			finish(s);
		}
	}
	(void)state;
}

static void a_first_that_overlaps_early_ones_is_refused(void **state)
{
	EACH_FAMILY(family)
	{
		struct support *s = start();

		piece(s, family, 3, 64, 128, true);
		piece(s, family, 3, 128, 192, false);
		assert_dropped(piece(s, family, 3, 0, 72, true), DROP_FRAGMENT_OVERLAP);
		assert_int_equal(dropped(s, DROP_FRAGMENT_OVERLAP), 3);
		assert_int_equal(s->n_sent, 0);
		finish(s);
	}
	(void)state;
}

/* In one burst with the first: what waits for its verdict does not leave. */
static void an_overlap_in_the_burst_of_the_first_drops_the_rest(void **state)
{
	EACH_FAMILY(family)
	{
		const struct cut cuts[] = {
			{ family, .id = 1, .start = 0, .end = 64, .more = true },
			{ family, .id = 1, .start = 64, .end = 128, .more = true },
			{ family, .id = 1, .start = 120, .end = 136, .more = true },
			{ family, .id = 1, .start = 128, .end = 140 },
		};
		struct support *s = start();
		struct packet *packets[4];

		for (unsigned i = 0; i < 4; i++)
			packets[i] = support_cut(s, &cuts[i]);
		support_stage(s, packets, 4);
		assert_int_equal(s->n_sent, 1);
		assert_int_equal(dropped(s, DROP_FRAGMENT_OVERLAP), 3);
		finish(s);
	}
	(void)state;
}

struct tiny {
	const char *what;
	struct cut cut;
	bool refused;
};

static const struct tiny tinies[] = {
	{ "TCP of 8", { 4, IPPROTO_TCP, .end = 8, .more = true }, true },
	{ "TCP of 16", { 4, IPPROTO_TCP, .end = 16, .more = true }, true },
	{ "TCP of 24", { 4, IPPROTO_TCP, .end = 24, .more = true }, false },
	{ "TCP, options cut", { 4, IPPROTO_TCP, .end = 24, .more = true, .tcp_header = 28 }, true },
	{ "TCP, options whole",
	  { 4, IPPROTO_TCP, .end = 32, .more = true, .tcp_header = 32 },
	  false },
	{ "TCP, 60 cut", { 4, IPPROTO_TCP, .end = 56, .more = true, .tcp_header = 60 }, true },
	{ "UDP of 8", { 4, IPPROTO_UDP, .end = 8, .more = true }, false },
	{ "ICMP of 8", { 4, IPPROTO_ICMP, .end = 8, .more = true }, false },
	{ "SCTP of 8", { 4, IPPROTO_SCTP, .end = 8, .more = true }, true },
	{ "SCTP of 16", { 4, IPPROTO_SCTP, .end = 16, .more = true }, false },
	{ "DCCP of 8", { 4, IPPROTO_DCCP, .end = 8, .more = true }, true },
	{ "TCP of 16, IPv6", { 6, IPPROTO_TCP, .end = 16, .more = true }, true },
	{ "TCP of 24, IPv6", { 6, IPPROTO_TCP, .end = 24, .more = true }, false },
	{ "TCP of 24, options of 8 before it",
	  { 6, IPPROTO_TCP, .end = 24, .more = true, .chain = 1 },
	  true },
	{ "UDP of 16, options of 8 before it",
	  { 6, IPPROTO_UDP, .end = 16, .more = true, .chain = 1 },
	  false },
	{ "options of 8, then nothing",
	  { 6, IPPROTO_UDP, .end = 8, .more = true, .chain = 1 },
	  true },
};

static void a_first_without_its_whole_header_ends_the_datagram(void **state)
{
	for (unsigned i = 0; i < sizeof(tinies) / sizeof(tinies[0]); i++) {
		const struct tiny *t = &tinies[i];
		struct cut rest = t->cut;
		struct support *s = start();
		struct packet *p = one(s, &t->cut);

		if (t->refused ? p->verdict != PACKET_DROP || p->reason != DROP_FRAGMENT_TINY :
				 p->verdict != PACKET_TX)
			fail_msg("%s: %s", t->what, drops_name(p->reason));
		rest.start = 800;
		rest.end = 900;
		rest.more = false;
		p = one(s, &rest);
		if (t->refused)
			assert_dropped(p, DROP_FRAGMENT_TINY);
		else
			assert_int_equal(p->verdict, PACKET_TX);
		finish(s);
	}
	(void)state;
}

/* RFC 3128: the flags of TCP would be in the second one. */
static void tcp_at_offset_eight_ends_the_datagram(void **state)
{
	EACH_FAMILY(family)
	{
		struct support *s = start();
		const struct cut cut = { family,     IPPROTO_TCP, .id = 1,
					 .start = 8, .end = 64,	  .more = true };
		const struct cut first = { family, IPPROTO_TCP, .id = 1, .end = 24, .more = true };
		const struct cut udp = { family, IPPROTO_UDP, .id = 2, .start = 8, .end = 64 };

		assert_dropped(one(s, &cut), DROP_FRAGMENT_TINY);
		assert_dropped(one(s, &first), DROP_FRAGMENT_TINY);
		assert_int_equal(one(s, &udp)->verdict, PACKET_STOLEN);
		finish(s);
	}
	(void)state;
}

static void a_duplicate_is_dropped_alone(void **state)
{
	EACH_FAMILY(family)
	{
		struct support *s = start();

		assert_int_equal(piece(s, family, 1, 64, 128, true)->verdict, PACKET_STOLEN);
		assert_dropped(piece(s, family, 1, 64, 128, true), DROP_FRAGMENT_DUPLICATE);
		assert_int_equal(piece(s, family, 1, 0, 64, true)->verdict, PACKET_TX);
		assert_int_equal(s->n_sent, 2);
		assert_dropped(piece(s, family, 1, 0, 64, true), DROP_FRAGMENT_DUPLICATE);
		assert_dropped(piece(s, family, 1, 64, 128, true), DROP_FRAGMENT_DUPLICATE);
		assert_int_equal(piece(s, family, 1, 192, 200, false)->verdict, PACKET_TX);
		assert_dropped(piece(s, family, 1, 192, 200, false), DROP_FRAGMENT_DUPLICATE);
		assert_int_equal(piece(s, family, 1, 128, 192, true)->verdict, PACKET_TX);
		assert_int_equal(s->n_sent, 4);
		assert_int_equal(under_way(s), 0);
		finish(s);
	}
	(void)state;
}

/* A header of its own in another first: whose ports would the others follow? */
static void a_second_first_with_other_ports_does_not_pass(void **state)
{
	EACH_FAMILY(family)
	{
		struct support *s = start();
		const struct cut first = { family, .id = 1, .end = 64, .more = true,
					   .dport = DENIED_PORT };
		const struct cut second = { family, .id = 1, .end = 64, .more = true };
		struct packet *both[] = { support_cut(s, &second), support_cut(s, &first) };
		struct packet *p;

		support_stage(s, both, 2);
		assert_int_equal(both[0]->verdict, PACKET_TX);
		assert_dropped(both[1], DROP_FRAGMENT_DUPLICATE);
		p = piece(s, family, 1, 64, 100, false);
		assert_int_equal(p->verdict, PACKET_TX);
		assert_int_equal(ntohs(p->dport), 2000);
		/* and after a denied one */
		assert_dropped(one(s, &first), DROP_PROHIBIT);
		assert_dropped(one(s, &second), DROP_FRAGMENT_DENIED);
		assert_dropped(piece(s, family, 1, 64, 100, false), DROP_FRAGMENT_DENIED);
		finish(s);
	}
	(void)state;
}

static void lengths_that_cannot_be_are_refused(void **state)
{
	EACH_FAMILY(family)
	{
		/* IPv4's own header counts towards the 65535, IPv6's does not */
		const unsigned most = family == 4 ? 65515 : 65535;
		struct support *s = start();

		assert_dropped(piece(s, family, 1, 64, 100, true), DROP_FRAGMENT_LENGTH);
		assert_dropped(piece(s, family, 1, 64, 64, false), DROP_FRAGMENT_LENGTH);
		assert_dropped(piece(s, family, 1, 0, 0, true), DROP_FRAGMENT_LENGTH);
		assert_dropped(piece(s, family, 1, 65512, most + 1, false), DROP_FRAGMENT_LENGTH);
		assert_dropped(piece(s, family, 1, 65528, 65600, true), DROP_FRAGMENT_LENGTH);
		assert_int_equal(under_way(s), 0);
		assert_int_equal(piece(s, family, 1, 65512, most, false)->verdict, PACKET_STOLEN);
		finish(s);
	}
	(void)state;
}

static void a_datagram_whose_length_contradicts_itself_ends(void **state)
{
	static const struct {
		unsigned a, b, c, d; /* [a,b) then [c,d) */
		bool more_first, more_then;
	} cases[] = {
		{ 64, 100, 104, 160, false, true },  /* behind the last */
		{ 64, 100, 128, 160, false, false }, /* a second last, behind */
		{ 64, 100, 64, 90, false, false },   /* a second end */
		{ 64, 100, 64, 104, false, true },   /* a few bytes more than the last has */
		{ 64, 104, 64, 100, true, false },   /* the same the other way round */
		{ 128, 160, 64, 100, true, false },  /* the last, before one that came */
		{ 64, 100, 8, 16, false, false },    /* a last before the last */
	};

	EACH_FAMILY(family)
	{
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct support *s = start();

			piece(s, family, 1, cases[i].a, cases[i].b, cases[i].more_first);
			assert_dropped(piece(s, family, 1, cases[i].c, cases[i].d,
					     cases[i].more_then),
				       DROP_FRAGMENT_LENGTH);
			assert_int_equal(dropped(s, DROP_FRAGMENT_LENGTH), 2);
			assert_dropped(piece(s, family, 1, 0, 8, true), DROP_FRAGMENT_LENGTH);
			finish(s);
		}
	}
	(void)state;
}

/* --- verdicts --- */

static void a_first_that_left_in_pieces_was_not_denied(void **state)
{
	struct support *s = start();
	struct packet *p = support_cut(s, &(struct cut){ 4, .end = 64, .more = true });
	struct packet *later = support_cut(s, &(struct cut){ 4, .start = 64, .end = 128 });
	struct packet *batch[BURST_MAX];

	s->counters.rx_packets += 2;
	parse_packet(p);
	parse_packet(later);
	reassembly_input(&s->dp, p);
	reassembly_input(&s->dp, later);
	packet_drop(p, DROP_FRAGMENTED);
	datapath_finish(&s->dp, &p, 1);
	assert_int_equal(reassembly_release(&s->dp, batch), 1);
	batch[0]->verdict = PACKET_TX;
	datapath_finish(&s->dp, batch, 1);
	finish(s);
	(void)state;
}

/* More than a burst can wait for one burst's firsts. */
static void what_waits_is_released_in_bursts(void **state)
{
	struct support *s = start();
	struct packet *firsts[4], *batch[BURST_MAX];
	unsigned n, total = 0;

	for (uint32_t id = 0; id < 4; id++)
		for (unsigned i = 1; i <= 30; i++)
			assert_int_equal(piece(s, 4, id, i * 64, i * 64 + 64, true)->verdict,
					 PACKET_STOLEN);
	assert_int_equal(s->counters.held, 120);
	for (uint32_t id = 0; id < 4; id++) {
		firsts[id] = support_cut(s, &(struct cut){ 4, .id = id, .end = 64, .more = true });
		s->counters.rx_packets++;
		parse_packet(firsts[id]);
		reassembly_input(&s->dp, firsts[id]);
		firsts[id]->verdict = PACKET_TX;
	}
	packet_drop(firsts[1], DROP_PROHIBIT);
	datapath_finish(&s->dp, firsts, 4);
	while (reassembly_pending(&s->dp)) {
		n = reassembly_release(&s->dp, batch);
		assert_true(n <= BURST_MAX);
		for (unsigned i = 0; i < n; i++, total++)
			batch[i]->verdict = PACKET_TX;
		datapath_finish(&s->dp, batch, n);
	}
	assert_int_equal(total, 90);
	assert_int_equal(s->n_sent, 93);
	assert_int_equal(dropped(s, DROP_FRAGMENT_DENIED), 30);
	assert_int_equal(s->counters.held, 0);
	finish(s);
	(void)state;
}

/* 64 KiB in one burst are no early fragments: no limit is for them. */
static void a_large_datagram_in_one_burst_passes(void **state)
{
	const struct reassembly_config config = { .held = 1, .held_datagram = 1, .held_source = 1 };

	EACH_FAMILY(family)
	{
		struct support *s = start_with(&config);
		struct packet *packets[46];

		for (unsigned i = 0; i < 46; i++) {
			const unsigned from = i * 1448;
			const unsigned to = i < 45 ? from + 1448 : 65500;

			packets[i] = support_cut(s, &(struct cut){ family, .start = from, .end = to,
								   .more = i < 45 });
		}
		support_stage(s, packets, 46);
		assert_int_equal(s->n_sent, 46);
		assert_int_equal(under_way(s), 0);
		finish(s);
	}
	(void)state;
}

/* --- time --- */

static void time_out_counts_from_the_first_sign_and_again_from_the_first(void **state)
{
	struct support *s = start();

	assert_int_equal(reassembly_next_ns(&s->dp), UINT64_MAX);
	piece(s, 4, 1, 64, 128, true);
	assert_int_equal(reassembly_next_ns(&s->dp), s->dp.now_ns + TIMEOUT_MS * MS);
	poll_after(s, TIMEOUT_MS * MS - 1);
	assert_int_equal(s->counters.held, 1);
	assert_int_equal(piece(s, 4, 1, 0, 64, true)->verdict, PACKET_TX);
	assert_int_equal(reassembly_next_ns(&s->dp), UINT64_MAX); /* no packet waits */
	poll_after(s, TIMEOUT_MS * MS - 1);
	assert_int_equal(piece(s, 4, 1, 128, 192, true)->verdict, PACKET_TX);
	poll_after(s, 1);
	assert_int_equal(under_way(s), 0);
	assert_int_equal(reassembly_stats(s->dp.reassembly)->expired, 1);
	assert_int_equal(piece(s, 4, 1, 192, 200, false)->verdict, PACKET_STOLEN);
	poll_after(s, TIMEOUT_MS * MS);
	assert_int_equal(dropped(s, DROP_FRAGMENT_TIMEOUT), 1);
	finish(s);
	(void)state;
}

/* The worker slept: nobody polled before the next one came. */
static void a_stale_datagram_is_not_gone_on_with(void **state)
{
	struct support *s = start();

	piece(s, 4, 1, 64, 128, true);
	s->dp.now_ns += TIMEOUT_MS * MS;
	assert_int_equal(piece(s, 4, 1, 0, 64, true)->verdict, PACKET_TX);
	assert_int_equal(s->n_sent, 1);
	assert_int_equal(dropped(s, DROP_FRAGMENT_TIMEOUT), 1);
	assert_int_equal(under_way(s), 1);
	finish(s);
	(void)state;
}

static void the_dead_are_forgotten_in_time(void **state)
{
	struct support *s = start();

	piece(s, 4, 1, 0, 64, true);
	piece(s, 4, 1, 8, 64, true);
	assert_dropped(piece(s, 4, 1, 0, 64, true), DROP_FRAGMENT_OVERLAP);
	poll_after(s, TIMEOUT_MS * MS);
	assert_int_equal(under_way(s), 0);
	assert_int_equal(piece(s, 4, 1, 0, 64, true)->verdict, PACKET_TX);
	finish(s);
	(void)state;
}

static void a_poll_ends_a_bounded_number_of_datagrams(void **state)
{
	const struct reassembly_config config = { .held_source = 1000 };
	struct support *s = start_with(&config);

	for (uint32_t id = 0; id < 200; id++)
		piece(s, 4, id, 64, 128, true);
	poll_after(s, TIMEOUT_MS * MS);
	assert_int_equal(under_way(s), 200 - 64);
	for (unsigned i = 0; i < 3; i++)
		poll_after(s, 0);
	assert_int_equal(under_way(s), 0);
	assert_int_equal(dropped(s, DROP_FRAGMENT_TIMEOUT), 200);
	finish(s);
	(void)state;
}

static void the_time_out_is_configured(void **state)
{
	const struct reassembly_config config = { .timeout_ns = 5 * MS };
	struct support *s = start_with(&config);

	piece(s, 4, 1, 64, 128, true);
	poll_after(s, 5 * MS - 1);
	assert_int_equal(s->counters.held, 1);
	poll_after(s, 1);
	assert_int_equal(s->counters.held, 0);
	finish(s);
	(void)state;
}

/* --- limits --- */

static void one_datagram_holds_so_many(void **state)
{
	const struct reassembly_config config = { .held_datagram = 3 };
	struct support *s = start_with(&config);

	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(piece(s, 4, 1, i * 64, i * 64 + 64, true)->verdict, PACKET_STOLEN);
	assert_dropped(piece(s, 4, 1, 256, 300, false), DROP_FRAGMENT_LIMIT);
	assert_int_equal(dropped(s, DROP_FRAGMENT_LIMIT), 4); /* it cannot become whole any more */
	assert_dropped(piece(s, 4, 1, 0, 64, true), DROP_FRAGMENT_LIMIT);
	assert_int_equal(piece(s, 4, 2, 256, 300, false)->verdict, PACKET_STOLEN);
	finish(s);
	(void)state;
}

static void one_source_holds_so_many(void **state)
{
	const struct reassembly_config config = { .held_source = 5, .seed = 1 };

	EACH_FAMILY(family)
	{
		struct support *s = start_with(&config);
		struct cut other = { family, .id = 1, .start = 64, .end = 128, .host = 99 };

		for (uint32_t id = 0; id < 5; id++)
			assert_int_equal(piece(s, family, id, 64, 128, true)->verdict,
					 PACKET_STOLEN);
		assert_dropped(piece(s, family, 5, 64, 128, true), DROP_FRAGMENT_LIMIT);
		assert_int_equal(s->counters.held, 5);
		assert_int_equal(one(s, &other)->verdict, PACKET_STOLEN);
		/* one of them goes: there is room again */
		assert_int_equal(piece(s, family, 2, 0, 64, true)->verdict, PACKET_TX);
		assert_int_equal(piece(s, family, 6, 64, 128, true)->verdict, PACKET_STOLEN);
		assert_dropped(piece(s, family, 7, 64, 128, true), DROP_FRAGMENT_LIMIT);
		finish(s);
	}
	(void)state;
}

static void when_too_many_wait_the_oldest_datagram_gives_way(void **state)
{
	const struct reassembly_config config = { .held = 6, .held_source = 9 };
	struct support *s = start_with(&config);

	piece(s, 4, 1, 64, 128, true);
	piece(s, 4, 1, 128, 192, true);
	for (uint32_t id = 2; id <= 5; id++)
		piece(s, 4, id, 64, 128, true);
	assert_int_equal(s->counters.held, 6);
	assert_int_equal(piece(s, 4, 6, 64, 128, true)->verdict, PACKET_STOLEN);
	assert_int_equal(s->counters.held, 5);
	assert_int_equal(dropped(s, DROP_FRAGMENT_LIMIT), 2);
	assert_dropped(piece(s, 4, 1, 0, 64, true), DROP_FRAGMENT_LIMIT);
	assert_int_equal(piece(s, 4, 2, 0, 64, true)->verdict, PACKET_TX);
	assert_int_equal(s->n_sent, 2);
	finish(s);
	(void)state;
}

/* It is the oldest itself. */
static void a_datagram_that_fills_all_room_alone_gives_way(void **state)
{
	const struct reassembly_config config = { .held = 4, .held_source = 9 };
	struct support *s = start_with(&config);

	for (unsigned i = 1; i <= 4; i++)
		assert_int_equal(piece(s, 4, 1, i * 64, i * 64 + 64, true)->verdict, PACKET_STOLEN);
	assert_dropped(piece(s, 4, 1, 320, 384, true), DROP_FRAGMENT_LIMIT);
	assert_int_equal(s->counters.held, 0);
	assert_int_equal(dropped(s, DROP_FRAGMENT_LIMIT), 5);
	finish(s);
	(void)state;
}

static void a_datagram_has_so_many_pieces(void **state)
{
	struct support *s = start();

	for (unsigned i = 0; i < REASSEMBLY_PIECES_MAX; i++)
		assert_int_equal(piece(s, 4, 1, i * 16, i * 16 + 8, true)->verdict, PACKET_TX);
	assert_dropped(piece(s, 4, 1, 8, 16, true), DROP_FRAGMENT_LIMIT);
	assert_dropped(piece(s, 4, 1, 24, 32, true), DROP_FRAGMENT_LIMIT);
	finish(s);
	(void)state;
}

/* 256 datagrams: the dead go first, then those that wait for their first, then the others. */
static void a_full_table_gives_up_the_least_useful(void **state)
{
	const struct reassembly_config config = { .datagrams = 256, .held_source = 1000 };
	struct support *s = start_with(&config);
	uint32_t id = 0;

	for (; id < 100; id++)
		piece(s, 4, id, 0, 64, true); /* passed */
	for (; id < 200; id++)
		piece(s, 4, id, 64, 128, true); /* waiting */
	for (; id < 256; id++)
		one(s, &(struct cut){ 4, .id = id, .end = 64, .more = true, .dport = DENIED_PORT });
	assert_int_equal(under_way(s), 256);
	for (; id < 256 + 56; id++)
		piece(s, 4, id, 0, 64, true);
	assert_int_equal(s->counters.held, 100);
	for (; id < 256 + 156; id++) {
		assert_int_equal(piece(s, 4, id, 0, 64, true)->verdict, PACKET_TX);
		assert_int_equal(piece(s, 4, 0, 64, 128, true)->verdict,
				 id == 312 ? PACKET_TX : PACKET_DROP);
	}
	assert_int_equal(s->counters.held, 0);
	assert_int_equal(dropped(s, DROP_FRAGMENT_LIMIT), 100);
	assert_int_equal(under_way(s), 256);
	piece(s, 4, id++, 0, 64, true);
	assert_int_equal(piece(s, 4, 0, 128, 192, true)->verdict, PACKET_STOLEN); /* 0 has gone */
	assert_int_equal(under_way(s), 256);
	finish(s);
	(void)state;
}

static void a_configuration_that_cannot_be_is_refused(void **state)
{
	const struct reassembly_config few = { .datagrams = 255 }, many = { .datagrams = 1048577 };
	const struct reassembly_config held = { .held = 32769 };
	struct reassembly *r;

	assert_int_equal(reassembly_new(&r, &few), -EINVAL);
	assert_int_equal(reassembly_new(&r, &many), -EINVAL);
	assert_int_equal(reassembly_new(&r, &held), -EINVAL);
	reassembly_free(NULL);
	(void)state;
}

static void what_waits_is_freed_at_the_end(void **state)
{
	struct support *s = start();

	for (uint32_t id = 0; id < 50; id++)
		piece(s, id & 1 ? 4 : 6, id, 64, 128, true);
	piece(s, 4, 100, 0, 64, true);
	reassembly_drop_all(&s->dp);
	assert_int_equal(s->counters.held, 0);
	assert_int_equal(under_way(s), 0);
	assert_int_equal(dropped(s, DROP_FRAGMENT_TIMEOUT), 50);
	finish(s);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragments_pass_in_every_order),
		cmocka_unit_test(the_others_follow_a_denied_first_in_every_order),
		cmocka_unit_test(nothing_passes_without_the_first),
		cmocka_unit_test(the_others_are_given_the_ports_of_the_first),
		cmocka_unit_test(the_others_are_given_the_protocol_behind_extension_headers),
		cmocka_unit_test(datagrams_are_told_apart),
		cmocka_unit_test(an_overlap_ends_the_datagram),
		cmocka_unit_test(an_overlap_among_early_ones_drops_them_all),
		cmocka_unit_test(a_first_that_overlaps_early_ones_is_refused),
		cmocka_unit_test(an_overlap_in_the_burst_of_the_first_drops_the_rest),
		cmocka_unit_test(a_first_without_its_whole_header_ends_the_datagram),
		cmocka_unit_test(tcp_at_offset_eight_ends_the_datagram),
		cmocka_unit_test(a_duplicate_is_dropped_alone),
		cmocka_unit_test(a_second_first_with_other_ports_does_not_pass),
		cmocka_unit_test(lengths_that_cannot_be_are_refused),
		cmocka_unit_test(a_datagram_whose_length_contradicts_itself_ends),
		cmocka_unit_test(a_first_that_left_in_pieces_was_not_denied),
		cmocka_unit_test(what_waits_is_released_in_bursts),
		cmocka_unit_test(a_large_datagram_in_one_burst_passes),
		cmocka_unit_test(time_out_counts_from_the_first_sign_and_again_from_the_first),
		cmocka_unit_test(a_stale_datagram_is_not_gone_on_with),
		cmocka_unit_test(the_dead_are_forgotten_in_time),
		cmocka_unit_test(a_poll_ends_a_bounded_number_of_datagrams),
		cmocka_unit_test(the_time_out_is_configured),
		cmocka_unit_test(one_datagram_holds_so_many),
		cmocka_unit_test(one_source_holds_so_many),
		cmocka_unit_test(when_too_many_wait_the_oldest_datagram_gives_way),
		cmocka_unit_test(a_datagram_that_fills_all_room_alone_gives_way),
		cmocka_unit_test(a_datagram_has_so_many_pieces),
		cmocka_unit_test(a_full_table_gives_up_the_least_useful),
		cmocka_unit_test(a_configuration_that_cannot_be_is_refused),
		cmocka_unit_test(what_waits_is_freed_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
