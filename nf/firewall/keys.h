/* SPDX-License-Identifier: Apache-2.0 */
/* What a firewall's section of the configuration is read into. */
#ifndef FIREWALL_KEYS_H
#define FIREWALL_KEYS_H

#include "conf.h"

enum firewall_action { FIREWALL_ACCEPT, FIREWALL_DROP, FIREWALL_REJECT, FIREWALL_COUNT };

enum firewall_reject {
	FIREWALL_REJECT_AUTO, /* TCP: a reset, else port unreachable */
	FIREWALL_REJECT_RESET,
	FIREWALL_REJECT_PORT,
	FIREWALL_REJECT_PROHIBITED,
	FIREWALL_REJECT_HOST,
	FIREWALL_REJECT_NET,
	FIREWALL_REJECT_NO_ROUTE,
};

enum firewall_antispoof { FIREWALL_SPOOF_OFF, FIREWALL_SPOOF_LOOSE, FIREWALL_SPOOF_STRICT };
enum firewall_set_type { FIREWALL_SET_ADDRESSES, FIREWALL_SET_PORTS };
enum firewall_on_change { FIREWALL_RECHECK, FIREWALL_KEEP };
enum firewall_family { FIREWALL_BOTH, FIREWALL_IP4, FIREWALL_IP6 };
enum firewall_rate_by { FIREWALL_BY_RULE, FIREWALL_BY_SOURCE };

/* Bits of the names of `state`, in the order of enum flow_class. */
extern const char *const firewall_state_names[];
extern const char *const firewall_action_names[];

struct firewall_zone_keys {
	struct conf_where where;
	const char *name;
	struct conf_strings interfaces;
	int antispoof;
	int syn_proxy; /* enum firewall_syn_mode */
	int64_t syn_rate;
};

enum firewall_syn_mode { FIREWALL_SYN_OFF, FIREWALL_SYN_AUTO, FIREWALL_SYN_ALWAYS };

struct firewall_set_keys {
	struct conf_where where;
	const char *name;
	int type;
	struct conf_strings addresses, ports;
	const char *file;
	int64_t timeout;
};

struct firewall_policy_keys {
	struct conf_where where;
	struct conf_strings in, out;
	int action, reject_with;
	bool log;
	int64_t log_limit;
};

struct firewall_rule_keys {
	struct conf_where where;
	const char *name;
	struct conf_strings in, out;
	int family;
	struct conf_strings from, to, proto, sport, dport;
	const char *tcp_flags;
	struct conf_strings icmp_type, dscp, state;
	int action, reject_with;
	bool log;
	int64_t log_limit;
	int64_t rate, rate_burst;
	int rate_per, rate_by;
	bool rate_over;
	int64_t max_flows, max_flows_per_source;
};

struct firewall_keys {
	struct conf_where where;
	bool stateful;
	int dflt, reject_with;
	bool log;
	int64_t log_limit;
	int on_change;
	struct conf_list policies, zones, sets, rules;
};

extern const struct conf_schema firewall_schema;

static inline const struct firewall_rule_keys *firewall_rule_at(const struct firewall_keys *keys,
								unsigned i)
{
	return (const struct firewall_rule_keys *)keys->rules.item + i;
}

static inline const struct firewall_zone_keys *firewall_zone_at(const struct firewall_keys *keys,
								unsigned i)
{
	return (const struct firewall_zone_keys *)keys->zones.item + i;
}

static inline const struct firewall_set_keys *firewall_set_at(const struct firewall_keys *keys,
							      unsigned i)
{
	return (const struct firewall_set_keys *)keys->sets.item + i;
}

static inline const struct firewall_policy_keys *
firewall_policy_at(const struct firewall_keys *keys, unsigned i)
{
	return (const struct firewall_policy_keys *)keys->policies.item + i;
}

#endif
