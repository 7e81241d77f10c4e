/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `visorctl import nft`: a ruleset of nftables, as `nft -j list ruleset` prints it, as a
 * configuration of ours. What the parts are to each other:
 *
 *   import_nft.c         the command: reads the file, says what was lost, the exit status
 *   import_nft_model.c   tables, chains, sets and rules by their names
 *   import_nft_value.c   an address, a port, a protocol, "a-b", { … } to numbers
 *   import_nft_match.c   what a rule asks about a packet, to terms
 *   import_nft_kind.c    what is known of every packet to forward
 *   import_nft_terms.c   terms: conditions in our rules' form, intersected and subtracted
 *   import_nft_verdict.c verdicts and limits
 *   import_nft_walk.c    chains to one list of rules: jumps inlined
 *   import_nft_stmt.c    a rule's statements
 *   import_nft_vmap.c    verdict maps
 *   import_nft_emit.c    rules of ours
 *   import_nft_name.c    names of rules and sets
 *   import_nft_ports.c   interfaces as ports and VLANs
 *   import_nft_rule.c    a rule as text
 *   import_nft_print.c   the whole configuration as text
 *
 * nftables asks a packet along a tree of chains; ours is one list of which the first rule that
 * matches decides. A jump is carried by asking for the jump's condition in each rule of its chain,
 * a `return` by taking what returns out of the condition of the rules behind it. Conditions are
 * kept as terms: one set of numbers for each field, all of which must hold, which is what one rule
 * of ours can say; a condition is any one of several terms.
 *
 * Nothing is dropped in silence: what has no counterpart is named with table, chain and handle on
 * stderr and as a comment in its place.
 */
#ifndef VISORCTL_IMPORT_NFT_H
#define VISORCTL_IMPORT_NFT_H

#include <jansson.h>
#include <stdio.h>

#include "import_nft_ranges.h"

/* In the order in which conditions are taken apart: family and protocol first, since the meaning
 * of others depends on them. */
enum field {
	FIELD_FAMILY, /* 0: IPv4, 1: IPv6 */
	FIELD_PROTO,
	FIELD_IN, /* place in import.ifaces; beyond it: all others */
	FIELD_OUT,
	FIELD_SRC4,
	FIELD_SRC6,
	FIELD_DST4,
	FIELD_DST6,
	FIELD_SPORT,
	FIELD_DPORT,
	FIELD_TCP_FLAGS, /* the header's byte */
	FIELD_ICMP_TYPE,
	FIELD_ICMP_CODE,
	FIELD_ICMP6_TYPE,
	FIELD_ICMP6_CODE,
	FIELD_DSCP,
	FIELD_STATE, /* import_states[] */
	FIELDS,
	FIELD_NONE = FIELDS,
};

/* Fields that may refer to a named set: an address or a port. */
enum ref { REF_SRC, REF_DST, REF_SPORT, REF_DPORT, REFS };

enum set_kind { SET_ADDRESS4, SET_ADDRESS6, SET_PORT, SET_INLINE };

/* A named set or map. */
struct import_set {
	const char *family, *table, *name;
	const json_t *json, *elements; /* elements: an array, or NULL */
	enum set_kind
		kind; /* SET_INLINE: of a kind that ours are not; its elements are written out */
	bool map, changes; /* changes: elements come and go by themselves */
	unsigned long timeout_s;
	bool read, expires; /* import_set_elements() has been here; elements with time-outs */
	const char *why;    /* what it found */
	struct ranges stays;
};

struct not_set {
	const struct import_set *set;
	const struct not_set *next;
};

struct term {
	struct ranges field[FIELDS];
	const struct import_set *in[REFS]; /* it is in that set; NULL: any */
	const struct not_set *not_in[REFS];
};

struct terms {
	size_t n, room;
	struct term *t;
};

enum action { ACTION_NONE, ACTION_ACCEPT, ACTION_DROP, ACTION_REJECT, ACTION_COUNT };

/* How often a rule may match. */
struct limiter {
	bool rate, flows; /* at most one of them */
	bool over;	  /* what exceeds it matches */
	bool by_source;
	unsigned long value, burst;
	const char *per;
};

enum verdict_kind {
	VERDICT_NONE, /* on to the next rule */
	VERDICT_FINAL,
	VERDICT_RETURN,
	VERDICT_JUMP,
	VERDICT_GOTO,
};

struct verdict {
	enum verdict_kind kind;
	enum action action; /* VERDICT_FINAL */
	const char *reject_with, *target;
};

struct import_chain {
	const char *family, *table, *name;
	const json_t *rules;		  /* array */
	const char *type, *hook, *policy; /* of a base chain; else NULL */
	json_int_t priority;
	bool walking; /* being inlined: a loop of jumps is no ruleset of the kernel's */
	bool reached;
};

/* Where in the ruleset something stands. */
struct place {
	const char *family, *table, *chain; /* chain may be NULL */
	json_int_t handle;		    /* 0: none */
};

/* What is written out: a rule, or a comment between rules. */
struct item {
	const char *comment; /* NULL: a rule */
	const char *name;
	struct term term;
	enum action action;
	const char *reject_with;
	bool log;
	unsigned states; /* bits of import_states[] to ask for; 0: what ours ask for by themselves */
	struct limiter limiter;
};

/* A limit to the number of flows that stands in front of the rule that accepts them. */
struct flow_limit {
	struct term term;
	struct limiter limiter;
	struct place place;
	enum action action;
	unsigned carried; /* by so many rules */
};

/* A base chain as one firewall. */
struct instance {
	const char *name;
	const struct import_chain *chain;
	size_t n, room;
	struct item *items;
	json_t *names;		     /* in use, as keys */
	json_t *set_names;	     /* those in use: place in import.sets → name in ours */
	struct ranges strict, loose; /* interfaces whose reverse path is checked */
	size_t n_rules;
	bool before_routing;  /* prerouting: there is no interface out yet */
	bool merged;	      /* IPv4's and IPv6's chains in one */
	bool decides;	      /* it does what would not happen without it */
	bool asks_state;      /* some rule asks for the state of the connection, or counts them */
	bool lets_replies_in; /* a rule has accepted what is established */
	/* Rules before that which deny such packets, and which limit their rate. */
	struct early {
		size_t n;
		struct place first;
	} denies, limits;
	unsigned undecided; /* states of which packets can still be on their way */
	size_t n_flow_limits, flow_limits_room;
	struct flow_limit *flow_limits;
};

struct import {
	struct arena arena;
	const char *file;
	json_t *root, *index; /* index: "chain\nFAMILY\nTABLE\nNAME" → place in its array */
	size_t n_chains, n_sets, n_instances;
	struct import_chain *chains;
	struct import_set *sets;
	struct instance *instances;
	json_t *ifaces, *iface_index; /* names in order; name → place */
	json_t *port_names;	      /* what ours are called, in that order */
	json_t *asleep;		      /* dormant tables */
	json_t *told, *uses;	      /* stderr lines; how often named limits are used */
	size_t lost, rules;
	struct item *notes; /* comments of no instance */
	size_t n_notes, notes_room;
};

extern const char *const import_states[];

/* import_nft.c */
enum import_kind {
	IMPORT_LOST,	/* it is not in the output */
	IMPORT_DIFFERS, /* it is, but does not do quite the same */
	IMPORT_NOTE,	/* nothing is lost, but worth knowing */
};
/* Says it on stderr once, and as a comment in the output (inst NULL: at its top). */
void import_tell(struct import *import, struct instance *inst, enum import_kind kind,
		 const struct place *place, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void import_comment(struct import *import, struct instance *inst, const char *text);
/* A copy without what could end a comment, or a line. */
const char *import_clean(struct import *import, const char *text);
struct item *import_item(struct import *import, struct item **items, size_t *n, size_t *room);

/* import_nft_model.c: false after a word on stderr. */
bool import_read(struct import *import, FILE *in);
void import_forget(struct import *import);
struct import_chain *import_find_chain(struct import *import, const struct place *place,
				       const char *name);
struct import_set *import_find_set(struct import *import, const struct place *place,
				   const char *name);

/* The following return NULL, or in words what it is that they cannot carry. */

/* import_nft_value.c */
number import_field_max(enum field field);
const char *import_value(struct import *import, enum field field, const json_t *value,
			 struct ranges *out);
const char *import_flags(struct import *import, enum field field, const json_t *value,
			 unsigned *mask);
/* The element of a set without what is said about it; *expires: it has a time-out. */
const json_t *import_element(const json_t *element, bool *expires);
/* All elements of a set whose elements are single values. */
const char *import_set_value(struct import *import, const struct import_set *set, enum field field,
			     struct ranges *out);
json_int_t import_iface(struct import *import, const char *name);

/* The same of a set of addresses or ports, without those that have a time-out of their own. */
const char *import_set_elements(struct import *import, struct import_set *set, struct ranges *out);

/* import_nft_terms.c */
#define TERMS_MAX 4000
extern const char terms_too_many[];
void term_any(struct import *import, struct term *term);
bool term_is_any(const struct term *term);
void terms_add(struct import *import, struct terms *terms, const struct term *term);
struct terms terms_any(struct import *import);
/* One field restricted further; *empty: nothing is left. */
void term_restrict(struct import *import, struct term *term, enum field field, struct ranges value,
		   bool *empty);
const char *terms_and(struct import *import, const struct terms *a, const struct terms *b,
		      struct terms *out);
/* What is in `a` and not in `b`. */
const char *terms_minus(struct import *import, const struct terms *a, const struct terms *b,
			struct terms *out);
bool term_same_but_state(const struct term *a, const struct term *b);
void terms_merge(struct import *import, struct terms *terms);
/* The same with TCP flags that each are "these set, those not", which is what one rule can ask. */
struct terms terms_cubes(struct import *import, const struct terms *terms);

/* import_nft_match.c */
const char *import_expression_name(struct import *import, const json_t *expression);
const char *import_match(struct import *import, const struct place *place, const json_t *match,
			 struct terms *out);
/* A verdict map's key being one of these elements. */
const char *import_key(struct import *import, const struct place *place, const json_t *key,
		       const json_t *elements, struct terms *out);

/* import_nft_kind.c */
enum kind_asked { KIND_UNKNOWN, KIND_NEVER, KIND_ALWAYS };
/* Is `left` being `right` so of every packet to forward, or of none? */
enum kind_asked import_kind_asked(const json_t *left, const json_t *right);
/* fib … oif missing: 's' strict, 'l' loose; 0: something else. */
char import_reverse_path(const json_t *match);

/* import_nft_verdict.c */
const char *import_verdict(struct import *import, const json_t *statement, struct verdict *verdict,
			   struct term *implied);
bool import_is_verdict(const char *name);
const char *import_limit(struct import *import, const struct place *place, const json_t *limit,
			 struct limiter *limiter);
const char *import_count(const json_t *count, struct limiter *limiter);
const char *import_meter(struct import *import, const struct place *place, const json_t *set,
			 struct limiter *limiter, struct terms *implied);

/* import_nft_name.c */
/* A name that ours can have, near `wanted`, and not in `taken` yet (an object with names as keys),
 * where it is added. */
const char *import_name(struct import *import, json_t *taken, const char *wanted);
/* How the instance calls a set; the first use gives it its name. */
const char *import_set_name(struct import *import, struct instance *inst,
			    const struct import_set *set);

/* import_nft_walk.c */
void import_walk(struct import *import, struct instance *inst);

/* Folded at words. */
void import_print_comment(FILE *out, unsigned indent, const char *text);

/* Which chain it is, for a comment. */
const char *import_chain_text(struct import *import, const struct import_chain *chain);

/* import_nft_ports.c */
/* What ours call the interfaces; their ports are added to them. */
void import_name_ports(struct import *import);
void import_print_ports(struct import *import, FILE *out);

/* import_nft_rule.c: a rule, "{ name = …; }", over as many lines as it takes. */
void import_print_rule(struct import *import, struct instance *inst, const struct item *item,
		       FILE *out);
/* "key = value;", in brackets where there are several words, folded; `column` is where it begins. */
void import_print_words(struct import *import, const char *key, const json_t *words,
			unsigned column, FILE *out);
/* Numbers as our configuration writes them: addresses, ports. */
void import_words(struct import *import, enum field field, struct ranges value, const char *mark,
		  json_t *words);

/* import_nft_print.c */
void import_print(struct import *import, bool firewall_only, FILE *out);

#endif
