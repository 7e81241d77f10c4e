/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up in a classifier's tree. */
#ifndef FIREWALL_CLASSIFIER_SEARCH_H
#define FIREWALL_CLASSIFIER_SEARCH_H

#include "classifier_tree.h"

/* As classifier_lookup(). *worker, control* */
typedef void classifier_search_fn(const struct classifier_tree *t, const struct classifier_key *key,
				  const uint32_t *from, struct classifier_match *match,
				  unsigned int n);

enum classifier_cpu { CLASSIFIER_CPU_ANY, CLASSIFIER_CPU_AVX2, CLASSIFIER_CPU_AVX512 };

/* Tests lower it to reach what this processor would not choose. Before classifier_new(). *control* */
extern enum classifier_cpu classifier_cpu_limit;

/* The fastest for a family on this processor, within the limit. *any* */
classifier_search_fn *classifier_search_best(unsigned int family);

/* classifier_search_avx512.c */
bool classifier_search_has_avx512(void);
classifier_search_fn classifier_search4_avx512, classifier_search6_avx512;

#endif
