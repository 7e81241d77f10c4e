/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions that no classifier entry can express. See match.h. */
#include "match.h"

#include <stdlib.h>

#include "firewall.h"

static bool set_has(const struct firewall_set *set, unsigned family,
		    const union classifier_addr *addr)
{
	return family ? firewall_set_has6(set, &addr->v6) : firewall_set_has4(set, addr->v4);
}

static bool in_sets(const struct firewall *fw, const uint16_t *sets, unsigned n, unsigned family,
		    const union classifier_addr *addr)
{
	for (unsigned i = 0; i < n; i++)
		if (set_has(fw->sets[sets[i]], family, addr))
			return true;
	return false;
}

static bool address_met(const struct firewall *fw, const struct firewall_list *list,
			unsigned family, const union classifier_addr *addr)
{
	const __uint128_t value = family ? span_address6(&addr->v6) : span_address4(addr->v4);

	if (!list->any && !spans_contain(&list->in[family], value) &&
	    !in_sets(fw, list->sets, list->n_in, family, addr))
		return false;
	return !spans_contain(&list->out[family], value) &&
	       !in_sets(fw, list->sets + list->n_in, list->n_out, family, addr);
}

static bool port_in_sets(const struct firewall *fw, const uint16_t *sets, unsigned n, uint16_t port)
{
	for (unsigned i = 0; i < n; i++)
		if (firewall_set_has_port(fw->sets[sets[i]], port))
			return true;
	return false;
}

static bool port_met(const struct firewall *fw, const struct firewall_list *list, bool has_ports,
		     uint16_t port)
{
	if (!has_ports)
		return false;
	if (!list->any && !spans_contain(&list->in[0], port) &&
	    !port_in_sets(fw, list->sets, list->n_in, port))
		return false;
	return !spans_contain(&list->out[0], port) &&
	       !port_in_sets(fw, list->sets + list->n_in, list->n_out, port);
}

static bool icmp_met(const struct firewall_match *match, const struct firewall_packet *p)
{
	if (!p->has_icmp)
		return false;
	for (unsigned i = 0; i < match->n_icmp; i++) {
		const struct words_icmp *icmp = &match->icmp[i];

		if (icmp->type[p->family] == p->icmp_type &&
		    (icmp->code[p->family] > UINT8_MAX || icmp->code[p->family] == p->icmp_code))
			return true;
	}
	return false;
}

static bool addresses_met(const struct firewall *fw, const struct firewall_match *match,
			  const struct firewall_packet *p)
{
	if ((match->checks & FIREWALL_CHECK_SOURCE) &&
	    !address_met(fw, &match->source, p->family, &p->key.src))
		return false;
	return !(match->checks & FIREWALL_CHECK_DESTINATION) ||
	       address_met(fw, &match->destination, p->family, &p->key.dst);
}

static bool ports_met(const struct firewall *fw, const struct firewall_match *match,
		      const struct firewall_packet *p)
{
	if ((match->checks & FIREWALL_CHECK_SPORT) &&
	    !port_met(fw, &match->sport, p->key.has_ports, p->key.sport))
		return false;
	return !(match->checks & FIREWALL_CHECK_DPORT) ||
	       port_met(fw, &match->dport, p->key.has_ports, p->key.dport);
}

#define FIRST_PACKET (FIREWALL_CHECK_TCP | FIREWALL_CHECK_DSCP)

static bool header_met(const struct firewall_match *match, const struct firewall_packet *p,
		       bool let_in)
{
	const uint32_t checks = match->checks & ~(let_in ? FIRST_PACKET : 0u);

	if ((checks & FIREWALL_CHECK_PROTO) &&
	    !(match->protos[p->key.proto / 64] >> p->key.proto % 64 & 1))
		return false;
	if ((checks & FIREWALL_CHECK_TCP) && (p->tcp_flags & match->tcp_mask) != match->tcp_value)
		return false;
	if ((checks & FIREWALL_CHECK_DSCP) && !(match->dscp >> p->dscp & 1))
		return false;
	if ((checks & FIREWALL_CHECK_IN) && !match->in[p->key.in])
		return false;
	return !(checks & FIREWALL_CHECK_OUT) || match->out[p->key.out];
}

bool firewall_match(const struct firewall *fw, const struct firewall_match *match,
		    const struct firewall_packet *packet, bool let_in)
{
	if (!header_met(match, packet, let_in))
		return false;
	if ((match->checks & FIREWALL_CHECK_ICMP) && !icmp_met(match, packet))
		return false;
	return ports_met(fw, match, packet) && addresses_met(fw, match, packet);
}

bool firewall_match_same_header(const struct firewall_match *a, const struct firewall_match *b)
{
	static const struct firewall_match none;

	a = a ? a : &none;
	b = b ? b : &none;
	return !((a->checks ^ b->checks) & FIRST_PACKET) && a->dscp == b->dscp &&
	       a->tcp_mask == b->tcp_mask && a->tcp_value == b->tcp_value;
}

void firewall_list_free(struct firewall_list *list)
{
	for (unsigned i = 0; i < 2; i++) {
		spans_free(&list->in[i]);
		spans_free(&list->out[i]);
	}
	free(list->sets);
	*list = (struct firewall_list){ 0 };
}

void firewall_match_free(struct firewall_match *match)
{
	if (!match)
		return;
	firewall_list_free(&match->source);
	firewall_list_free(&match->destination);
	firewall_list_free(&match->sport);
	firewall_list_free(&match->dport);
	free(match->in);
	free(match->out);
	free(match->icmp);
	free(match);
}
