/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classifier that is too simple to be wrong: every entry is compared with every key. It is what the
 * tests hold the fast one against. One thread.
 */
#ifndef FIREWALL_CLASSIFIER_LINEAR_H
#define FIREWALL_CLASSIFIER_LINEAR_H

#include "classifier.h"

struct classifier_linear {
	struct classifier_entry *entry;
	size_t n, room;
	unsigned int family;
};

void classifier_linear_init(struct classifier_linear *l, unsigned int family);
void classifier_linear_fini(struct classifier_linear *l);

/* As classifier_add(), classifier_del() and classifier_lookup(). */
int classifier_linear_add(struct classifier_linear *l, const struct classifier_entry *e);
int classifier_linear_del(struct classifier_linear *l, const struct classifier_entry *e);
void classifier_linear_lookup(const struct classifier_linear *l, const struct classifier_key *key,
			      const uint32_t *from, struct classifier_match *match, unsigned int n);

/* Whether the entry matches the key, whatever its priority. *any* */
bool classifier_entry_matches(unsigned int family, const struct classifier_entry *e,
			      const struct classifier_key *key);

/* Whether two entries are equal in every field that counts for the family. *any* */
bool classifier_entry_equal(unsigned int family, const struct classifier_entry *a,
			    const struct classifier_entry *b);

#endif
