/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules from the configuration into classifier entries.
 *
 * A rule's lists become prefixes and ranges, negations taken out, and the product of them entries
 * of one priority: the rule's place. What an entry cannot say (sets, which change at run time; flags;
 * types) becomes the rule's match; so does a list whose product with the others would be more than
 * ENTRIES_MAX entries. The same walk checks a configuration (`errors` given, entries thrown away)
 * and builds one, so what is checked is what runs.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firewall.h"
#include "flow_label.h"
#include "suggest.h"

#define ENTRIES_MAX 4096			       /* of one rule in one family */
#define RATE_WORTH_MAX (36525ull * 86400 * 1000000000) /* a hundred years; 64 bits hold 584 */
#define NOTES (1u << 22)			       /* flows that count for rules */
#define SOURCES (1u << 20)
#define RATES (1u << 17)
#define PORT_PROTOS "\"tcp\", \"udp\", \"sctp\", \"dccp\" or \"udplite\""

struct prefix {
	union classifier_addr addr;
	uint8_t len;
};

/* One dimension of the product. */
struct prefixes {
	unsigned n, room, family;
	struct prefix *item;
	bool failed;
};

struct entries {
	size_t n, room;
	struct classifier_entry *item;
};

struct compiler {
	struct firewall *fw;
	const struct firewall_keys *keys;
	struct conf_errors *errors;
	struct entries entries[2][2]; /* usual, odd; by family */
	int err;
};

/* The rule at hand. */
struct draft {
	struct compiler *c;
	const struct conf_where *where;
	const struct firewall_rule_keys *keys;
	uint32_t index;
	char label[48]; /* for messages */
	struct firewall_match match;
	struct spans source[2], destination[2], sport, dport; /* for entries */
	bool any_proto, bad;
	unsigned n_protos;
	uint8_t protos[256];
	uint8_t classes;
};

__attribute__((format(printf, 3, 4))) static void mistake(struct draft *d, const void *member,
							  const char *format, ...)
{
	char *text = NULL;
	va_list args;

	d->bad = true;
	if (!d->c->errors) {
		d->c->err = -EINVAL;
		return;
	}
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	conf_error_at(d->c->errors, d->where, member, "%s: %s", d->label, text ? text : "wrong");
	free(text);
}

/* --- lists --- */

static const char *next_set(void *arg, unsigned i)
{
	const struct firewall_keys *keys = arg;

	if (i >= keys->sets.n)
		return NULL;
	return firewall_set_at(keys, i)->name ? firewall_set_at(keys, i)->name : "";
}

static bool find_set(struct draft *d, const char *key, const char *const *word, const char *name,
		     bool ports, uint16_t *index)
{
	const struct firewall_keys *keys = d->c->keys;
	const char *meant;

	for (unsigned i = 0; i < keys->sets.n; i++) {
		if (!firewall_set_at(keys, i)->name || strcmp(firewall_set_at(keys, i)->name, name))
			continue;
		*index = (uint16_t)i;
		if (firewall_set_is_ports(firewall_set_at(keys, i)) == ports)
			return true;
		mistake(d, word, "%s = \"%s\": the set is of %s; expected one of %s", key, *word,
			ports ? "addresses" : "ports", ports ? "ports" : "addresses");
		return false;
	}
	meant = suggest_from(name, next_set, (void *)keys);
	mistake(d, word, "%s = \"%.40s\": no such set%s%s%s", key, *word,
		meant ? "; did you mean \"@" : "", meant ? meant : "", meant ? "\"?" : "");
	return false;
}

static bool list_add_set(struct firewall_list *list, uint16_t set, bool not_)
{
	uint16_t *grown = realloc(list->sets, (list->n_in + list->n_out + 1) * sizeof(*grown));

	if (!grown)
		return false;
	list->sets = grown;
	if (not_) {
		grown[list->n_in + list->n_out++] = set;
	} else { /* those that are in come first */
		grown[list->n_in + list->n_out] = grown[list->n_in];
		grown[list->n_in++] = set;
	}
	return true;
}

static bool spans_ok(const struct firewall_list *list)
{
	return !list->in[0].failed && !list->in[1].failed && !list->out[0].failed &&
	       !list->out[1].failed;
}

/* Words into a list; false where there is nothing, or nothing good, in it. */
static bool list_read(struct draft *d, const char *key, const struct conf_strings *words,
		      bool ports, struct firewall_list *list)
{
	list->any = true;
	for (unsigned i = 0; i < words->n; i++) {
		const char *word = words->value[i] + (*words->value[i] == '!'), *expected;
		const bool not_ = word != words->value[i];
		unsigned family = 4;
		struct span span;
		uint16_t set;

		list->any = list->any && not_;
		if (*word == '@') {
			if (find_set(d, key, &words->value[i], word + 1, ports, &set) &&
			    !list_add_set(list, set, not_))
				d->c->err = -ENOMEM;
			continue;
		}
		expected = ports ? words_ports(word, &span) : words_addresses(word, &family, &span);
		if (expected)
			mistake(d, &words->value[i], "%s = \"%.60s\": expected %s", key,
				words->value[i], expected);
		else
			spans_add(&(not_ ? list->out : list->in)[family == 6], span.lo, span.hi);
	}
	for (unsigned f = 0; f < 2; f++) {
		spans_sort(&list->in[f]);
		spans_sort(&list->out[f]);
	}
	if (!spans_ok(list))
		d->c->err = -ENOMEM;
	return words->n && !d->bad && !d->c->err;
}

/* What of a list the entries of a family (of `bits`) can say, as spans. */
static void list_spans(struct draft *d, const struct firewall_list *list, unsigned family,
		       unsigned bits, struct spans *out)
{
	const struct spans *in = &list->in[family];

	if (list->any || list->n_in)
		spans_add(out, 0, span_last(bits));
	else
		for (unsigned i = 0; i < in->n; i++)
			spans_add(out, in->item[i].lo, in->item[i].hi);
	spans_sort(out);
	if (list->out[family].n)
		spans_subtract(out, &list->out[family]);
	if (out->failed)
		d->c->err = -ENOMEM;
}

/* --- the keys one by one --- */

static void addresses_read(struct draft *d)
{
	struct firewall_match *m = &d->match;

	list_read(d, "from", &d->keys->from, false, &m->source);
	list_read(d, "to", &d->keys->to, false, &m->destination);
	for (unsigned f = 0; f < 2; f++) {
		list_spans(d, &m->source, f, f ? 128 : 32, &d->source[f]);
		list_spans(d, &m->destination, f, f ? 128 : 32, &d->destination[f]);
	}
	if (m->source.n_in || m->source.n_out)
		m->checks |= FIREWALL_CHECK_SOURCE;
	if (m->destination.n_in || m->destination.n_out)
		m->checks |= FIREWALL_CHECK_DESTINATION;
}

static bool has_ports(unsigned protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

static void protos_read(struct draft *d)
{
	const struct conf_strings *words = &d->keys->proto;
	bool named[256] = { false }, except[256] = { false };
	unsigned protocol;

	d->any_proto = true;
	for (unsigned i = 0; i < words->n; i++) {
		const char *word = words->value[i] + (*words->value[i] == '!');
		const char *expected = words_protocol(word, &protocol);

		if (expected)
			mistake(d, &words->value[i], "proto = \"%.40s\": expected %s",
				words->value[i], expected);
		else if (word == words->value[i])
			named[protocol] = true;
		else
			except[protocol] = true;
		d->any_proto = d->any_proto && word != words->value[i];
	}
	for (unsigned i = 0; i < 256; i++) {
		if (!(d->any_proto || named[i]) || except[i])
			continue;
		d->match.protos[i / 64] |= 1ull << i % 64;
		d->protos[d->n_protos++] = (uint8_t)i;
	}
	d->any_proto = d->n_protos == 256;
	if (d->n_protos > 16 && !d->any_proto) { /* nearly all: rather one entry and a check */
		d->match.checks |= FIREWALL_CHECK_PROTO;
		d->any_proto = true;
	}
}

/* Are all protocols of the rule such? */
static bool all_protos(const struct draft *d, bool (*such)(unsigned protocol))
{
	for (unsigned i = 0; i < d->n_protos; i++)
		if (!such(d->protos[i]))
			return false;
	return true;
}

static void ports_read(struct draft *d)
{
	struct firewall_match *m = &d->match;
	const struct conf_strings *words = d->keys->dport.n ? &d->keys->dport : &d->keys->sport;

	if (words->n && !all_protos(d, has_ports))
		mistake(d, words,
			"ports, and not every protocol has them; expected proto = " PORT_PROTOS);
	list_read(d, "sport", &d->keys->sport, true, &m->sport);
	list_read(d, "dport", &d->keys->dport, true, &m->dport);
	list_spans(d, &m->sport, 0, 16, &d->sport);
	list_spans(d, &m->dport, 0, 16, &d->dport);
	if (d->keys->sport.n && (m->sport.n_in || m->sport.n_out))
		m->checks |= FIREWALL_CHECK_SPORT;
	if (d->keys->dport.n && (m->dport.n_in || m->dport.n_out))
		m->checks |= FIREWALL_CHECK_DPORT;
}

static bool is_tcp(unsigned protocol)
{
	return protocol == IPPROTO_TCP;
}

static bool is_icmp(unsigned protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

static void flags_read(struct draft *d)
{
	struct firewall_match *m = &d->match;
	const char *expected;

	if (!d->keys->tcp_flags)
		return;
	if (!all_protos(d, is_tcp))
		mistake(d, &d->keys->tcp_flags, "tcp_flags needs proto = \"tcp\"");
	expected = words_tcp_flags(d->keys->tcp_flags, &m->tcp_mask, &m->tcp_value);
	if (expected)
		mistake(d, &d->keys->tcp_flags, "tcp_flags = \"%s\": expected %s",
			d->keys->tcp_flags, expected);
	m->checks |= FIREWALL_CHECK_TCP;
}

static void icmp_read(struct draft *d)
{
	const struct conf_strings *words = &d->keys->icmp_type;
	struct firewall_match *m = &d->match;

	if (!words->n)
		return;
	if (!all_protos(d, is_icmp))
		mistake(d, words, "icmp_type needs proto = \"icmp\" or \"icmpv6\"");
	m->checks |= FIREWALL_CHECK_ICMP;
	m->icmp = calloc(words->n, sizeof(*m->icmp));
	if (!m->icmp) {
		d->c->err = -ENOMEM;
		return;
	}
	for (unsigned i = 0; i < words->n; i++) {
		const char *expected = words_icmp(words->value[i], &m->icmp[m->n_icmp]);

		if (expected)
			mistake(d, &words->value[i], "icmp_type = \"%.40s\": expected %s",
				words->value[i], expected);
		else if (!m->icmp[m->n_icmp++].named && d->n_protos > 1)
			mistake(d, &words->value[i],
				"icmp_type = %s: a number means different things for \"icmp\" and "
				"\"icmpv6\"; expected a rule for each, or a name",
				words->value[i]);
	}
}

static void dscp_read(struct draft *d)
{
	const struct conf_strings *words = &d->keys->dscp;
	unsigned dscp;

	for (unsigned i = 0; i < words->n; i++) {
		const char *expected = words_dscp(words->value[i], &dscp);

		if (expected)
			mistake(d, &words->value[i], "dscp = \"%.40s\": expected %s",
				words->value[i], expected);
		else
			d->match.dscp |= 1ull << dscp;
		d->match.checks |= FIREWALL_CHECK_DSCP;
	}
}

static const char *next_state(void *arg, unsigned i)
{
	(void)arg;
	return firewall_state_names[i];
}

static void state_read(struct draft *d)
{
	const struct conf_strings *words = &d->keys->state;
	const char *meant;
	int class;

	if (!words->n)
		d->classes = FIREWALL_CLASS(FLOW_CLASS_NEW) | FIREWALL_CLASS(FLOW_CLASS_UNTRACKED);
	else if (!d->c->keys->stateful)
		mistake(d, words, "state needs stateful = true: without it there are no flows");
	for (unsigned i = 0; i < words->n; i++) {
		for (class = 0; firewall_state_names[class]; class ++)
			if (!strcmp(words->value[i], firewall_state_names[class]))
				break;
		if (firewall_state_names[class]) {
			d->classes |= (uint8_t)FIREWALL_CLASS(class);
			continue;
		}
		meant = suggest_from(words->value[i], next_state, NULL);
		mistake(d, &words->value[i],
			"state = \"%.40s\": expected \"new\", \"established\", \"related\", "
			"\"invalid\" or \"untracked\"%s%s%s",
			words->value[i], meant ? "; did you mean \"" : "", meant ? meant : "",
			meant ? "\"?" : "");
	}
	if (d->classes == FIREWALL_CLASS(FLOW_CLASS_ESTABLISHED) &&
	    d->keys->action != FIREWALL_ACCEPT)
		mistake(d, words,
			"packets of established flows ask no rule; expected action = \"accept\", or "
			"the flows' first packets (\"new\") refused");
}

static void limits_read(struct draft *d)
{
	const struct firewall_rule_keys *keys = d->keys;
	struct firewall_limits limits;

	if ((keys->max_flows || keys->max_flows_per_source) && !d->c->keys->stateful)
		mistake(d, keys->max_flows ? &keys->max_flows : &keys->max_flows_per_source,
			"limits of flows need stateful = true: without it there are no flows");
	if ((keys->max_flows || keys->max_flows_per_source) && keys->action != FIREWALL_ACCEPT)
		mistake(d, keys->max_flows ? &keys->max_flows : &keys->max_flows_per_source,
			"limits of flows need action = \"accept\": no other rule has flows");
	if (keys->rate_over && !keys->rate)
		mistake(d, &keys->rate_over, "rate_over needs a rate");
	if (!keys->rate)
		return;
	firewall_limits_set(&limits, keys);
	if ((uint64_t)keys->rate_burst > RATE_WORTH_MAX / limits.rate_cost_ns) {
		mistake(d, &keys->rate_burst,
			"rate_burst: such a burst is worth more than a hundred years of its rate; "
			"expected less");
		return;
	}
	if (keys->rate_by != FIREWALL_BY_SOURCE)
		return;
	if (limits.rate_cost_ns < 10000)
		mistake(d, &keys->rate,
			"rate: expected at most 100000 a second for each source, or rate_by = "
			"\"rule\"");
	if (limits.rate_depth_ns + limits.rate_cost_ns > 2 * 86400ull * 1000000000ull)
		mistake(d, &keys->rate_burst,
			"rate_burst: such a burst for each source is worth more than two days of "
			"its rate; expected less");
}

/* --- entries --- */

static void add_prefix(void *arg, __uint128_t prefix, unsigned len)
{
	struct prefixes *list = arg;
	unsigned room = list->room ? 2 * list->room : 8;
	struct prefix *item = list->item;

	if (list->n == list->room) {
		item = realloc(item, room * sizeof(*item));
		if (!item) {
			list->failed = true;
			return;
		}
		list->item = item;
		list->room = room;
	}
	item[list->n] = (struct prefix){ .len = (uint8_t)len };
	if (list->family)
		item[list->n].addr.v6 = span_in6(prefix);
	else
		item[list->n].addr.v4 = (uint32_t)prefix;
	list->n++;
}

static void entries_add(struct compiler *c, struct entries *entries,
			const struct classifier_entry *entry)
{
	size_t room = entries->room ? 2 * entries->room : 64;
	struct classifier_entry *item = entries->item;

	if (entries->n == entries->room) {
		item = realloc(item, room * sizeof(*item));
		if (!item) {
			c->err = -ENOMEM;
			return;
		}
		entries->item = item;
		entries->room = room;
	}
	item[entries->n++] = *entry;
}

/* The numbers of a dimension: classes or protocols. */
struct numbers {
	unsigned n;
	uint16_t item[256];
};

struct product {
	struct prefixes source, destination;
	struct spans sport, dport; /* of the draft */
	struct numbers in, out, proto;
};

static void emit_headers(struct draft *d, unsigned family, const struct product *p,
			 struct classifier_entry *e)
{
	struct compiler *c = d->c;

	for (unsigned i = 0; i < p->in.n; i++)
		for (unsigned o = 0; o < p->out.n; o++)
			for (unsigned k = 0; k < p->proto.n; k++) {
				e->in = p->in.item[i];
				e->out = p->out.item[o];
				e->proto = p->proto.item[k];
				if (d->classes & (FIREWALL_CLASS(FLOW_CLASS_NEW) |
						  FIREWALL_CLASS(FLOW_CLASS_UNTRACKED)))
					entries_add(c, &c->entries[0][family], e);
				if (d->classes & (FIREWALL_CLASS(FLOW_CLASS_RELATED) |
						  FIREWALL_CLASS(FLOW_CLASS_INVALID)))
					entries_add(c, &c->entries[1][family], e);
			}
}

static void emit_ports(struct draft *d, unsigned family, const struct product *p,
		       struct classifier_entry *e)
{
	for (unsigned s = 0; s < p->sport.n; s++)
		for (unsigned t = 0; t < p->dport.n; t++) {
			e->sport_lo = (uint16_t)p->sport.item[s].lo;
			e->sport_hi = (uint16_t)p->sport.item[s].hi;
			e->dport_lo = (uint16_t)p->dport.item[t].lo;
			e->dport_hi = (uint16_t)p->dport.item[t].hi;
			emit_headers(d, family, p, e);
		}
}

static void emit(struct draft *d, unsigned family, const struct product *p)
{
	struct classifier_entry e;

	for (unsigned s = 0; s < p->source.n && !d->c->err; s++)
		for (unsigned t = 0; t < p->destination.n && !d->c->err; t++) {
			memset(&e, 0, sizeof(e));
			e.src = p->source.item[s].addr;
			e.src_len = p->source.item[s].len;
			e.dst = p->destination.item[t].addr;
			e.dst_len = p->destination.item[t].len;
			e.priority = e.rule = d->index;
			emit_ports(d, family, p, &e);
		}
}

static size_t product_size(const struct product *p)
{
	return (size_t)p->source.n * p->destination.n * p->sport.n * p->dport.n * p->in.n *
	       p->out.n * p->proto.n;
}

static void prefixes_any(struct prefixes *list)
{
	memset(&list->item[0], 0, sizeof(list->item[0]));
	list->n = 1;
}

/* For the other family, too: they share the list. */
static void spans_any(struct spans *spans, struct spans *shared)
{
	spans->item[0] = (struct span){ 0, UINT16_MAX };
	spans->n = shared->n = 1;
}

/* Too many entries: the longest list is checked by the match instead, until they are few enough. */
static void product_bound(struct draft *d, struct product *p)
{
	while (product_size(p) > ENTRIES_MAX) {
		const unsigned n[] = { p->source.n, p->destination.n, p->sport.n,
				       p->dport.n,  p->in.n,	      p->out.n };
		unsigned most = 0;

		for (unsigned i = 1; i < 6; i++)
			most = n[i] > n[most] ? i : most;
		d->match.checks |= 1u << (most < 4 ? most : most + 1);
		switch (most) {
		case 0: prefixes_any(&p->source); break;
		case 1: prefixes_any(&p->destination); break;
		case 2: spans_any(&p->sport, &d->sport); break;
		case 3: spans_any(&p->dport, &d->dport); break;
		case 4: p->in = (struct numbers){ 1, { CLASSIFIER_ANY_ZONE } }; break;
		default: p->out = (struct numbers){ 1, { CLASSIFIER_ANY_ZONE } }; break;
		}
	}
}
_Static_assert(FIREWALL_CHECK_SOURCE == 1 << 0 && FIREWALL_CHECK_DPORT == 1 << 3 &&
		       FIREWALL_CHECK_IN == 1 << 5 && FIREWALL_CHECK_OUT == 1 << 6,
	       "product_bound() counts on it");

/* Classes of `names` as numbers; more than fit are checked by the match. */
static void classes_read(struct draft *d, const struct conf_strings *names, uint32_t check,
			 bool **classes, struct numbers *numbers)
{
	const struct firewall_zones *zones = &d->c->fw->zones;

	*numbers = (struct numbers){ 1, { CLASSIFIER_ANY_ZONE } };
	if (!names->n)
		return;
	if (check == FIREWALL_CHECK_OUT)
		d->c->fw->asks_out = true;
	*classes = calloc(zones->n_classes, sizeof(**classes));
	if (!*classes) {
		d->c->err = -ENOMEM;
		return;
	}
	if (!firewall_zones_select(zones, names, *classes))
		d->bad = true; /* zone.c has said so */
	numbers->n = 0;
	for (unsigned i = 0; i < zones->n_classes; i++) {
		if (!(*classes)[i])
			continue;
		if (numbers->n == 256) {
			d->match.checks |= check;
			*numbers = (struct numbers){ 1, { CLASSIFIER_ANY_ZONE } };
			return;
		}
		numbers->item[numbers->n++] = (uint16_t)i;
	}
}

static bool family_wanted(const struct draft *d, unsigned family)
{
	if (d->keys->family && d->keys->family != (family ? FIREWALL_IP6 : FIREWALL_IP4))
		return false;
	if (d->n_protos == 1 && d->protos[0] == (family ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return false;
	return d->source[family].n && d->destination[family].n && d->sport.n && d->dport.n &&
	       d->n_protos;
}

/* Entries of one family; how many. */
static size_t family_emit(struct draft *d, unsigned family, struct product *p)
{
	const unsigned bits = family ? 128 : 32;

	if (!family_wanted(d, family))
		return 0;
	p->source = (struct prefixes){ .family = family };
	p->destination = (struct prefixes){ .family = family };
	p->sport = d->sport;
	p->dport = d->dport;
	spans_prefixes(&d->source[family], bits, add_prefix, &p->source);
	spans_prefixes(&d->destination[family], bits, add_prefix, &p->destination);
	if (p->source.failed || p->destination.failed)
		d->c->err = -ENOMEM;
	product_bound(d, p);
	if (!d->c->err)
		emit(d, family, p);
	free(p->source.item);
	free(p->destination.item);
	return product_size(p);
}

static void product_emit(struct draft *d)
{
	struct product p = { .proto = { 1, { CLASSIFIER_ANY_PROTO } } };
	size_t n;

	classes_read(d, &d->keys->in, FIREWALL_CHECK_IN, &d->match.in, &p.in);
	classes_read(d, &d->keys->out, FIREWALL_CHECK_OUT, &d->match.out, &p.out);
	if (!d->any_proto) {
		p.proto.n = d->n_protos;
		for (unsigned i = 0; i < d->n_protos; i++)
			p.proto.item[i] = d->protos[i];
	}
	if (d->bad || d->c->err)
		return;
	n = family_emit(d, 0, &p);
	n += family_emit(d, 1, &p);
	if (!n && !d->bad)
		mistake(d, d->keys, "no packet can meet it: its conditions exclude each other");
}

/* --- rules --- */

static void draft_free(struct draft *d)
{
	for (unsigned f = 0; f < 2; f++) {
		spans_free(&d->source[f]);
		spans_free(&d->destination[f]);
	}
	spans_free(&d->sport);
	spans_free(&d->dport);
}

/* What has become of the draft's match: the rule's, where it checks anything. */
static void match_keep(struct draft *d, struct firewall_rule *rule)
{
	struct firewall_match *match = malloc(sizeof(*match));

	if (!match) {
		d->c->err = -ENOMEM;
		return;
	}
	*match = d->match;
	if (match->checks && !d->c->errors) {
		rule->match = match;
		return;
	}
	firewall_match_free(match);
}

static void limits_keep(struct draft *d, struct firewall_rule *rule)
{
	const struct firewall_rule_keys *keys = d->keys;

	if (d->c->errors ||
	    !(keys->log || keys->rate || keys->max_flows || keys->max_flows_per_source))
		return;
	rule->limit = calloc(1, sizeof(*rule->limit));
	if (rule->limit)
		rule->limit->live = firewall_live_new();
	if (!rule->limit || !rule->limit->live) {
		d->c->err = -ENOMEM;
		return;
	}
	firewall_limits_set(rule->limit, keys);
}

static void rule_compile(struct compiler *c, const struct firewall_rule_keys *keys, uint32_t index,
			 const char *what)
{
	struct draft d = { .c = c, .where = &keys->where, .keys = keys, .index = index };
	struct firewall_rule *rule = &c->fw->rules[index];

	if (keys->name)
		snprintf(d.label, sizeof(d.label), "%s \"%s\"", what, keys->name);
	else
		snprintf(d.label, sizeof(d.label), "%s", what);
	protos_read(&d);
	addresses_read(&d);
	ports_read(&d);
	flags_read(&d);
	icmp_read(&d);
	dscp_read(&d);
	state_read(&d);
	limits_read(&d);
	product_emit(&d);
	rule->action = (uint8_t)keys->action;
	rule->reject_with = (uint8_t)keys->reject_with;
	rule->classes = d.classes;
	match_keep(&d, rule);
	limits_keep(&d, rule);
	draft_free(&d);
}

/* Could it not be read? That has been said. */
static bool marked(const struct compiler *c, const void *part)
{
	return c->errors && conf_errors_marked(c->errors, part);
}

/* A policy is a rule of little, behind the others; the default one of nothing at all. */
static void fallbacks_compile(struct compiler *c)
{
	const struct firewall_keys *keys = c->keys;
	struct firewall *fw = c->fw;

	for (unsigned i = 0; i < keys->policies.n && !c->err; i++) {
		const struct firewall_policy_keys *policy = firewall_policy_at(keys, i);
		const struct firewall_rule_keys rule = { .where = policy->where,
							 .in = policy->in,
							 .out = policy->out,
							 .action = policy->action,
							 .reject_with = policy->reject_with,
							 .log = policy->log,
							 .log_limit = policy->log_limit,
							 .rate_burst = 1 };

		if (marked(c, policy))
			continue;
		rule_compile(c, &rule, keys->rules.n + i, "policy");
		fw->rules[keys->rules.n + i].fallback = true;
	}
}

static void default_compile(struct compiler *c)
{
	struct firewall_rule *rule = &c->fw->rules[c->fw->n_rules - 1];
	const struct firewall_keys *keys = c->keys;
	const struct firewall_rule_keys as_rule = { .log = keys->log,
						    .log_limit = keys->log_limit,
						    .rate_burst = 1 };
	struct draft d = { .c = c, .keys = &as_rule };

	rule->action = (uint8_t)keys->dflt;
	rule->reject_with = (uint8_t)keys->reject_with;
	rule->fallback = true;
	limits_keep(&d, rule);
}

#define NAME_ROOM 24

/* Names for those that have none, and labels for all. */
static int names_give(struct firewall *fw, const struct firewall_keys *keys)
{
	char *at;

	fw->names = calloc(fw->n_rules, NAME_ROOM);
	if (!fw->names)
		return -ENOMEM;
	for (unsigned i = 0; i < fw->n_rules; i++) {
		struct firewall_rule *rule = &fw->rules[i];

		at = fw->names + (size_t)i * NAME_ROOM;
		if (i < keys->rules.n && firewall_rule_at(keys, i)->name) {
			rule->name = firewall_rule_at(keys, i)->name;
			continue;
		}
		if (i < keys->rules.n)
			snprintf(at, NAME_ROOM, "rule-%u", i + 1);
		else if (i + 1 < fw->n_rules)
			snprintf(at, NAME_ROOM, "policy-%u", i + 1 - keys->rules.n);
		else
			snprintf(at, NAME_ROOM, "default");
		rule->name = at;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct firewall_rule *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* A name that the file gives may be one that we would give. */
static int names_check(struct firewall *fw, const struct firewall_keys *keys,
		       struct conf_errors *errors)
{
	const struct firewall_rule **sorted =
		calloc(fw->n_rules, sizeof(const struct firewall_rule *));

	if (!sorted)
		return -ENOMEM;
	for (unsigned i = 0; i < fw->n_rules; i++)
		sorted[i] = &fw->rules[i];
	qsort(sorted, fw->n_rules, sizeof(*sorted), by_name);
	for (unsigned i = 1; i < fw->n_rules; i++) {
		unsigned a = (unsigned)(sorted[i - 1] - fw->rules);
		unsigned b = (unsigned)(sorted[i] - fw->rules);
		unsigned first = a < b ? a : b, second = a < b ? b : a;
		const struct firewall_rule_keys *named = firewall_rule_at(keys, first);

		if (strcmp(sorted[i - 1]->name, sorted[i]->name))
			continue;
		if (second < keys->rules.n && firewall_rule_at(keys, second)->name) {
			if (named->name)
				continue; /* two names of the file: the reader has said so */
			named = firewall_rule_at(keys, second);
		}
		conf_error_at(errors, &named->where, &named->name,
			      "rule \"%s\": rules without a name, policies and the default are "
			      "called so; expected another name",
			      named->name);
	}
	free(sorted);
	return 0;
}

static int labels_give(struct firewall *fw)
{
	char owner[64];

	snprintf(owner, sizeof(owner), "firewall:%s", fw->nf->name);
	for (unsigned i = 0; i < fw->n_rules; i++) {
		int label = flow_label_register(owner, fw->rules[i].name);

		if (label < 0)
			return label;
		fw->rules[i].label = (uint32_t)label;
	}
	return 0;
}

/* --- all of it --- */

static int classifier_build(struct classifier **classifier, unsigned family,
			    const struct entries *entries)
{
	*classifier = classifier_new(family ? 6 : 4);
	if (!*classifier)
		return -ENOMEM;
	return entries->n ? classifier_load(*classifier, entries->item, entries->n) : 0;
}

static void tables_build(struct compiler *c)
{
	struct firewall_table *tables[2] = { &c->fw->usual, &c->fw->odd };

	for (unsigned t = 0; t < 2; t++)
		for (unsigned f = 0; f < 2 && !c->err; f++) {
			c->err = classifier_build(&tables[t]->family[f], f, &c->entries[t][f]);
			c->fw->entries += c->entries[t][f].n;
		}
}

static int by_label(const void *a, const void *b)
{
	const struct firewall_rule *const *x = a, *const *y = b;

	return ((*x)->label > (*y)->label) - ((*x)->label < (*y)->label);
}

/* What limits need besides the rules: tables as large as they may be used. */
static int limits_build(struct firewall *fw)
{
	bool flows = false, sources = false, rates = false;

	fw->counting = calloc(fw->n_rules, sizeof(*fw->counting));
	if (!fw->counting)
		return -ENOMEM;
	for (unsigned i = 0; i < fw->n_rules; i++) {
		const struct firewall_limits *limit = fw->rules[i].limit;

		if (limit)
			fw->counting[fw->n_counting++] = &fw->rules[i];
		flows |= limit && (limit->max_flows || limit->max_flows_per_source);
		sources |= limit && limit->max_flows_per_source;
		rates |= limit && limit->rate_cost_ns && limit->by_source;
	}
	qsort(fw->counting, fw->n_counting, sizeof(*fw->counting), by_label);
	if (flows)
		fw->notes = firewall_sources_new(NOTES);
	if (sources)
		fw->flows_by_source = firewall_sources_new(SOURCES);
	if (rates)
		fw->rate_by_source = firewall_sources_new(RATES);
	return (flows && !fw->notes) || (sources && !fw->flows_by_source) ||
			       (rates && !fw->rate_by_source) ?
		       -ENOMEM :
		       0;
}

static void compile(struct compiler *c, const struct config *config)
{
	const struct firewall_keys *keys = c->keys;
	struct firewall *fw = c->fw;

	fw->n_rules = keys->rules.n + keys->policies.n + 1;
	fw->rules = calloc(fw->n_rules, sizeof(*fw->rules));
	c->err = fw->rules ? firewall_zones_build(&fw->zones, keys, config, c->errors) : -ENOMEM;
	for (unsigned i = 0; i < keys->zones.n; i++)
		fw->asks_spoof |= firewall_zone_at(keys, i)->antispoof != FIREWALL_SPOOF_OFF;
	for (unsigned i = 0; i < keys->rules.n && !c->err; i++)
		if (!marked(c, firewall_rule_at(keys, i)))
			rule_compile(c, firewall_rule_at(keys, i), i, "rule");
	if (!c->err)
		fallbacks_compile(c);
	if (!c->err)
		default_compile(c);
	if (!c->err)
		c->err = names_give(fw, keys);
	if (!c->err && c->errors)
		c->err = names_check(fw, keys, c->errors);
	if (c->err || c->errors)
		return;
	c->err = labels_give(fw);
	if (!c->err)
		tables_build(c);
	if (!c->err)
		c->err = limits_build(fw);
}

int firewall_compile(struct firewall *fw, const struct firewall_keys *keys,
		     const struct config *config, struct conf_errors *errors)
{
	struct compiler c = { .fw = fw, .keys = keys, .errors = errors };

	fw->keys = keys;
	compile(&c, config);
	for (unsigned t = 0; t < 2; t++)
		for (unsigned f = 0; f < 2; f++)
			free(c.entries[t][f].item);
	return c.err;
}

void firewall_compile_free(struct firewall *fw)
{
	for (unsigned i = 0; fw->rules && i < fw->n_rules; i++) {
		flow_label_release(fw->rules[i].label);
		firewall_match_free(fw->rules[i].match);
		if (fw->rules[i].limit)
			firewall_live_put(fw->rules[i].limit->live);
		free(fw->rules[i].limit);
	}
	for (unsigned f = 0; f < 2; f++) {
		classifier_free(fw->usual.family[f]);
		classifier_free(fw->odd.family[f]);
	}
	firewall_sources_put(fw->flows_by_source);
	firewall_sources_put(fw->rate_by_source);
	firewall_sources_put(fw->notes);
	free(fw->counting);
	firewall_zones_free(&fw->zones);
	free(fw->rules);
	free(fw->names);
}
