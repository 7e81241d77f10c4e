/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries and keys for the classifier's tests and benchmark, of several shapes, some of them made to
 * hurt.
 */
#ifndef SUPPORT_RULES_H
#define SUPPORT_RULES_H

#include "nf/firewall/classifier.h"

extern uint64_t rules_random_state;

uint64_t rules_random(void);
unsigned int rules_random_below(unsigned int n);

/* An entry that everything matches; its rule is its priority. */
struct classifier_entry rules_entry_any(uint32_t priority);

typedef void (*rules_shape_fn)(unsigned int family, struct classifier_entry *e);

/* Anything goes. */
void rules_shape_mixed(unsigned int family, struct classifier_entry *e);
/* Every pair of prefix lengths: as many tuples as there can be. */
void rules_shape_tuples(unsigned int family, struct classifier_entry *e);
/* Exact in one field, anything in the others: each copied everywhere if a tree cuts another field. */
void rules_shape_crossing(unsigned int family, struct classifier_entry *e);
/* Ranges around the middle of both ports: all of them overlap, and no cut separates any. */
void rules_shape_nested(unsigned int family, struct classifier_entry *e);

#define RULES_SHAPES 4
extern const rules_shape_fn rules_shapes[RULES_SHAPES];

/* @n entries; several share a priority, and then the rule. Some are there twice. */
struct classifier_entry *rules_entries_make(unsigned int family, rules_shape_fn shape, size_t n);

/* A key that the entry matches, or barely does not. */
struct classifier_key rules_key_near(unsigned int family, const struct classifier_entry *e);

#endif
