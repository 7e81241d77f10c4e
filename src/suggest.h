/* SPDX-License-Identifier: Apache-2.0 */
/* What was probably meant by a misspelt word. */
#ifndef VISOR_SUGGEST_H
#define VISOR_SUGGEST_H

/* The one of `candidates` (ends with NULL) that `word` is most likely a misspelling of, or NULL
 * where none is near: up to one mistake, and one more for each four letters. any. */
const char *suggest_word(const char *word, const char *const *candidates);

#endif
