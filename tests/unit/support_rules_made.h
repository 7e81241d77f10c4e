/* SPDX-License-Identifier: Apache-2.0 */
/* Large sets of rules that look like ClassBench's, and packets for them. */
#ifndef SUPPORT_RULES_MADE_H
#define SUPPORT_RULES_MADE_H

#include "support_rules_files.h"

/* After ClassBench's seeds acl1, fw1 and ipc1. */
enum rules_kind { RULES_ACL, RULES_FW, RULES_IPC, RULES_KINDS };

/* Makes @n rules without any file. */
void rules_make(struct rules *r, enum rules_kind kind, size_t n);

/*
 * Makes @n rules out of fewer: their copies with other addresses that have the same prefixes in common.
 * Copies that are not different (wildcards) are left out.
 */
void rules_grow(struct rules *r, size_t n);

/* A corner of, or a point in, one of the rules for each packet, as ClassBench's traces have it. */
struct classifier_key *rules_trace_make(const struct classifier_entry *e, size_t entries, size_t n);

/*
 * Each field from another rule: packets that come near to many rules and match few, so that no search
 * can stop early.
 */
struct classifier_key *rules_trace_mix(const struct classifier_entry *e, size_t entries, size_t n);

#endif
