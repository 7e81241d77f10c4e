/* SPDX-License-Identifier: Apache-2.0 */
/* What was probably meant by a misspelt word. */
#ifndef VISOR_SUGGEST_H
#define VISOR_SUGGEST_H

/* The one of `candidates` (ends with NULL) that `word` is most likely a misspelling of, or NULL
 * where none is near: up to one mistake, and one more for each four letters. any. */
const char *suggest_word(const char *word, const char *const *candidates);

/* The same among what `next` gives for 0, 1, 2 and so on, up to NULL. any. */
const char *suggest_from(const char *word, const char *(*next)(void *arg, unsigned i), void *arg);

#endif
