/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the walk over chains share; see import_nft.h for the whole. */
#ifndef VISORCTL_IMPORT_NFT_WALK_H
#define VISORCTL_IMPORT_NFT_WALK_H

#include <stdint.h>

#include "import_nft.h"

/* A chain that is being inlined. */
struct import_visit {
	struct import *import;
	struct instance *inst;
	const struct import_chain *chain;
	struct terms live;
	struct limiter limiter; /* of the jump that led here */
	unsigned depth;
	bool done;	     /* nothing is live any more */
	bool returned;	     /* something may have left the chain without a verdict */
	size_t before_limit; /* rules, where a return set the limit; else SIZE_MAX */
};

/* A rule while its statements are read from left to right. */
struct import_rule {
	struct place place;
	const char *comment;
	const char *prefix; /* of its log lines */
	struct terms match;
	struct limiter limiter;
	struct verdict verdict;
	const json_t *vmap; /* instead of a verdict: by a map */
	bool log, counter;
	bool carries_limit; /* its limit comes from a rule above it */
	char reverse_path;
	const char *side_effect; /* what it does besides its verdict, and ours does not */
	const char *lost;
};

static inline bool import_limited(const struct limiter *limiter)
{
	return limiter->rate || limiter->flows;
}

/* import_nft_walk.c */
/* The condition of the rule together with that of its chain; false: it was lost. */
bool import_condition(struct import_visit *visit, const struct import_rule *rule,
		      struct terms *out);
/* The verdict, for what the rule matches. */
void import_decide(struct import_visit *visit, const struct import_rule *rule);

/* import_nft_emit.c */
/* A rule of ours for each of the terms. */
void import_emit(struct import_visit *visit, const struct import_rule *rule,
		 const struct terms *terms, enum action action, bool log);
/* The rule is left out. */
void import_lose(struct import_visit *visit, const struct import_rule *rule, const char *why);
/* After the last rule: what the policy does that ours would not. */
void import_emit_end(struct import *import, struct instance *inst, const struct term *live);

/* import_nft_vmap.c */
void import_decide_by_map(struct import_visit *visit, const struct import_rule *rule);

/* import_nft_stmt.c: the rule's statements from left to right; what is lost is in rule->lost. */
void import_statements(struct import_visit *visit, struct import_rule *rule, const json_t *json);

#endif
