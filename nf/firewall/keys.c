/* SPDX-License-Identifier: Apache-2.0 */
/* The firewall's keys, as tables. What spans keys is found when the rules are compiled (rule.c). */
#include "keys.h"

#define ENTRY(type_, strukt, member, ...) \
	.name = #member, .type = type_, .offset = offsetof(struct strukt, member), __VA_ARGS__

const char *const firewall_state_names[] = { "new",	"established", "related",
					     "invalid", "untracked",   NULL };
const char *const firewall_action_names[] = { "accept", "drop", "reject", "count", NULL };

static const char *const policy_names[] = { "accept", "drop", "reject", NULL };
static const char *const antispoof_names[] = { "off", "loose", "strict", NULL };
static const char *const syn_names[] = { "off", "auto", "always", NULL };
static const char *const type_names[] = { "addresses", "ports", NULL };
static const char *const on_change_names[] = { "recheck", "keep", NULL };
static const char *const family_names[] = { "both", "ipv4", "ipv6", NULL };
static const char *const per_names[] = { "second", "minute", "hour", "day", NULL };
static const char *const by_names[] = { "rule", "source", NULL };
static const char *const reject_names[] = { "auto",
					    "tcp-reset",
					    "port-unreachable",
					    "admin-prohibited",
					    "host-unreachable",
					    "net-unreachable",
					    "no-route",
					    NULL };

#define REJECT_DOC                                                                      \
	"what a rejected sender is told: a TCP reset where it spoke TCP and else port " \
	"unreachable (auto), or one of ICMP's errors"

static const struct conf_key zone_keys[] = {
	{ ENTRY(CONF_NAME, firewall_zone_keys, name, .required = true, .unique = true,
		.doc = "how rules call it; not the name of an interface") },
	{ ENTRY(CONF_WORDS, firewall_zone_keys, interfaces, .required = true, .min = 1,
		.doc = "ports and VLAN interfaces, each in one zone at most") },
	{ ENTRY(CONF_ENUM, firewall_zone_keys, antispoof, .choices = antispoof_names, .dflt = "off",
		.doc = "refuse sources that have no route at all (loose), or none back out of the "
		       "interface that they came in by (strict)") },
	{ ENTRY(CONF_ENUM, firewall_zone_keys, syn_proxy, .choices = syn_names, .dflt = "off",
		.doc = "answer the SYNs that rules let in from here with cookies, and connect to the "
		       "server only when the client has answered: always, or while there are more of "
		       "them than syn_rate (auto)") },
	{ ENTRY(CONF_INT, firewall_zone_keys, syn_rate, .min = 1, .max = 100000000, .dflt = "10000",
		.unit = "a second",
		.doc = "SYNs from here that are no flood, with syn_proxy = \"auto\"") },
	{ 0 }
};

static const struct conf_schema zone_schema = { "zone", sizeof(struct firewall_zone_keys),
						zone_keys };

static const struct conf_key set_keys[] = {
	{ ENTRY(CONF_NAME, firewall_set_keys, name, .required = true, .unique = true,
		.doc = "rules write \"@NAME\"") },
	{ ENTRY(CONF_ENUM, firewall_set_keys, type, .choices = type_names, .dflt = "addresses",
		.doc = "what is in it") },
	{ ENTRY(CONF_WORDS, firewall_set_keys, addresses, .min = 1,
		.doc = "prefixes, addresses, ranges \"10.0.0.1-10.0.0.9\"") },
	{ ENTRY(CONF_WORDS, firewall_set_keys, ports, .min = 1,
		.doc = "ports and ranges \"8000-8080\"; with type = \"ports\"") },
	{ ENTRY(CONF_STRING, firewall_set_keys, file, .max = 4095,
		.doc = "more entries, one a line, # begins a comment; read again at a reload") },
	{ ENTRY(CONF_INT, firewall_set_keys, timeout, .max = 31536000, .dflt = "0",
		.unit = "seconds",
		.doc = "how long an entry stays that is added at run time without a time of its own; "
		       "0: until it is deleted") },
	{ 0 }
};

static const struct conf_schema set_schema = { "set", sizeof(struct firewall_set_keys), set_keys };

static const struct conf_key policy_keys[] = {
	{ ENTRY(CONF_WORDS, firewall_policy_keys, in, .min = 1,
		.doc = "zones and interfaces; none given: all") },
	{ ENTRY(CONF_WORDS, firewall_policy_keys, out, .min = 1,
		.doc = "zones and interfaces; none given: all") },
	{ ENTRY(CONF_ENUM, firewall_policy_keys, action, .required = true, .choices = policy_names,
		.doc = "what happens to what no rule decides between these") },
	{ ENTRY(CONF_ENUM, firewall_policy_keys, reject_with, .choices = reject_names,
		.dflt = "auto", .doc = REJECT_DOC) },
	{ ENTRY(CONF_BOOL, firewall_policy_keys, log, .dflt = "false",
		.doc = "log what it meets") },
	{ ENTRY(CONF_INT, firewall_policy_keys, log_limit, .min = 1, .max = 1000, .dflt = "10",
		.unit = "a second", .doc = "lines at most; the others are counted") },
	{ 0 }
};

static const struct conf_schema policy_schema = { "policy", sizeof(struct firewall_policy_keys),
						  policy_keys };

static const struct conf_key rule_keys[] = {
	{ ENTRY(CONF_NAME, firewall_rule_keys, name, .unique = true,
		.doc = "how counters, flows and the log call it; none given: rule-N, its place") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, in, .min = 1,
		.doc = "zones and interfaces that the packet came in by") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, out, .min = 1,
		.doc = "zones and interfaces that it will leave by") },
	{ ENTRY(CONF_ENUM, firewall_rule_keys, family, .choices = family_names, .dflt = "both",
		.doc = "of the packet") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, from, .min = 1,
		.doc = "sources: prefixes, ranges \"10.0.0.1-10.0.0.9\", sets \"@NAME\"; with ! in "
		       "front those that are excepted") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, to, .min = 1, .doc = "destinations, as from") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, proto, .min = 1,
		.doc = "protocols by name or number; with ! in front those that are excepted") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, sport, .min = 1,
		.doc = "source ports: 80, \"8000-8080\", sets \"@NAME\"; with ! in front those that "
		       "are excepted. Needs proto") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, dport, .min = 1,
		.doc = "destination ports, as sport") },
	{ ENTRY(CONF_STRING, firewall_rule_keys, tcp_flags, .max = 60,
		.doc = "TCP flags that must be set, or with ! must not: \"syn,!ack\"") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, icmp_type, .min = 1,
		.doc = "messages by name, type 3 or type and code \"3/4\"") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, dscp, .min = 1,
		.doc = "differentiated services code points: \"ef\", 46") },
	{ ENTRY(CONF_WORDS, firewall_rule_keys, state, .min = 1,
		.doc = "new, established, related, invalid, untracked; none given: new and untracked. "
		       "Established packets ask no rule, related ones are accepted and invalid ones "
		       "dropped where no rule names them") },
	{ ENTRY(CONF_ENUM, firewall_rule_keys, action, .required = true,
		.choices = firewall_action_names,
		.doc = "let the flow in, drop it silently, drop it and tell the sender, or go on to "
		       "the next rule (count)") },
	{ ENTRY(CONF_ENUM, firewall_rule_keys, reject_with, .choices = reject_names, .dflt = "auto",
		.doc = REJECT_DOC) },
	{ ENTRY(CONF_BOOL, firewall_rule_keys, log, .dflt = "false", .doc = "log what it meets") },
	{ ENTRY(CONF_INT, firewall_rule_keys, log_limit, .min = 1, .max = 1000, .dflt = "10",
		.unit = "a second", .doc = "lines at most; the others are counted") },
	{ ENTRY(CONF_INT, firewall_rule_keys, rate, .max = 10000000, .dflt = "0",
		.doc = "the rule meets so many packets in rate_per, and the others are left to the "
		       "next rules; stateful: so many new flows. 0: no limit") },
	{ ENTRY(CONF_INT, firewall_rule_keys, rate_burst, .min = 1, .max = 1000000, .dflt = "5",
		.doc = "how many at once") },
	{ ENTRY(CONF_ENUM, firewall_rule_keys, rate_per, .choices = per_names, .dflt = "second",
		.doc = "of rate") },
	{ ENTRY(CONF_ENUM, firewall_rule_keys, rate_by, .choices = by_names, .dflt = "rule",
		.doc = "one rate for the rule, or one for each source address (IPv6: its /64)") },
	{ ENTRY(CONF_BOOL, firewall_rule_keys, rate_over, .dflt = "false",
		.doc = "the other way round: the rule meets what is beyond the rate") },
	{ ENTRY(CONF_INT, firewall_rule_keys, max_flows, .max = 1000000000, .dflt = "0",
		.doc = "flows that it lets in at a time; more are dropped. 0: no limit") },
	{ ENTRY(CONF_INT, firewall_rule_keys, max_flows_per_source, .max = 1000000, .dflt = "0",
		.doc = "the same for each source address (IPv6: its /64)") },
	{ 0 }
};

static const struct conf_schema rule_schema = { "rule", sizeof(struct firewall_rule_keys),
						rule_keys };

static const struct conf_key keys[] = {
	{ ENTRY(CONF_BOOL, firewall_keys, stateful, .dflt = "true",
		.doc = "rules are asked for the first packet of a flow; false: for each packet, and "
		       "there is no flow table") },
	{ .name = "default",
	  .type = CONF_ENUM,
	  .offset = offsetof(struct firewall_keys, dflt),
	  .choices = policy_names,
	  .dflt = "drop",
	  .doc = "what happens to what no rule and no policy decides" },
	{ ENTRY(CONF_ENUM, firewall_keys, reject_with, .choices = reject_names, .dflt = "auto",
		.doc = "of the default: " REJECT_DOC) },
	{ ENTRY(CONF_BOOL, firewall_keys, log, .dflt = "false",
		.doc = "log what the default decides") },
	{ ENTRY(CONF_INT, firewall_keys, log_limit, .min = 1, .max = 1000, .dflt = "10",
		.unit = "a second", .doc = "lines at most; the others are counted") },
	{ ENTRY(CONF_ENUM, firewall_keys, on_change, .choices = on_change_names, .dflt = "recheck",
		.doc = "established flows that changed rules or sets deny: end with their next packet "
		       "(recheck), or stay (keep)") },
	{ ENTRY(CONF_LIST, firewall_keys, zones, .sub = &zone_schema,
		.doc = "sets of interfaces") },
	{ ENTRY(CONF_LIST, firewall_keys, sets, .sub = &set_schema,
		.doc = "sets of addresses or ports, which can change at run time") },
	{ ENTRY(CONF_LIST, firewall_keys, rules, .sub = &rule_schema,
		.doc = "in order, the first that meets a packet decides; a rule meets what fits all of "
		       "its keys") },
	{ ENTRY(CONF_LIST, firewall_keys, policies, .sub = &policy_schema,
		.doc = "defaults by direction, in order, asked after the rules") },
	{ 0 }
};

const struct conf_schema firewall_schema = { "firewall", sizeof(struct firewall_keys), keys };
