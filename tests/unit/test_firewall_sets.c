/* SPDX-License-Identifier: Apache-2.0 */
/* Sets at run time: edits, times, files, what a reload keeps. Through the commands of visorctl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants those above */
#include <cmocka.h>

#include "src/clock.h"
#include "src/flow_policy.h"
#include "support_firewall.h"
#include "support_packet.h"

#define RULES "rules = ( { from = \"@s\"; action = \"accept\"; } );"

static const struct nf_command *command(const struct wall *wall, const char *name)
{
	const struct nf_command *c = wall->nf.ops->commands;

	while (strcmp(c->name, name))
		c++;
	return c;
}

/* The value of `key` in the answer, -1 where the command failed. */
static json_int_t run(struct wall *wall, const char *name, const char *entry, int timeout,
		      const char *key)
{
	json_t *args = json_pack("{s:s,s:[s]}", "set", "s", "entries", entry), *result;
	char *error = NULL;
	json_int_t value;

	if (timeout >= 0)
		json_object_set_new(args, "timeout", json_integer(timeout));
	result = command(wall, name)->run(&wall->nf, args, &error);
	assert_true((result != NULL) != (error != NULL));
	value = result ? json_integer_value(json_object_get(result, key)) : -1;
	json_decref(result);
	json_decref(args);
	free(error);
	return value;
}

static bool add(struct wall *wall, const char *entry, int timeout)
{
	json_int_t changed = run(wall, "set add", entry, timeout, "changed");

	assert_int_not_equal(changed, -1);
	return changed;
}

static bool del(struct wall *wall, const char *entry)
{
	json_int_t changed = run(wall, "set del", entry, -1, "changed");

	assert_int_not_equal(changed, -1);
	return changed;
}

static bool has(struct wall *wall, const char *from)
{
	const struct asked ask = {
		.probe = { .from = from, .to = strchr(from, ':') ? "2001:db8::7" : "198.51.100.7" },
		.iface = LAN
	};

	return !wall_ask(wall, &ask);
}

static void entries_come_and_go_and_flows_ask_again(void **state)
{
	struct wall *wall =
		wall_new("sets = ( { name = \"s\"; addresses = \"10.0.0.0/28\"; } ); " RULES);
	uint32_t generation = flow_policy_generation();

	assert_true(has(wall, "10.0.0.5"));
	assert_false(has(wall, "10.0.0.77"));
	assert_true(add(wall, "10.0.0.77", -1));
	assert_true(has(wall, "10.0.0.77"));
	assert_int_not_equal(flow_policy_generation(), generation);
	generation = flow_policy_generation();
	assert_false(add(wall, "10.0.0.77", -1)); /* it is there: nothing has changed */
	assert_int_equal(flow_policy_generation(), generation);
	assert_true(add(wall, "2001:db8:1::/64", -1));
	assert_true(has(wall, "2001:db8:1::5"));
	assert_true(add(wall, "10.0.0.80-10.0.0.83", -1));
	assert_true(has(wall, "10.0.0.83"));
	assert_false(has(wall, "10.0.0.84"));
	assert_true(del(wall, "10.0.0.77"));
	assert_false(has(wall, "10.0.0.77"));
	assert_false(del(wall, "10.0.0.77"));
	assert_true(del(wall, "10.0.0.0/28"));
	assert_false(has(wall, "10.0.0.5"));
	assert_int_equal(run(wall, "set add", "10.0.0.1/28", -1, "changed"), -1);
	assert_int_equal(run(wall, "set add", "80", -1, "changed"), -1);
	assert_int_equal(run(wall, "set flush", "", -1, "changed"), 2);
	assert_false(has(wall, "2001:db8:1::5"));
	wall_free(wall);
	(void)state;
}

static void entries_with_a_time_go_by_themselves(void **state)
{
	struct wall *wall = wall_new("sets = ( { name = \"s\"; timeout = 3600; } ); " RULES);
	const uint64_t now = clock_now_ns();
	char entry[32];

	assert_true(add(wall, "10.0.0.1", -1)); /* the set's time */
	assert_true(add(wall, "10.0.0.2", 0));	/* for ever */
	for (unsigned i = 3; i < 60; i++) {	/* in no order */
		snprintf(entry, sizeof(entry), "10.0.0.%u", i);
		assert_true(add(wall, entry, (int)(i * 37 % 57 + 1) * 10));
	}
	assert_true(add(wall, "10.0.0.59", 5000)); /* longer than before */
	assert_true(add(wall, "10.0.0.99", 4000));
	assert_true(add(wall, "10.0.0.99", 1)); /* and shorter */
	wall->nf.ops->tick(&wall->nf, now + 5 * SECOND_NS);
	assert_false(has(wall, "10.0.0.99"));
	assert_true(has(wall, "10.0.0.3"));
	wall->nf.ops->tick(&wall->nf, now + 300 * SECOND_NS);
	for (unsigned i = 3; i < 59; i++) {
		snprintf(entry, sizeof(entry), "10.0.0.%u", i);
		assert_int_equal(has(wall, entry), (i * 37 % 57 + 1) * 10 > 299);
	}
	wall->nf.ops->tick(&wall->nf, now + 3500 * SECOND_NS);
	assert_true(has(wall, "10.0.0.1"));
	wall->nf.ops->tick(&wall->nf, now + 3700 * SECOND_NS);
	assert_false(has(wall, "10.0.0.1"));
	assert_true(has(wall, "10.0.0.2"));
	assert_true(has(wall, "10.0.0.59"));
	wall->nf.ops->tick(&wall->nf, now + 6000 * SECOND_NS);
	assert_false(has(wall, "10.0.0.59"));
	wall_free(wall);
	(void)state;
}

static void a_time_can_be_taken_back(void **state)
{
	struct wall *wall = wall_new("sets = ( { name = \"s\"; } ); " RULES);
	const uint64_t now = clock_now_ns();

	assert_true(add(wall, "10.0.0.1", 10));
	assert_true(add(wall, "10.0.0.1", 0));
	assert_true(add(wall, "10.0.0.2", 10));
	assert_true(del(wall, "10.0.0.2"));
	assert_true(add(wall, "10.0.0.2", 0));
	wall->nf.ops->tick(&wall->nf, now + 100 * SECOND_NS);
	assert_true(has(wall, "10.0.0.1"));
	assert_true(has(wall, "10.0.0.2"));
	wall_free(wall);
	(void)state;
}

static void what_was_added_stays_over_a_reload(void **state)
{
	static const char same[] =
		"sets = ( { name = \"s\"; addresses = [ \"10.0.0.1\", \"10.0.0.2\" ]; } );";
	static const char other[] = "sets = ( { name = \"s\"; addresses = \"10.0.0.1\"; } );";
	struct wall *wall = wall_new("%s " RULES, same);
	const uint64_t now = clock_now_ns();

	assert_true(add(wall, "10.0.0.3", 0));
	assert_true(add(wall, "10.0.0.4", 100));
	assert_true(del(wall, "10.0.0.1"));
	wall_reload(wall, "%s log = true; " RULES, same);
	assert_false(has(wall, "10.0.0.1"));
	assert_true(has(wall, "10.0.0.2"));
	assert_true(has(wall, "10.0.0.3"));
	wall_reload(wall, "%s " RULES, other);
	assert_true(has(wall, "10.0.0.1")); /* defined anew */
	assert_false(has(wall, "10.0.0.2"));
	assert_true(has(wall, "10.0.0.3"));
	assert_true(has(wall, "10.0.0.4"));
	wall->nf.ops->tick(&wall->nf, now + 200 * SECOND_NS);
	assert_false(has(wall, "10.0.0.4"));
	wall_free(wall);
	(void)state;
}

/* Where an entry is from, as `set list` has it. */
static const char *origin(struct wall *wall, const char *entry)
{
	json_t *args = json_pack("{s:s}", "set", "s"), *result, *item;
	const char *found = "nowhere";
	char *error = NULL;
	size_t i;

	result = command(wall, "set list")->run(&wall->nf, args, &error);
	json_array_foreach (json_object_get(result, "entries"), i, item)
		if (!strcmp(json_string_value(json_object_get(item, "entry")), entry))
			found = strcmp(json_string_value(json_object_get(item, "origin")),
				       "configuration") ?
					"added" :
					"configuration";
	json_decref(result);
	json_decref(args);
	return found;
}

static void an_entry_that_is_configured_later_does_not_end(void **state)
{
	struct wall *wall = wall_new("sets = ( { name = \"s\"; } ); " RULES);
	const uint64_t now = clock_now_ns();

	assert_true(add(wall, "10.0.0.1", 100));
	assert_string_equal(origin(wall, "10.0.0.1"), "added");
	wall_reload(wall, "sets = ( { name = \"s\"; addresses = \"10.0.0.1\"; } ); " RULES);
	assert_string_equal(origin(wall, "10.0.0.1"), "configuration");
	wall->nf.ops->tick(&wall->nf, now + 200 * SECOND_NS);
	assert_true(has(wall, "10.0.0.1"));
	assert_false(add(wall, "10.0.0.1", 100)); /* nor can it be given a time */
	wall->nf.ops->tick(&wall->nf, now + 400 * SECOND_NS);
	assert_true(has(wall, "10.0.0.1"));
	wall_free(wall);
	(void)state;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void a_file_is_read_and_read_again_when_it_has_changed(void **state)
{
	char path[] = "/tmp/visor-test-XXXXXX";
	int fd = mkstemp(path);
	struct wall *wall;

	close(fd);
	write_file(path,
		   "# bad ones\n\n 10.0.0.1 # with a reason\n10.0.0.16/28\r\n2001:db8:1::/64\n"
		   "10.0.0.40-10.0.0.41");
	wall = wall_new("sets = ( { name = \"s\"; file = \"%s\"; } ); " RULES, path);
	assert_true(has(wall, "10.0.0.1"));
	assert_true(has(wall, "10.0.0.31"));
	assert_true(has(wall, "10.0.0.41"));
	assert_true(has(wall, "2001:db8:1::9"));
	assert_false(has(wall, "10.0.0.2"));
	assert_true(add(wall, "10.0.0.3", -1));
	write_file(path, "10.0.0.2\n");
	wall_reload(wall, "sets = ( { name = \"s\"; file = \"%s\"; } ); " RULES, path);
	assert_true(has(wall, "10.0.0.2"));
	assert_true(has(wall, "10.0.0.3"));
	assert_false(has(wall, "10.0.0.1"));
	wall_free(wall);
	unlink(path);
	(void)state;
}

static void sets_of_ports_change_as_well(void **state)
{
	struct wall *wall =
		wall_new("sets = ( { name = \"s\"; ports = [ 80, \"8000-8010\" ]; } ); "
			 "rules = ( { proto = \"tcp\"; dport = \"@s\"; action = \"accept\"; } );");
	struct asked ask = { .probe = { .from = "10.0.0.5",
					.to = "198.51.100.7",
					.protocol = IPPROTO_TCP,
					.dport = 443 },
			     .iface = LAN };

	assert_string_equal(wall_ask(wall, &ask), "default");
	assert_true(add(wall, "440-445", 10));
	assert_null(wall_ask(wall, &ask));
	wall->nf.ops->tick(&wall->nf, clock_now_ns() + 60 * SECOND_NS);
	assert_string_equal(wall_ask(wall, &ask), "default");
	ask.probe.dport = 8005;
	assert_null(wall_ask(wall, &ask));
	assert_true(del(wall, "8005"));
	assert_string_equal(wall_ask(wall, &ask), "default");
	wall_free(wall);
	(void)state;
}

static void a_list_says_where_an_entry_is_from_and_goes_on_by_pages(void **state)
{
	struct wall *wall = wall_new(
		"sets = ( { name = \"s\"; addresses = [ \"10.0.0.0/28\", \"2001:db8::1\" ]; } ); " RULES);
	json_t *args = json_pack("{s:s,s:i}", "set", "s", "limit", 2), *first, *second, *entry;
	char *error = NULL;

	assert_true(add(wall, "10.0.0.77", 100));
	first = command(wall, "set list")->run(&wall->nf, args, &error);
	assert_int_equal(json_integer_value(json_object_get(first, "total")), 3);
	entry = json_array_get(json_object_get(first, "entries"), 0);
	assert_string_equal(json_string_value(json_object_get(entry, "entry")), "10.0.0.0/28");
	assert_string_equal(json_string_value(json_object_get(entry, "origin")), "configuration");
	assert_null(json_object_get(entry, "expires_s"));
	entry = json_array_get(json_object_get(first, "entries"), 1);
	assert_string_equal(json_string_value(json_object_get(entry, "entry")), "10.0.0.77");
	assert_string_equal(json_string_value(json_object_get(entry, "origin")), "run time");
	assert_in_range(json_integer_value(json_object_get(entry, "expires_s")), 90, 100);
	json_object_set(args, "next", json_object_get(first, "next"));
	second = command(wall, "set list")->run(&wall->nf, args, &error);
	entry = json_array_get(json_object_get(second, "entries"), 0);
	assert_string_equal(json_string_value(json_object_get(entry, "entry")), "2001:db8::1");
	assert_true(json_is_null(json_object_get(second, "next")));
	json_decref(first);
	json_decref(second);
	json_decref(args);
	wall_free(wall);
	(void)state;
}

static void a_hundred_thousand_prefixes_of_a_file(void **state)
{
	char path[] = "/tmp/visor-test-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct wall *wall;

	for (unsigned i = 0; i < 100000; i++)
		fprintf(file, "%u.%u.%u.%u/31\n", 11 + (i >> 20), i >> 12 & 255, i >> 4 & 255,
			(i & 15) << 4);
	fclose(file);
	wall = wall_new("sets = ( { name = \"s\"; file = \"%s\"; } ); " RULES, path);
	assert_true(has(wall, "11.0.1.1"));
	assert_false(has(wall, "11.0.1.2"));
	assert_true(has(wall, "11.24.105.241"));
	assert_false(has(wall, "12.0.0.0"));
	wall_free(wall);
	unlink(path);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_come_and_go_and_flows_ask_again),
		cmocka_unit_test(entries_with_a_time_go_by_themselves),
		cmocka_unit_test(a_time_can_be_taken_back),
		cmocka_unit_test(what_was_added_stays_over_a_reload),
		cmocka_unit_test(an_entry_that_is_configured_later_does_not_end),
		cmocka_unit_test(a_file_is_read_and_read_again_when_it_has_changed),
		cmocka_unit_test(sets_of_ports_change_as_well),
		cmocka_unit_test(a_list_says_where_an_entry_is_from_and_goes_on_by_pages),
		cmocka_unit_test(a_hundred_thousand_prefixes_of_a_file),
	};

	return cmocka_run_group_tests_name("firewall sets", tests, wall_start, wall_stop);
}
