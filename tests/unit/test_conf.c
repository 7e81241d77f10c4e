/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration language: structs filled by tables, their defaults, their mistakes, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf_impl.h"

struct inner {
	struct conf_where where;
	const char *name;
	int64_t weight;
};

struct limits {
	struct conf_where where;
	int64_t rate;
	bool hard;
};

/* Members of odd sizes between the others, so that a wrong offset or width is seen. */
struct sample {
	struct conf_where where;
	char guard0;
	bool on;
	char guard1;
	int64_t count;
	const char *text;
	char guard2;
	int colour;
	char guard3;
	struct ip_addr address;
	char guard4;
	struct conf_prefix prefix;
	char guard5;
	struct conf_ints ints;
	struct conf_strings strings;
	struct limits limits;
	struct conf_list list;
	char guard6;
};

static const char *const colours[] = { "red", "green", "blue", NULL };

static const struct conf_key inner_keys[] = { { .name = "name",
						.type = CONF_NAME,
						.offset = offsetof(struct inner, name),
						.required = true,
						.unique = true,
						.doc = "its name" },
					      { .name = "weight",
						.type = CONF_INT,
						.offset = offsetof(struct inner, weight),
						.min = 1,
						.max = 100,
						.dflt = "10",
						.doc = "its weight" },
					      { 0 } };
static const struct conf_schema inner_schema = { "inner", sizeof(struct inner), inner_keys };

static const struct conf_key limits_keys[] = { { .name = "rate",
						 .type = CONF_INT,
						 .offset = offsetof(struct limits, rate),
						 .min = -5,
						 .max = INT64_MAX,
						 .dflt = "-5",
						 .unit = "bytes",
						 .doc = "most" },
					       { .name = "hard",
						 .type = CONF_BOOL,
						 .offset = offsetof(struct limits, hard),
						 .dflt = "true",
						 .doc = "no more than that" },
					       { 0 } };
static const struct conf_schema limits_schema = { "limits", sizeof(struct limits), limits_keys };

static const struct conf_key sample_keys[] = {
	{ .name = "on", .type = CONF_BOOL, .offset = offsetof(struct sample, on), .dflt = "true" },
	{ .name = "count",
	  .type = CONF_INT,
	  .offset = offsetof(struct sample, count),
	  .max = INT64_MAX,
	  .dflt = "5000000000" },
	{ .name = "text", .type = CONF_STRING, .offset = offsetof(struct sample, text), .max = 8 },
	{ .name = "colour",
	  .type = CONF_ENUM,
	  .offset = offsetof(struct sample, colour),
	  .choices = colours,
	  .dflt = "green" },
	{ .name = "address",
	  .type = CONF_ADDRESS,
	  .offset = offsetof(struct sample, address),
	  .dflt = "192.0.2.7" },
	{ .name = "prefix",
	  .type = CONF_PREFIX,
	  .offset = offsetof(struct sample, prefix),
	  .dflt = "2001:db8::/32" },
	{ .name = "ints",
	  .type = CONF_INTS,
	  .offset = offsetof(struct sample, ints),
	  .min = -9,
	  .max = 9,
	  .dflt = "1, -2, 3" },
	{ .name = "strings",
	  .type = CONF_STRINGS,
	  .offset = offsetof(struct sample, strings),
	  .max = 3,
	  .dflt = "a, b" },
	{ .name = "limits",
	  .type = CONF_GROUP,
	  .offset = offsetof(struct sample, limits),
	  .sub = &limits_schema },
	{ .name = "list",
	  .type = CONF_LIST,
	  .offset = offsetof(struct sample, list),
	  .max = 3,
	  .sub = &inner_schema },
	{ 0 }
};
static const struct conf_schema sample_schema = { "sample", sizeof(struct sample), sample_keys };

static const char everything[] =
	"on = false; count = 9223372036854775807; text = \"a\\\"b\\\\\\n\"; colour = \"blue\";"
	"address = \"2001:db8::1\"; prefix = \"10.0.0.0/8\"; ints = [ -9, 0, 9 ];"
	"strings = [ \"x\", \"y y\" ]; limits = { rate = 7; hard = false; };"
	"list = ( { name = \"one\"; }, { name = \"two\"; weight = 3; } );";

static struct sample *parse(const char *text)
{
	struct conf_errors *errors = conf_errors_new();
	struct sample *sample = conf_struct_parse(&sample_schema, text, errors);

	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		print_message("%s\n", conf_errors_get(errors, i));
	assert_int_equal(conf_errors_count(errors), 0);
	assert_non_null(sample);
	conf_errors_free(errors);
	return sample;
}

/* The text is refused with exactly one mistake. */
static void assert_refused(const char *text, const char *message)
{
	struct conf_errors *errors = conf_errors_new();

	assert_null(conf_struct_parse(&sample_schema, text, errors));
	assert_non_null(conf_errors_get(errors, 0));
	assert_string_equal(conf_errors_get(errors, 0), message);
	assert_int_equal(conf_errors_count(errors), 1);
	assert_null(conf_errors_get(errors, 1));
	conf_errors_free(errors);
}

static void assert_guards(const struct sample *s)
{
	assert_int_equal(s->guard0 | s->guard1 | s->guard2 | s->guard3 | s->guard4 | s->guard5 |
				 s->guard6,
			 0);
}

static const struct inner *inner(const struct sample *s, unsigned i)
{
	return (const struct inner *)s->list.item + i;
}

static void what_is_left_out_has_its_default(void **state)
{
	struct sample *s = parse("");
	char text[CONF_VALUE_TEXT];

	assert_true(s->on);
	assert_int_equal(s->count, 5000000000);
	assert_null(s->text);
	assert_int_equal(s->colour, 1);
	assert_string_equal(conf_address_text(&s->address, text), "192.0.2.7");
	assert_string_equal(conf_prefix_text(&s->prefix, text), "2001:db8::/32");
	assert_int_equal(s->ints.n, 3);
	assert_int_equal(s->ints.value[1], -2);
	assert_int_equal(s->strings.n, 2);
	assert_string_equal(s->strings.value[1], "b");
	assert_int_equal(s->limits.rate, -5);
	assert_true(s->limits.hard);
	assert_null(s->limits.where.file);
	assert_int_equal(s->list.n, 0);
	assert_guards(s);
	conf_struct_free(s);
}

static void every_type_fills_its_member(void **state)
{
	struct sample *s = parse(everything);
	char text[CONF_VALUE_TEXT];

	assert_false(s->on);
	assert_int_equal(s->count, INT64_MAX);
	assert_string_equal(s->text, "a\"b\\\n");
	assert_int_equal(s->colour, 2);
	assert_int_equal(s->address.family, 6);
	assert_string_equal(conf_address_text(&s->address, text), "2001:db8::1");
	assert_int_equal(s->prefix.addr.family, 4);
	assert_int_equal(s->prefix.len, 8);
	assert_string_equal(conf_prefix_text(&s->prefix, text), "10.0.0.0/8");
	assert_int_equal(s->ints.n, 3);
	assert_int_equal(s->ints.value[0], -9);
	assert_int_equal(s->ints.value[2], 9);
	assert_string_equal(s->strings.value[1], "y y");
	assert_int_equal(s->limits.rate, 7);
	assert_false(s->limits.hard);
	assert_int_equal(s->limits.where.line, 1);
	assert_int_equal(s->list.n, 2);
	assert_string_equal(inner(s, 0)->name, "one");
	assert_int_equal(inner(s, 0)->weight, 10);
	assert_int_equal(inner(s, 1)->weight, 3);
	assert_guards(s);
	conf_struct_free(s);
}

static void a_default_is_replaced_as_a_whole(void **state)
{
	struct sample *s = parse("ints = 4; strings = [ ]; limits = { };");

	assert_int_equal(s->ints.n, 1);
	assert_int_equal(s->ints.value[0], 4);
	assert_int_equal(s->strings.n, 0);
	assert_int_equal(s->limits.rate, -5);
	conf_struct_free(s);
}

static void one_group_stands_for_a_list(void **state)
{
	struct sample *s = parse("list = { name = \"only\"; };");

	assert_int_equal(s->list.n, 1);
	assert_string_equal(inner(s, 0)->name, "only");
	conf_struct_free(s);
}

static void an_address_is_kept_with_its_family(void **state)
{
	struct sample *s = parse("address = \"198.51.100.255\"; prefix = \"::1\";");
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 198, 51, 100, 255 };

	assert_int_equal(s->address.family, 4);
	assert_memory_equal(&s->address.addr, mapped, 16);
	assert_int_equal(s->prefix.addr.family, 6);
	assert_int_equal(s->prefix.len, 128);
	conf_struct_free(s);
}

static void a_prefix_may_have_any_length(void **state)
{
	struct conf_prefix prefix;
	char text[CONF_VALUE_TEXT], back[CONF_VALUE_TEXT];
	bool host_bits;

	for (unsigned len = 0; len <= 128; len++) {
		snprintf(text, sizeof(text), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/%u", len);
		assert_true(conf_prefix_parse(text, &prefix, &host_bits));
		assert_int_equal(host_bits, len < 128);
		assert_int_equal(prefix.len, len);
		conf_prefix_text(&prefix, back);
		assert_true(conf_prefix_parse(back, &prefix, &host_bits));
		assert_false(host_bits);
	}
	for (unsigned len = 0; len <= 32; len++) {
		snprintf(text, sizeof(text), "255.255.255.255/%u", len);
		assert_true(conf_prefix_parse(text, &prefix, &host_bits));
		assert_int_equal(host_bits, len < 32);
		for (unsigned bit = 0; bit < 32; bit++)
			assert_int_equal(prefix.addr.addr.s6_addr[12 + bit / 8] >> (7 - bit % 8) &
						 1,
					 bit < len);
		assert_int_equal(prefix.addr.addr.s6_addr[11], 0xff);
	}
	assert_false(conf_prefix_parse("10.0.0.0/33", &prefix, &host_bits));
	assert_false(conf_prefix_parse("::/129", &prefix, &host_bits));
	assert_false(conf_prefix_parse("::/", &prefix, &host_bits));
	assert_false(conf_prefix_parse("/8", &prefix, &host_bits));
	assert_false(conf_prefix_parse("", &prefix, &host_bits));
	assert_false(conf_prefix_parse("::/99999999999999999999", &prefix, &host_bits));
}

static void a_name_has_1_to_31_letters(void **state)
{
	assert_true(conf_name_valid("a"));
	assert_true(conf_name_valid("Az09_.-"));
	assert_true(conf_name_valid("1234567890123456789012345678901"));
	assert_false(conf_name_valid("12345678901234567890123456789012"));
	assert_false(conf_name_valid(""));
	assert_false(conf_name_valid("a:b"));
	assert_false(conf_name_valid("a b"));
	assert_false(conf_name_valid("\xc3\xa4"));
}

static void mistakes_name_place_value_and_expectation(void **state)
{
	assert_refused("\n\non = 1;",
		       "sample:3: sample: on = 1: expected true or false, found an integer");
	assert_refused("text = \"123456789\";",
		       "sample:1: sample: text = \"123456789\": expected at most 8 bytes, found 9");
	assert_refused("limits = { rate = -6; };",
		       "sample:1: limits: rate = -6: expected -5 to 9223372036854775807 bytes");
	assert_refused("ints = [ 1,\n2,\n10 ];", "sample:3: sample: ints = 10: expected -9 to 9");
	assert_refused("strings = [ \"a\", \"b\", \"c\", \"d\" ];",
		       "sample:1: sample: strings = [ … ]: expected at most 3 values, found 4");
	assert_refused("colour = \"gren\";",
		       "sample:1: sample: colour = \"gren\": expected \"red\", "
		       "\"green\" or \"blue\"; did you mean \"green\"?");
	assert_refused("list = ( { name = \"a\"; },\n{ name = \"a\"; } );",
		       "sample:2: inner \"a\": another inner has this name already, on line 1");
	assert_refused("list = ( { weight = 2; } );",
		       "sample:1: inner: \"name\" is missing: its name");
	assert_refused("list = ( { name = \"a\"; wieght = 2; } );",
		       "sample:1: unknown key \"wieght\" in inner \"a\"; did you mean \"weight\"?");
	assert_refused("list = ( { nmae = \"a\"; } );",
		       "sample:1: unknown key \"nmae\" in inner; did you mean \"name\"?");
}

/* libconfig notes the line of the token behind a string, where that is not corrected. */
static void strings_of_arrays_have_their_own_lines(void **state)
{
	assert_refused("strings = [\n\"a\",\n\"\"\n\n]\n;",
		       "sample:3: sample: strings = \"\": expected a value, found an empty string");
	assert_refused("strings = [\n\"\"\n\n,\"b\"\n]\n;",
		       "sample:2: sample: strings = \"\": expected a value, found an empty string");
	assert_refused("strings = [\n\"\" # a comment\n/* and\nanother */ ,\n]\n;",
		       "sample:2: sample: strings = \"\": expected a value, found an empty string");
}

static void all_mistakes_come_in_the_order_of_lines(void **state)
{
	struct conf_errors *errors = conf_errors_new();

	assert_null(
		conf_struct_parse(&sample_schema,
				  "colour = \"x\";\nlist = ( { },\n { name = \"\"; } );\nno = 1;\n"
				  "on = \"yes\";",
				  errors));
	assert_int_equal(conf_errors_count(errors), 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(atoi(conf_errors_get(errors, i) + strlen("sample:")), i + 1);
	conf_errors_free(errors);
}

static void errors_are_sorted_by_file_then_line(void **state)
{
	struct conf_errors *errors = conf_errors_new();
	struct conf_where a = { "a", 5 }, b = { "b", 1 }, early = { "a", 2 }, whole = { "b", 0 };

	conf_error(errors, &a, "%s", "second");
	conf_error(errors, &b, "%s", "fifth");
	conf_error(errors, &early, "%s", "first");
	conf_error(errors, &a, "%s", "third");
	conf_error(errors, &whole, "%s", "fourth");
	assert_string_equal(conf_errors_get(errors, 0), "a:2: first");
	assert_string_equal(conf_errors_get(errors, 1), "a:5: second");
	assert_string_equal(conf_errors_get(errors, 2), "a:5: third");
	assert_string_equal(conf_errors_get(errors, 3), "b: fourth");
	assert_string_equal(conf_errors_get(errors, 4), "b:1: fifth");
	conf_errors_free(errors);
}

static void messages_are_one_line_of_utf8(void **state)
{
	struct conf_errors *errors = conf_errors_new();

	conf_error(errors, NULL, "%s", "a\nb\x1b[2J\x7f");
	conf_error(errors, NULL, "%s", "\xc3\xa4 \xe2\x80\xa6 \xf0\x9f\x90\x9f");
	conf_error(errors, NULL, "%s", "\xe4 \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x80");
	assert_string_equal(conf_errors_get(errors, 0), "a?b?[2J?");
	assert_string_equal(conf_errors_get(errors, 1), "\xc3\xa4 \xe2\x80\xa6 \xf0\x9f\x90\x9f");
	assert_string_equal(conf_errors_get(errors, 2), "? ?? ??? ???? ??");
	conf_errors_free(errors);
}

static void a_rule_can_name_the_line_of_a_key(void **state)
{
	struct conf_errors *errors = conf_errors_new();
	struct conf_arena *arena = conf_arena_new();
	struct sample *s = conf_arena_alloc(arena, sizeof(*s));
	struct conf_text text;

	assert_true(conf_text_set(&text, "f", "\ncount = 1;\nints = [ 1,\n2 ];", arena, errors));
	assert_true(conf_text_read(&text, &sample_schema, s, arena, errors));
	conf_error_at(errors, &s->where, &s->count, "count");
	conf_error_at(errors, &s->where, &s->ints.value[1], "element");
	conf_error_at(errors, &s->where, &s->text, "default");
	assert_string_equal(conf_errors_get(errors, 0), "f:1: default");
	assert_string_equal(conf_errors_get(errors, 1), "f:2: count");
	assert_string_equal(conf_errors_get(errors, 2), "f:4: element");
	conf_text_free(&text);
	conf_arena_free(arena);
	conf_errors_free(errors);
}

static char *print(const struct sample *s)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	conf_struct_print(out, &sample_schema, s, 0);
	fclose(out);
	return text;
}

static void what_is_printed_reads_to_the_same(void **state)
{
	static const char *const texts[] = { "", everything, "ints = [ ]; strings = [ ];" };

	for (unsigned i = 0; i < 3; i++) {
		struct sample *s = parse(texts[i]), *again;
		char *text = print(s);

		again = parse(text);
		assert_null(conf_changed_key(&sample_schema, s, again));
		free(text);
		conf_struct_free(again);
		conf_struct_free(s);
	}
}

static void json_has_every_value(void **state)
{
	struct sample *s = parse(everything);
	json_t *json = conf_struct_json(&sample_schema, s);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_string_equal(
		text,
		"{\"on\":false,\"count\":9223372036854775807,\"text\":\"a\\\"b\\\\\\n\","
		"\"colour\":\"blue\",\"address\":\"2001:db8::1\",\"prefix\":\"10.0.0.0/8\","
		"\"ints\":[-9,0,9],\"strings\":[\"x\",\"y y\"],"
		"\"limits\":{\"rate\":7,\"hard\":false},"
		"\"list\":[{\"name\":\"one\",\"weight\":10},{\"name\":\"two\",\"weight\":3}]}");
	free(text);
	json_decref(json);
	conf_struct_free(s);
}

static void json_takes_strings_that_are_not_utf8(void **state)
{
	struct sample *s = parse("text = \"w\\xe4n\";");
	json_t *json = conf_struct_json(&sample_schema, s);

	assert_string_equal(json_string_value(json_object_get(json, "text")), "w?n");
	json_decref(json);
	conf_struct_free(s);
}

/* One change for each key, against the same text without it. */
static void a_change_of_any_key_is_seen(void **state)
{
	static const struct {
		const char *key, *text;
	} changes[] = {
		{ "on", "on = false;" },
		{ "count", "count = 4;" },
		{ "text", "text = \"a\";" },
		{ "colour", "colour = \"red\";" },
		{ "address", "address = \"192.0.2.8\";" },
		{ "address", "address = \"::c000:207\";" },
		{ "prefix", "prefix = \"2001:db8::/33\";" },
		{ "ints", "ints = [ 1, -2, 4 ];" },
		{ "ints", "ints = [ 1, -2 ];" },
		{ "strings", "strings = [ \"a\", \"c\" ];" },
		{ "strings", "strings = \"a\";" },
		{ "limits", "limits = { hard = false; };" },
		{ "list", "list = { name = \"a\"; };" },
	};
	struct sample *base = parse("\n\n"), *other = parse("");

	assert_true(conf_equal(&sample_schema, base, other));
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct sample *changed = parse(changes[i].text);
		const char *key = conf_changed_key(&sample_schema, base, changed);

		assert_non_null(key);
		assert_string_equal(key, changes[i].key);
		assert_false(conf_equal(&sample_schema, changed, base));
		conf_struct_free(changed);
	}
	conf_struct_free(other);
	conf_struct_free(base);
}

static void the_item_of_a_list_counts_in_a_comparison(void **state)
{
	struct sample *a = parse("list = ( { name = \"a\"; }, { name = \"b\"; } );");
	struct sample *b = parse("list = ( { name = \"a\"; }, { name = \"b\"; weight = 11; } );");

	assert_string_equal(conf_changed_key(&sample_schema, a, b), "list");
	conf_struct_free(a);
	conf_struct_free(b);
}

/* libconfig forgets the string that it was reading when it meets a syntax error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

/* A text with any one byte changed: nothing may crash, and what is refused has a mistake. The
 * sanitizers look on. */
static void damaged_text_is_refused_or_read(void **state)
{
	static const char damage[] = "{}[]()\"\\;,=:#/*@\n 0Lx\x80";
	size_t n = sizeof(everything) - 1;
	char text[sizeof(everything)];

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < sizeof(damage); k++) {
			struct conf_errors *errors = conf_errors_new();
			struct sample *s;

			memcpy(text, everything, sizeof(text));
			text[i] = damage[k];
			s = conf_struct_parse(&sample_schema, text, errors);
			assert_int_equal(s == NULL, conf_errors_count(errors) != 0);
			conf_struct_free(s);
			conf_errors_free(errors);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(every_type_fills_its_member),
		cmocka_unit_test(a_default_is_replaced_as_a_whole),
		cmocka_unit_test(one_group_stands_for_a_list),
		cmocka_unit_test(an_address_is_kept_with_its_family),
		cmocka_unit_test(a_prefix_may_have_any_length),
		cmocka_unit_test(a_name_has_1_to_31_letters),
		cmocka_unit_test(mistakes_name_place_value_and_expectation),
		cmocka_unit_test(strings_of_arrays_have_their_own_lines),
		cmocka_unit_test(all_mistakes_come_in_the_order_of_lines),
		cmocka_unit_test(errors_are_sorted_by_file_then_line),
		cmocka_unit_test(messages_are_one_line_of_utf8),
		cmocka_unit_test(a_rule_can_name_the_line_of_a_key),
		cmocka_unit_test(what_is_printed_reads_to_the_same),
		cmocka_unit_test(json_has_every_value),
		cmocka_unit_test(json_takes_strings_that_are_not_utf8),
		cmocka_unit_test(a_change_of_any_key_is_seen),
		cmocka_unit_test(the_item_of_a_list_counts_in_a_comparison),
		cmocka_unit_test(damaged_text_is_refused_or_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
