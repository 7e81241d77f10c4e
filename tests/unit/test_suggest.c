/* SPDX-License-Identifier: Apache-2.0 */
/* What a misspelt word is taken for, and what is too far from everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suggest.h"

static const char *const words[] = { "the", "ports", "routes", "workers", "neighbours", NULL };

static void one_mistake_of_any_kind_is_understood(void **state)
{
	assert_string_equal(suggest_word("port", words), "ports");   /* left out */
	assert_string_equal(suggest_word("pports", words), "ports"); /* added */
	assert_string_equal(suggest_word("parts", words), "ports");  /* changed */
	assert_string_equal(suggest_word("teh", words), "the");	     /* swapped */
	assert_string_equal(suggest_word("hte", words), "the");
	assert_string_equal(suggest_word("neighbors", words), "neighbours");
}

static void longer_words_may_have_more_mistakes(void **state)
{
	assert_string_equal(suggest_word("nieghbors", words), "neighbours");
	assert_null(suggest_word("tah", words));
}

static void what_resembles_nothing_has_no_suggestion(void **state)
{
	char longer[200];

	memset(longer, 'p', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_null(suggest_word("xyzzy", words));
	assert_null(suggest_word("", words));
	assert_null(suggest_word(longer, words));
	assert_null(suggest_word("x", (const char *const[]){ "y", NULL }));
	assert_null(suggest_word("x", (const char *const[]){ NULL }));
}

static void the_nearest_wins(void **state)
{
	assert_string_equal(suggest_word("routs",
					 (const char *const[]){ "roots", "rout", "routs", NULL }),
			    "routs");
	assert_string_equal(suggest_word("porst", (const char *const[]){ "post", "ports", NULL }),
			    "post");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_mistake_of_any_kind_is_understood),
		cmocka_unit_test(longer_words_may_have_more_mistakes),
		cmocka_unit_test(what_resembles_nothing_has_no_suggestion),
		cmocka_unit_test(the_nearest_wins),
	};

	return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}
