/* SPDX-License-Identifier: Apache-2.0 */
/* A whole configuration: functions' sections, chains completed, printed and read again, compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "nf/nf.h"

struct wall_conf {
	struct conf_where where;
	int64_t low, high;
	char odd; /* the name that the engine puts behind must be aligned all the same */
};

static const struct conf_key wall_keys[] = { { .name = "low",
					       .type = CONF_INT,
					       .offset = offsetof(struct wall_conf, low),
					       .max = 100,
					       .dflt = "1",
					       .doc = "from" },
					     { .name = "high",
					       .type = CONF_INT,
					       .offset = offsetof(struct wall_conf, high),
					       .max = 100,
					       .dflt = "9",
					       .doc = "to" },
					     { 0 } };
static const struct conf_schema wall_schema = { "wall", sizeof(struct wall_conf), wall_keys };

static void wall_check(const void *conf, const struct config *config, struct conf_errors *errors)
{
	const struct wall_conf *c = conf;

	if (c->low > c->high)
		conf_error_at(errors, &c->where, &c->high, "wall: high is below low");
}

struct gate_conf {
	struct conf_where where;
	struct ip_addr address;
};

static const struct conf_key gate_keys[] = { { .name = "address",
					       .type = CONF_ADDRESS,
					       .offset = offsetof(struct gate_conf, address),
					       .required = true,
					       .doc = "where it stands" },
					     { 0 } };
static const struct conf_schema gate_schema = { "gate", sizeof(struct gate_conf), gate_keys };

static const struct nf_ops wall = { .abi = NF_ABI,
				    .name = "wall",
				    .doc = "keeps out",
				    .schema = &wall_schema,
				    .check = wall_check };
static const struct nf_ops gate = {
	.abi = NF_ABI, .name = "gate", .doc = "lets in", .schema = &gate_schema
};
static const struct nf_ops plain = { .abi = NF_ABI, .name = "plain", .doc = "has no keys" };
static const struct nf_ops router = { .abi = NF_ABI, .name = "router", .doc = "as the examples" };
static const struct nf_ops guard = {
	.abi = NF_ABI, .name = "guard", .doc = "guards", .guards = true
};
static const struct nf_ops *const functions[] = { &wall, &gate, &plain, &guard, NULL };

#define PORTS                                                 \
	"ports = ( { name = \"wan\"; device = \"eth0\"; },\n" \
	"{ name = \"lan\"; device = \"eth1\"; interfaces = ( { name = \"v\"; vlan = 7; } ); } );\n"

static char path[] = "/tmp/visor-test-XXXXXX";

static struct config *read_with(const char *text, struct conf_errors *errors)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	return conf_read_with(path, functions, errors);
}

static struct config *read_ok(const char *text)
{
	struct conf_errors *errors = conf_errors_new();
	struct config *config = read_with(text, errors);

	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		print_message("%s\n", conf_errors_get(errors, i));
	assert_non_null(config);
	assert_int_equal(conf_errors_count(errors), 0);
	conf_errors_free(errors);
	return config;
}

static void assert_refused(const char *text, const char *message)
{
	struct conf_errors *errors = conf_errors_new();
	char expected[512];

	assert_null(read_with(text, errors));
	snprintf(expected, sizeof(expected), "%s%s", path, message);
	assert_string_equal(conf_errors_get(errors, 0), expected);
	assert_int_equal(conf_errors_count(errors), 1);
	conf_errors_free(errors);
}

static void assert_chain(const struct config *config, unsigned i, const char *const *ports)
{
	const struct chain_config *chain = (const struct chain_config *)config->chains.item + i;
	unsigned n = 0;

	for (; ports[n]; n++) {
		assert_true(n < chain->ports.n);
		assert_string_equal(chain->ports.value[n], ports[n]);
	}
	assert_int_equal(chain->ports.n, n);
}

static void a_chain_without_ports_takes_all(void **state)
{
	struct config *config = read_ok(PORTS "chains = { functions = \"plain\"; };");

	assert_chain(config, 0, (const char *const[]){ "wan", "lan", "v", NULL });
	conf_free(config);
}

static void a_chain_without_ports_takes_what_others_leave(void **state)
{
	struct config *config = read_ok(PORTS "chains = ( { functions = \"plain\"; },"
					      "{ ports = \"lan\"; functions = \"plain\"; } );");

	assert_chain(config, 0, (const char *const[]){ "wan", NULL });
	assert_chain(config, 1, (const char *const[]){ "lan", "v", NULL });
	conf_free(config);
}

static void a_vlan_that_a_chain_names_leaves_its_port(void **state)
{
	struct config *config = read_ok(PORTS "chains = ( { ports = [ \"lan\", \"wan\" ];"
					      "functions = \"plain\"; },"
					      "{ ports = \"v\"; functions = \"plain\"; } );");

	assert_chain(config, 0, (const char *const[]){ "lan", "wan", NULL });
	assert_chain(config, 1, (const char *const[]){ "v", NULL });
	conf_free(config);
}

static void a_function_without_a_section_has_its_defaults(void **state)
{
	struct config *config = read_ok(PORTS "chains = { functions = [ \"wall\", \"plain\" ]; };");
	const struct function_config *f = conf_function(config, "wall");

	assert_int_equal(config->n_functions, 2);
	assert_ptr_equal(f, conf_function(config, "wall:default"));
	assert_ptr_equal(f->ops, &wall);
	assert_string_equal(f->name, "default");
	assert_int_equal(((const struct wall_conf *)f->conf)->high, 9);
	assert_int_equal(((const struct wall_conf *)f->conf)->where.line, 3);
	assert_non_null(conf_function(config, "plain"));
	assert_null(conf_function(config, "gate"));
	assert_null(conf_function(config, "wall:x"));
	assert_null(conf_function(config, "wall:"));
	conf_free(config);
}

/* The instance that is made comes behind those of the section: these must not move or change. */
static void the_default_stands_beside_named_instances(void **state)
{
	struct config *config =
		read_ok(PORTS "wall = ( { name = \"a\"; high = 50; }, { name = \"b\"; low = 4; } );"
			      "chains = { functions = [ \"wall:b\", \"wall\", \"wall:a\" ]; };");
	const struct wall_conf *a = conf_function(config, "wall:a")->conf;
	const struct wall_conf *b = conf_function(config, "wall:b")->conf;
	const struct wall_conf *def = conf_function(config, "wall")->conf;

	assert_int_equal(config->n_functions, 3);
	assert_int_equal(a->high, 50);
	assert_int_equal(b->low, 4);
	assert_int_equal(def->low, 1);
	assert_int_equal(def->high, 9);
	conf_free(config);
}

static void a_section_without_a_name_is_the_default(void **state)
{
	struct config *config = read_ok(PORTS "wall = { high = 50; };\n"
					      "chains = { functions = \"wall:default\"; };");

	assert_int_equal(config->n_functions, 1);
	assert_int_equal(((const struct wall_conf *)conf_function(config, "wall")->conf)->high, 50);
	conf_free(config);
}

static void a_functions_own_rules_are_asked(void **state)
{
	assert_refused(PORTS
		       "wall = { low = 20;\nhigh = 10; };\nchains = { functions = \"wall\"; };",
		       ":4: wall: high is below low");
	assert_refused(PORTS "wall = { low = 20; };\nchains = { functions = \"wall\"; };",
		       ":3: wall: high is below low");
}

/* It would judge values that are not the file's. */
static void a_functions_rules_are_not_asked_about_what_was_refused(void **state)
{
	assert_refused(PORTS
		       "wall = { low = 20; high = 101; };\nchains = { functions = \"wall\"; };",
		       ":3: wall: high = 101: expected 0 to 100");
}

static void a_function_that_needs_a_section_says_so(void **state)
{
	assert_refused(PORTS "chains = {\nfunctions = [ \"plain\",\n\"gate\" ]; };",
		       ":5: gate: \"address\" is missing: where it stands");
}

static void an_instance_in_no_chain_is_a_mistake(void **state)
{
	assert_refused(PORTS
		       "wall = ( { }, { name = \"x\"; } );\nchains = { functions = \"wall\"; };",
		       ":3: wall \"x\": it is in no chain, so that it would do nothing; expected "
		       "\"wall:x\" in the functions of a chain");
}

static void assert_round_trip(struct config *config)
{
	char *text = conf_print(config), *again;
	struct config *reread = read_ok(text);

	again = conf_print(reread);
	assert_string_equal(text, again);
	assert_int_equal(conf_diff(config, reread, NULL, NULL), 0);
	assert_int_equal(config->n_functions, reread->n_functions);
	free(text);
	free(again);
	conf_free(reread);
	conf_free(config);
}

static void what_is_printed_reads_to_the_same(void **state)
{
	assert_round_trip(read_ok(PORTS "chains = { functions = \"plain\"; };"));
	assert_round_trip(read_ok(
		PORTS
		"wall = ( { name = \"a\"; high = 50; }, { low = 4; } );"
		"gate = { address = \"2001:db8::1\"; };"
		"chains = ( { ports = \"v\"; functions = [ \"wall:a\", \"gate\" ]; },"
		"{ functions = \"wall\"; } );"
		"routes = ( { to = \"0.0.0.0/0\"; via = \"fe80::1\"; interface = \"v\"; metric = "
		"4294967295; }, { to = \"10.0.0.0/8\"; type = \"prohibit\"; } );"
		"workers = { cpus = [ 3, 1 ]; poll = \"busy\"; }; log = { level = \"debug\"; };"
		"control = { socket = \"/run/a \\\"b\\\"\"; };"));
}

static int fallback_of(const struct config *config, unsigned port)
{
	return conf_port(config, port)->fallback;
}

/* Of one port, of its VLAN, or of neither; what is written stays. */
static void without_visord_nothing_passes_where_a_guard_would_have_looked(void **state)
{
	struct config *config;

	config = read_ok(PORTS
			 "chains = ( { ports = \"wan\"; functions = [ \"guard\", \"plain\" ]; },"
			 " { functions = \"plain\"; } );");
	assert_int_equal(fallback_of(config, 0), FALLBACK_DROP);
	assert_int_equal(fallback_of(config, 1), FALLBACK_KERNEL);
	conf_free(config);
	config = read_ok(PORTS "chains = ( { ports = \"v\"; functions = \"guard\"; },"
			       " { functions = \"plain\"; } );");
	assert_int_equal(fallback_of(config, 0), FALLBACK_KERNEL);
	assert_int_equal(fallback_of(config, 1), FALLBACK_DROP);
	conf_free(config);
	config = read_ok("ports = ( { name = \"a\"; device = \"eth0\"; fallback = \"kernel\"; },"
			 " { name = \"b\"; device = \"eth1\"; fallback = \"auto\"; } );"
			 "chains = { functions = \"guard\"; };");
	assert_int_equal(fallback_of(config, 0), FALLBACK_KERNEL);
	assert_int_equal(fallback_of(config, 1), FALLBACK_DROP);
	conf_free(config);
}

static void examples_print_and_read_to_the_same(void **state)
{
	static const char *const examples[] = { "config/router.cfg", "config/vlan.cfg",
						"config/static-routes.cfg", "config/full.cfg" };
	static const struct conf_key keys[] = { { .name = "redirects",
						  .type = CONF_BOOL,
						  .offset = offsetof(struct wall_conf, odd),
						  .dflt = "true",
						  .doc = "" },
						{ 0 } };
	static const struct conf_schema schema = { "router", sizeof(struct wall_conf), keys };
	struct nf_ops ops = router;
	const struct nf_ops *const list[] = { &ops, NULL };

	ops.schema = &schema;
	if (access(examples[0], R_OK))
		skip();
	for (unsigned i = 0; i < 4; i++) {
		struct conf_errors *errors = conf_errors_new();
		struct config *config = conf_read_with(examples[i], list, errors), *again;
		char *text;
		FILE *out = fopen(path, "w");

		assert_non_null(config);
		text = conf_print(config);
		fputs(text, out);
		fclose(out);
		again = conf_read_with(path, list, errors);
		assert_non_null(again);
		assert_int_equal(conf_diff(config, again, NULL, NULL), 0);
		free(text);
		conf_free(again);
		conf_free(config);
		conf_errors_free(errors);
	}
}

static void json_holds_functions_and_defaults(void **state)
{
	struct config *config = read_ok(PORTS "chains = { functions = \"wall\"; };");
	json_t *json = conf_json(config), *wall_json = json_object_get(json, "wall");

	assert_string_equal(
		json_string_value(json_object_get(json_array_get(wall_json, 0), "name")),
		"default");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json, "workers"), "burst")), 64);
	assert_int_equal(json_array_size(json_object_get(json, "ports")), 2);
	json_decref(json);
	conf_free(config);
}

struct changes {
	unsigned n;
	char text[16][96];
};

static void note(void *arg, const struct conf_change *c)
{
	static const char kinds[] = "+-~";
	struct changes *changes = arg;

	assert_true(changes->n < 16);
	assert_int_equal(c->before == NULL, c->kind == CONF_ADDED);
	assert_int_equal(c->after == NULL, c->kind == CONF_REMOVED);
	snprintf(changes->text[changes->n++], 96, "%c%s %s%s%s", kinds[c->kind], c->section,
		 c->name ? c->name : "", c->key ? "." : "", c->key ? c->key : "");
}

static void assert_changes(const char *before, const char *after, const char *const *expected)
{
	struct config *a = read_ok(before), *b = read_ok(after);
	struct changes changes = { 0 };
	int count = conf_diff(a, b, note, &changes);
	unsigned n = 0;

	assert_int_equal(count, changes.n);
	for (; expected[n]; n++) {
		assert_true(n < changes.n);
		assert_string_equal(changes.text[n], expected[n]);
	}
	assert_int_equal(changes.n, n);
	conf_free(a);
	conf_free(b);
}

#define CHAIN "chains = { functions = [ \"wall\" ]; };"

static void what_changed_is_named(void **state)
{
	assert_changes(PORTS CHAIN, "\n" PORTS CHAIN, (const char *const[]){ NULL });
	assert_changes(PORTS CHAIN,
		       "ports = ( { name = \"lan\"; device = \"eth1\"; queues = 2; spread = true;"
		       "interfaces = { name = \"v\"; vlan = 7; }; },"
		       "{ name = \"dmz\"; device = \"eth2\"; } );" CHAIN,
		       (const char *const[]){ "-ports wan", "~ports lan.queues",
					      "~ports lan.spread", "+ports dmz",
					      "-chains wan, lan, v", "+chains lan, v, dmz", NULL });
	assert_changes(PORTS CHAIN "workers = { poll = \"busy\"; };",
		       PORTS CHAIN "workers = { burst = 32; spin_us = 0; };",
		       (const char *const[]){ "~workers .poll", "~workers .burst",
					      "~workers .spin_us", NULL });
}

static void changed_functions_are_named_by_instance(void **state)
{
	assert_changes(PORTS CHAIN "wall = { low = 2; };",
		       PORTS "chains = { functions = [ \"wall\", \"wall:a\" ]; };"
			     "wall = ( { name = \"a\"; }, { low = 3; } );",
		       (const char *const[]){ "-chains wan, lan, v", "+chains wan, lan, v",
					      "~wall default.low", "+wall a", NULL });
}

#define ROUTE(to, via) "{ to = \"" to "\"; via = \"" via "\"; }"

static void routes_are_compared_without_their_order(void **state)
{
	assert_changes(
		PORTS CHAIN "routes = ( " ROUTE("10.1.0.0/16", "192.0.2.1") ", " ROUTE(
			"10.2.0.0/16", "192.0.2.1") ", " ROUTE("10.3.0.0/16", "192.0.2.1") ");",
		PORTS CHAIN "routes = ( " ROUTE("10.3.0.0/16", "192.0.2.1") ", " ROUTE(
			"10.1.0.0/16", "192.0.2.1") ", " ROUTE("10.2.0.0/16", "192.0.2.2") ");",
		(const char *const[]){ "-routes 10.2.0.0/16", "+routes 10.2.0.0/16", NULL });
}

static void tables_have_numbers_and_names(void **state)
{
	uint32_t number;

	assert_int_equal(conf_table_number("main", &number), 0);
	assert_int_equal(number, 254);
	assert_int_equal(conf_table_number("local", &number), 0);
	assert_int_equal(number, 255);
	assert_int_equal(conf_table_number("default", &number), 0);
	assert_int_equal(number, 253);
	assert_int_equal(conf_table_number("4294967295", &number), 0);
	assert_int_equal(number, UINT32_MAX);
	assert_int_equal(conf_table_number("0x10", &number), 0);
	assert_int_equal(number, 16);
	assert_int_not_equal(conf_table_number("0", &number), 0);
	assert_int_not_equal(conf_table_number("4294967296", &number), 0);
	assert_int_not_equal(conf_table_number("-1", &number), 0);
	assert_int_not_equal(conf_table_number("", &number), 0);
	assert_int_not_equal(conf_table_number("no-such-table", &number), 0);
}

static void the_reference_has_every_key(void **state)
{
	char *text = conf_reference_with(functions, false);
	char *troff = conf_reference_with(functions, true);

	for (const struct conf_key *key = conf_file_schema.keys; key->name; key++) {
		for (const struct conf_key *sub = key->sub->keys; sub->name; sub++) {
			char line[64];

			snprintf(line, sizeof(line), "\n    %s = ", sub->name);
			assert_non_null(strstr(text, line));
			snprintf(line, sizeof(line), "\n.B \"%s = ", sub->name);
			assert_non_null(strstr(troff, line));
			assert_non_null(sub->doc);
		}
	}
	assert_non_null(strstr(text, "\nwall = ( { ... }, ... );\n    keeps out.\n"));
	assert_non_null(strstr(text, "    high = NUMBER;\n        to (0 to 100; default 9).\n"));
	free(text);
	free(troff);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_without_ports_takes_all),
		cmocka_unit_test(a_chain_without_ports_takes_what_others_leave),
		cmocka_unit_test(a_vlan_that_a_chain_names_leaves_its_port),
		cmocka_unit_test(a_function_without_a_section_has_its_defaults),
		cmocka_unit_test(the_default_stands_beside_named_instances),
		cmocka_unit_test(a_section_without_a_name_is_the_default),
		cmocka_unit_test(a_functions_own_rules_are_asked),
		cmocka_unit_test(a_functions_rules_are_not_asked_about_what_was_refused),
		cmocka_unit_test(a_function_that_needs_a_section_says_so),
		cmocka_unit_test(an_instance_in_no_chain_is_a_mistake),
		cmocka_unit_test(what_is_printed_reads_to_the_same),
		cmocka_unit_test(without_visord_nothing_passes_where_a_guard_would_have_looked),
		cmocka_unit_test(examples_print_and_read_to_the_same),
		cmocka_unit_test(json_holds_functions_and_defaults),
		cmocka_unit_test(what_changed_is_named),
		cmocka_unit_test(changed_functions_are_named_by_instance),
		cmocka_unit_test(routes_are_compared_without_their_order),
		cmocka_unit_test(tables_have_numbers_and_names),
		cmocka_unit_test(the_reference_has_every_key),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
