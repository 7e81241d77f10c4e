/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random rules and random packets, all out of a world so small that they meet, against the meaning of
 * a rule written down as simply as can be: each list word by word, each rule in its turn.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above */
#include <cmocka.h>

#include "support_firewall.h"
#include "support_packet.h"

#define WORDS 5
#define RULES 12
#define ROUNDS 16
#define PACKETS 300

/* --- what rules mean --- */

struct word {
	bool not_, set; /* set: lo is its number */
	unsigned family, lo, hi;
};

struct list {
	unsigned n;
	struct word word[WORDS];
};

struct rule {
	struct list from, to, proto, sport, dport, dscp, in, out;
	unsigned family; /* 0: both */
	uint8_t tcp_mask, tcp_value;
	const char *action;
};

struct world {
	struct list addresses[2], ports; /* of the sets */
	unsigned n;
	struct rule rule[RULES];
	const char *dflt;
};

struct question {
	unsigned family, from, to, proto, sport, dport, dscp, in, out, flags;
};

static bool has_ports(unsigned proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

static bool word_met(const struct world *w, const struct word *word, bool ports, unsigned family,
		     unsigned value)
{
	const struct list *set;

	if (!word->set)
		return (!word->family || word->family == family) && word->lo <= value &&
		       value <= word->hi;
	set = ports ? &w->ports : &w->addresses[word->lo];
	for (unsigned i = 0; i < set->n; i++)
		if (word_met(w, &set->word[i], ports, family, value))
			return true;
	return false;
}

static bool list_met(const struct world *w, const struct list *list, bool ports, unsigned family,
		     unsigned value)
{
	bool any = true, met = false;

	for (unsigned i = 0; i < list->n; i++) {
		const struct word *word = &list->word[i];

		if (!word_met(w, word, ports, family, value)) {
			any = any && word->not_;
			continue;
		}
		if (word->not_)
			return false;
		met = true;
		any = false;
	}
	return any || met;
}

static bool rule_met(const struct world *w, const struct rule *r, const struct question *q)
{
	if (r->family && r->family != q->family)
		return false;
	if ((r->sport.n || r->dport.n) && !has_ports(q->proto))
		return false;
	if (r->tcp_mask && (q->flags & r->tcp_mask) != r->tcp_value)
		return false;
	return list_met(w, &r->from, false, q->family, q->from) &&
	       list_met(w, &r->to, false, q->family, q->to) &&
	       list_met(w, &r->proto, false, 0, q->proto) &&
	       list_met(w, &r->sport, true, 0, q->sport) &&
	       list_met(w, &r->dport, true, 0, q->dport) &&
	       list_met(w, &r->dscp, false, 0, q->dscp) && list_met(w, &r->in, false, 0, q->in) &&
	       list_met(w, &r->out, false, 0, q->out);
}

/* The name of the drop counter, NULL: let in. */
static const char *meaning(const struct world *w, const struct question *q)
{
	for (unsigned i = 0; i < w->n; i++) {
		const char *action = w->rule[i].action;

		if (!strcmp(action, "count") || !rule_met(w, &w->rule[i], q))
			continue;
		return !strcmp(action, "accept") ? NULL :
		       !strcmp(action, "drop")	 ? "rule" :
						   "rejected";
	}
	return !strcmp(w->dflt, "accept") ? NULL : "default";
}

/* --- the same as text --- */

struct text {
	char at[16384];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	t->n += (size_t)vsnprintf(t->at + t->n, sizeof(t->at) - t->n, format, args);
	va_end(args);
	assert_true(t->n < sizeof(t->at));
}

static const char *const set_names[] = { "@one", "@two", "@ports" };
static const char *const iface_names[] = { "lan", "wan", "x" };

static void address_text(unsigned family, unsigned value, char *text)
{
	/* 10.0.0.0/24 and 2001:db8:1::/120 are on lan, all else leaves by wan */
	if (family == 4)
		sprintf(text, "10.0.%u.%u", value >> 8, value & 255);
	else
		sprintf(text, "2001:db8:%u::%x", 1 + (value >> 8), value & 255);
}

static void put_address(struct text *t, const struct word *word)
{
	const unsigned bits = word->family == 4 ? 32 : 128;
	unsigned size = word->hi - word->lo + 1, host = 0;
	char lo[64], hi[64];

	address_text(word->family, word->lo, lo);
	address_text(word->family, word->hi, hi);
	while (1u << host < size)
		host++;
	if (size == 1 && random() % 2)
		put(t, "%s", lo);
	else if (1u << host == size && !(word->lo & (size - 1)) && random() % 2)
		put(t, "%s/%u", lo, bits - host);
	else
		put(t, "%s-%s", lo, hi);
}

static void put_word(struct text *t, const char *key, const struct word *word)
{
	put(t, "\"%s", word->not_ ? "!" : "");
	if (word->set)
		put(t, "%s", set_names[strstr(key, "port") ? 2 : word->lo]);
	else if (!strcmp(key, "in") || !strcmp(key, "out"))
		put(t, "%s", iface_names[word->lo]);
	else if (word->family)
		put_address(t, word);
	else if (word->lo == word->hi)
		put(t, "%u", word->lo);
	else
		put(t, "%u-%u", word->lo, word->hi);
	put(t, "\"");
}

static void put_list(struct text *t, const char *key, const struct list *list)
{
	if (!list->n)
		return;
	put(t, "%s = [ ", key);
	for (unsigned i = 0; i < list->n; i++) {
		put(t, "%s", i ? ", " : "");
		put_word(t, key, &list->word[i]);
	}
	put(t, " ]; ");
}

static void put_flags(struct text *t, const struct rule *r)
{
	static const char *const names[] = { "fin", "syn", "rst", "psh", "ack" };
	const char *comma = "";

	if (!r->tcp_mask)
		return;
	put(t, "tcp_flags = \"");
	for (unsigned i = 0; i < 5; i++) {
		if (!(r->tcp_mask >> i & 1))
			continue;
		put(t, "%s%s%s", comma, r->tcp_value >> i & 1 ? "" : "!", names[i]);
		comma = ",";
	}
	put(t, "\"; ");
}

static void put_rule(struct text *t, const struct rule *r)
{
	put(t, "{ ");
	put_list(t, "in", &r->in);
	put_list(t, "out", &r->out);
	if (r->family)
		put(t, "family = \"ipv%u\"; ", r->family);
	put_list(t, "from", &r->from);
	put_list(t, "to", &r->to);
	put_list(t, "proto", &r->proto);
	put_list(t, "sport", &r->sport);
	put_list(t, "dport", &r->dport);
	put_list(t, "dscp", &r->dscp);
	put_flags(t, r);
	put(t, "action = \"%s\"; }", r->action);
}

static void put_sets(struct text *t, const struct world *w)
{
	put(t, "sets = ( { name = \"one\"; ");
	put_list(t, "addresses", &w->addresses[0]);
	put(t, "}, { name = \"two\"; ");
	put_list(t, "addresses", &w->addresses[1]);
	put(t, "}, { name = \"ports\"; type = \"ports\"; ");
	put_list(t, "ports", &w->ports);
	put(t, "} ); ");
}

/* --- chance --- */

static unsigned below(unsigned n)
{
	return (unsigned)random() % n;
}

static unsigned address(void)
{
	return below(3) << 8 | below(12);
}

static void add_range(struct list *list, unsigned family, unsigned lo, unsigned most, bool not_)
{
	list->word[list->n++] = (struct word){
		.not_ = not_, .family = family, .lo = lo, .hi = lo + (below(2) ? 0 : below(most))
	};
}

static void random_addresses(struct list *list, bool in_set)
{
	unsigned n = in_set ? 1 + below(WORDS) : below(2) ? 0 : 1 + below(WORDS);

	while (list->n < n) {
		if (!in_set && !below(4))
			list->word[list->n++] =
				(struct word){ .set = true, .lo = below(2), .not_ = !below(3) };
		else /* of whole thirds, too */
			add_range(list, below(2) ? 4 : 6, below(4) ? address() : below(3) << 8,
				  below(4) ? 6 : 244, !in_set && !below(3));
	}
}

static void random_ports(struct list *list, bool in_set)
{
	unsigned n = 1 + below(WORDS);

	while (list->n < n)
		if (!in_set && !below(4))
			list->word[list->n++] = (struct word){ .set = true, .not_ = !below(3) };
		else
			add_range(list, 0, 1 + below(12), 5, !in_set && !below(3));
}

static void random_protos(struct list *list, bool with_ports)
{
	static const unsigned protos[] = { IPPROTO_TCP, IPPROTO_UDP, 47, 50 };
	const bool not_ = !with_ports && !below(3);

	for (unsigned n = 1 + below(2); list->n < n;) {
		unsigned proto = protos[below(with_ports ? 2 : 4)];

		list->word[list->n++] = (struct word){ .lo = proto, .hi = proto, .not_ = not_ };
	}
}

static void random_ifaces(struct list *list)
{
	unsigned iface = below(3);

	if (!below(3))
		list->word[list->n++] =
			(struct word){ .lo = iface, .hi = iface, .not_ = !below(3) };
}

static void random_rule(struct rule *r)
{
	static const char *const actions[] = { "accept", "accept", "drop", "reject", "count" };
	const bool ports = below(2);

	memset(r, 0, sizeof(*r));
	r->action = actions[below(5)];
	r->family = !below(5) ? 4 + 2 * below(2) : 0;
	random_addresses(&r->from, false);
	random_addresses(&r->to, false);
	random_ifaces(&r->in);
	random_ifaces(&r->out);
	if (ports || below(2))
		random_protos(&r->proto, ports);
	if (ports && below(2))
		random_ports(&r->sport, false);
	if (ports && below(2))
		random_ports(&r->dport, false);
	if (!below(5))
		r->dscp.word[r->dscp.n++] = (struct word){ .lo = below(3) };
	for (unsigned i = 0; i < r->dscp.n; i++)
		r->dscp.word[i].hi = r->dscp.word[i].lo;
	if (r->proto.n == 1 && r->proto.word[0].lo == IPPROTO_TCP && !r->proto.word[0].not_ &&
	    below(2)) {
		r->tcp_mask = (uint8_t)(1 + below(31));
		r->tcp_value = (uint8_t)below(32) & r->tcp_mask;
	}
}

/* Rules that can meet nothing are refused, and not asked about. */
static bool can_be_met(const struct world *w, const struct rule *r)
{
	const struct nf_ops *ops = nf_find("firewall");
	struct conf_errors *errors = conf_errors_new();
	struct text t = { .n = 0 };
	void *conf;
	bool good;

	put_sets(&t, w);
	put(&t, "rules = ( ");
	put_rule(&t, r);
	put(&t, " );");
	conf = conf_struct_parse(ops->schema, t.at, errors);
	assert_non_null(conf);
	ops->check(conf, NULL, errors);
	good = !conf_errors_count(errors);
	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		if (!strstr(conf_errors_get(errors, i), "no packet can meet it"))
			fail_msg("%s: %s", t.at, conf_errors_get(errors, i));
	conf_struct_free(conf);
	conf_errors_free(errors);
	return good;
}

static void random_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	random_addresses(&w->addresses[0], true);
	random_addresses(&w->addresses[1], true);
	random_ports(&w->ports, true);
	w->dflt = below(2) ? "accept" : "drop";
	while (w->n < RULES) {
		random_rule(&w->rule[w->n]);
		w->n += can_be_met(w, &w->rule[w->n]);
	}
}

static void random_question(struct question *q, struct asked *asked, char text[2][64])
{
	static const unsigned protos[] = { IPPROTO_TCP, IPPROTO_UDP, 47, 50 };

	*q = (struct question){ .family = below(2) ? 4 : 6,
				.from = address(),
				.to = address(),
				.proto = protos[below(4)],
				.sport = 1 + below(16),
				.dport = 1 + below(16),
				.dscp = below(4),
				.in = below(2),
				.flags = 1 + below(31) };
	q->out = q->to >> 8 ? 1 : 0; /* 10.0.0.0/24 and 2001:db8:1::/64 are lan's */
	if (q->family == 6 && q->to >> 8 == 1)
		q->out = 1; /* 2001:db8:2::/64 is wan's */
	address_text(q->family, q->from, text[0]);
	address_text(q->family, q->to, text[1]);
	*asked = (struct asked){ .probe = { .from = text[0],
					    .to = text[1],
					    .protocol = (uint8_t)q->proto,
					    .sport = (uint16_t)q->sport,
					    .dport = (uint16_t)q->dport },
				 .iface = (uint16_t)q->in,
				 .tcp_flags = (uint8_t)q->flags,
				 .tos = (uint8_t)(q->dscp << 2) };
}

/* An own or a broadcast address leaves by no interface. */
static void keep_off_own(struct question *q)
{
	if (q->family == 4 && q->to <= 1)
		q->to += 2;
	if (q->family == 6 && (q->to & 255) <= 1)
		q->to += 2;
}

static void rules_mean_what_they_say(void **state)
{
	unsigned denied = 0, met = 0;

	srandom(7);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct text t = { .n = 0 };
		struct world w;
		struct wall *wall;

		random_world(&w);
		put(&t, "stateful = %s; default = \"%s\"; ", round & 1 ? "true" : "false", w.dflt);
		put_sets(&t, &w);
		put(&t, "rules = ( ");
		for (unsigned i = 0; i < w.n; i++) {
			put(&t, "%s", i ? ", " : "");
			put_rule(&t, &w.rule[i]);
		}
		put(&t, " );");
		wall = wall_new("%s", t.at);
		for (unsigned i = 0; i < PACKETS; i++) {
			const char *expected, *found;
			struct asked asked;
			struct question q;
			char text[2][64];

			random_question(&q, &asked, text);
			keep_off_own(&q);
			address_text(q.family, q.to, text[1]);
			expected = meaning(&w, &q);
			found = wall_ask(wall, &asked);
			denied += expected != NULL;
			met += !expected || strcmp(expected, "default");
			if (expected != found && (!expected || !found || strcmp(expected, found)))
				fail_msg("%s\n%s → %s proto %u %u → %u dscp %u flags %x in %s out "
					 "%s: %s, expected %s",
					 t.at, text[0], text[1], q.proto, q.sport, q.dport, q.dscp,
					 q.flags, iface_names[q.in], iface_names[q.out],
					 found ? found : "let in", expected ? expected : "let in");
		}
		wall_free(wall);
	}
	assert_true(denied > ROUNDS * PACKETS / 10); /* the world is no desert */
	assert_true(met > ROUNDS * PACKETS / 2);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rules_mean_what_they_say) };

	return cmocka_run_group_tests_name("firewall random", tests, wall_start, wall_stop);
}
