/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Suggestions for misspelt words: the restricted Damerau-Levenshtein distance, which counts letters
 * added, left out, changed, or swapped with their neighbour (Damerau, CACM 7(3), 1964). Three rows
 * of the table are enough, because a swap looks back two.
 */
#include "suggest.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define LETTERS 48

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(const char *from, const char *to)
{
	unsigned row[3][LETTERS + 1];
	const size_t n = strlen(from), m = strlen(to);

	if (n > LETTERS || m > LETTERS)
		return UINT_MAX;
	for (unsigned j = 0; j <= m; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= m; j++) {
			now[j] = least(before[j], now[j - 1]) + 1;
			now[j] = least(now[j], before[j - 1] + (from[i - 1] != to[j - 1]));
			if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
				now[j] = least(now[j], earlier[j - 2] + 1);
		}
	}
	return row[n % 3][m];
}

const char *suggest_from(const char *word, const char *(*next)(void *arg, unsigned i), void *arg)
{
	const char *candidate, *best = NULL;
	unsigned nearest = 2 + (unsigned)strlen(word) / 4;

	for (unsigned i = 0; (candidate = next(arg, i)); i++) {
		unsigned d = distance(word, candidate);

		/* Changing every letter turns anything into anything. */
		if (d < nearest && d < strlen(candidate)) {
			nearest = d;
			best = candidate;
		}
	}
	return best;
}

static const char *next_of_array(void *arg, unsigned i)
{
	const char *const *candidates = arg;

	return candidates[i];
}

const char *suggest_word(const char *word, const char *const *candidates)
{
	return suggest_from(word, next_of_array, (void *)candidates);
}
