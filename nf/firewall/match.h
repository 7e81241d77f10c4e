/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions that classifier entries cannot express: sets, flags, types, and lists so long that
 * their product would fill the classifier. A rule has a match only where it has any of them.
 */
#ifndef FIREWALL_MATCH_H
#define FIREWALL_MATCH_H

#include "span.h"
#include "words.h"

struct firewall;
struct firewall_packet;

enum firewall_check {
	FIREWALL_CHECK_SOURCE = 0x001,
	FIREWALL_CHECK_DESTINATION = 0x002,
	FIREWALL_CHECK_SPORT = 0x004,
	FIREWALL_CHECK_DPORT = 0x008,
	FIREWALL_CHECK_PROTO = 0x010,
	FIREWALL_CHECK_IN = 0x020,
	FIREWALL_CHECK_OUT = 0x040,
	FIREWALL_CHECK_TCP = 0x080,
	FIREWALL_CHECK_ICMP = 0x100,
	FIREWALL_CHECK_DSCP = 0x200,
};

/* A list: met by what is in `in` or one of the first n_in sets (or by all, `any`), and neither in
 * `out` nor in the other n_out sets. Addresses by family; ports in [0]. */
struct firewall_list {
	bool any;
	unsigned n_in, n_out;
	uint16_t *sets; /* index; n_in + n_out */
	struct spans in[2], out[2];
};

struct firewall_match {
	uint32_t checks; /* enum firewall_check */
	struct firewall_list source, destination, sport, dport;
	uint64_t protos[4];
	bool *in, *out; /* by class */
	uint8_t tcp_mask, tcp_value;
	unsigned n_icmp;
	struct words_icmp *icmp;
	uint64_t dscp;
};

/* With `let_in` flags and code point are known to be met. worker */
bool firewall_match(const struct firewall *fw, const struct firewall_match *match,
		    const struct firewall_packet *packet, bool let_in);
/* Do they ask the same of flags and code points? NULL asks for none. control */
bool firewall_match_same_header(const struct firewall_match *a, const struct firewall_match *b);
/* control */
void firewall_list_free(struct firewall_list *list);
void firewall_match_free(struct firewall_match *match);

#endif
