/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firewall's files share.
 *
 *   keys.c     the keys                          words.c, span.c   their words as numbers
 *   zone.c     interfaces → classes              set.c, set_edit.c sets, changed at run time
 *   firewall_packet.c  a packet, or a flow's first, as rules see it
 *   rule.c     rules → classifier entries, and the conditions that no entry can express (match.c)
 *   decide.c   a packet's rule and what becomes of it; limit.c rates and numbers of flows
 *   flow_count.c  which flow counts for which rule
 *   syn_proxy.c  when SYNs are answered with cookies
 *   reject.c, log_packet.c  what senders and people are told
 *   firewall.c the function; show.c, command.c   what visorctl sees and does
 *
 * Rules, classifiers and zones of an instance never change: a reload builds a new instance. Sets,
 * and what limits remember, change while workers look at them.
 */
#ifndef FIREWALL_H
#define FIREWALL_H

#include "classifier.h"
#include "keys.h"
#include "limit.h"
#include "match.h"
#include "nf/nf.h"
#include "set.h"
#include "zone.h"

enum firewall_reason {
	FIREWALL_BY_RULE_DROP,
	FIREWALL_BY_RULE_REJECT,
	FIREWALL_BY_DEFAULT,
	FIREWALL_BY_SPOOF,
	FIREWALL_BY_INVALID,
	FIREWALL_BY_RATE,
	FIREWALL_BY_FLOWS,
	FIREWALL_BY_SOURCE_FLOWS,
	FIREWALL_BY_SOURCE_TABLE,
};

extern const char *const firewall_reason_names[];

#define FIREWALL_CLASS(class) (1u << (class))

/* A rule, a policy or the default. */
struct firewall_rule {
	const char *name;	       /* in counters, flows and log */
	struct firewall_match *match;  /* NULL: entries say it all */
	struct firewall_limits *limit; /* NULL: no limit, no log */
	uint32_t label;
	uint8_t action, reject_with;
	uint8_t classes;   /* FIREWALL_CLASS() of each */
	bool fallback;	   /* a policy or the default */
	bool other_header; /* what it asks of headers was changed by the last reload */
};

/* Rules for one part of the packets, by family: IPv4, IPv6. */
struct firewall_table {
	struct classifier *family[2];
};

struct firewall {
	const struct nf *nf;
	const struct firewall_keys *keys;
	struct firewall_zones zones;
	struct firewall_set **sets;  /* [keys->sets.n] */
	struct firewall_rule *rules; /* rules, policies, the default: entries name them by index */
	unsigned n_rules;	     /* of all of them */
	char *names;		     /* of those that the file gives none */
	struct firewall_table usual; /* new, untracked */
	struct firewall_table odd;   /* related, invalid: only rules that name them */
	/* NULL: no rule needs it */
	struct firewall_sources *flows_by_source, *rate_by_source, *notes;
	const struct firewall_rule **counting; /* those with any limit, by label */
	unsigned n_counting;
	struct firewall_syn *syn; /* NULL: no zone has a SYN proxy */
	bool asks_out, asks_spoof;
	size_t entries; /* of the classifiers */
};

static inline const struct firewall_rule *firewall_default(const struct firewall *fw)
{
	return &fw->rules[fw->n_rules - 1];
}

/* Everything that an instance consists of but its sets; `config` and `errors` NULL: all has been
 * checked before. 0 or -errno. control. */
int firewall_compile(struct firewall *fw, const struct firewall_keys *keys,
		     const struct config *config, struct conf_errors *errors);
void firewall_compile_free(struct firewall *fw);

/* A packet, as rules see it. */
struct firewall_packet {
	const struct packet *packet;
	struct classifier_key key;
	const struct flow_key *flow_key; /* of the flow that it opens; NULL: stateless */
	uint64_t source; /* IPv4: the address, IPv6: its first 64 bits; for limits */
	uint16_t in_iface, out_iface;
	uint8_t family; /* 0: IPv4, 1: IPv6 */
	uint8_t class;	/* enum flow_class */
	uint8_t tcp_flags, icmp_type, icmp_code, dscp;
	bool has_icmp;
	uint32_t label; /* again: of the rule that let the flow in, 0 none */
	bool again;	/* nothing is counted or used up where it may pass */
	bool flow;	/* it is of a flow that there is: refused it ends that */
	bool rate;	/* a rule that would have met it had no rate left */
};

struct firewall_decision {
	const struct firewall_rule *rule;
	uint16_t reason; /* enum firewall_reason, where it is denied */
	bool accept;
};

/* What becomes of each of n <= CLASSIFIER_BURST_MAX packets; rates are used up, counters count.
 * worker. */
void firewall_decide(const struct firewall *fw, struct datapath *dp,
		     struct firewall_packet *packets, struct firewall_decision *decisions,
		     unsigned n);
/* The flow of `key` counts for `rule`, or why not (FIREWALL_BY_…). With `again` it is let in whatever
 * the limits say. worker. */
bool firewall_flow_count(const struct firewall *fw, const struct firewall_rule *rule,
			 const struct flow_key *key, bool again, uint16_t *reason);
/* It counts for nobody any more. worker. */
void firewall_flow_uncount(const struct firewall *fw, const struct flow_key *key);
/* One that its source's route does not fit. worker. */
bool firewall_spoofed(const struct firewall *fw, struct datapath *dp,
		      const struct firewall_packet *packet);

/* What visorctl sees and does. control. */
extern const struct nf_command firewall_commands[];
void firewall_show(const struct nf *nf, const json_t *args, json_t *out);

/* Tell the sender. worker. */
void firewall_reject(struct datapath *dp, const struct packet *packet, uint8_t reject_with);

#endif
