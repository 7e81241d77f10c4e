/* SPDX-License-Identifier: Apache-2.0 */
/*
 * visorctl: what its tables look like, which command a line means, and what it says and exits with
 * where there is no good answer. The last part runs the program itself, against a control socket
 * with canned answers.
 */
#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control.h"
#include "ctl/command.h"
#include "ctl/request.h"
#include "ctl/value.h"
#include "ctl/view.h"
#include "log.h"

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

	if (!value)
		fail_msg("%s: %s", error.text, text);
	return value;
}

static void expect_view(view *show, const char *json, struct style style, const char *expected)
{
	json_t *result = parse(json);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	show(result, &style, out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	json_decref(result);
}

static const struct style plain, all = { .all = true }, human = { .human = true };

/* --- tables --- */

static const char ports[] =
	"[{\"name\":\"wan\",\"device\":\"eth0\",\"state\":\"up\",\"reason\":\"\","
	"\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,\"xdp\":\"native, plain\",\"fallback\":\"kernel\","
	"\"rx_packets\":1234567,\"rx_bytes\":98765432,\"tx_packets\":5,\"tx_bytes\":300,\"queues\":["
	"{\"queue\":0,\"worker\":0,\"mode\":\"copy\",\"requested\":\"auto\",\"why\":\"no zero-copy\","
	"\"rx_packets\":1234560,\"rx_bytes\":98765000,\"tx_packets\":5,\"tx_bytes\":300,"
	"\"rx_dropped\":0,\"rx_ring_full\":0,\"fill_ring_empty\":17,\"tx_ring_empty\":3,\"kicks\":9},"
	"{\"queue\":1,\"worker\":1,\"mode\":\"copy\",\"requested\":\"auto\",\"why\":\"no zero-copy\","
	"\"rx_packets\":7,\"rx_bytes\":432,\"tx_packets\":0,\"tx_bytes\":0,\"rx_dropped\":0,"
	"\"rx_ring_full\":0,\"fill_ring_empty\":0,\"kicks\":10}]},"
	"{\"name\":\"lan\",\"device\":\"eth1\",\"state\":\"absent\",\"reason\":\"no such device\"}]";

static void ports_show_trouble_and_why_a_mode_is_not_better(void **state)
{
	expect_view(
		view_ports, ports, plain,
		"PORT  DEVICE  STATE   MAC                 MTU  XDP            FALLBACK  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  REASON\n"
		"wan   eth0    up      02:00:00:00:00:01  1500  native, plain  kernel       1234567  98765432           5       300  -\n"
		"lan   eth1    absent  -                     -  -              -                  -         -           -         -  no such device\n"
		"\n"
		"QUEUE  WORKER  MODE  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  FILL-EMPTY  KICKS\n"
		"wan/0       0  copy     1234560  98765000           5       300          17      9\n"
		"wan/1       1  copy           7       432           0         0           0     10\n"
		"wan/0: copy (auto was asked for): no zero-copy\n");
}

static void human_units_have_three_digits(void **state)
{
	char text[VALUE_TEXT];

	assert_string_equal(value_count(text, 0, &human), "0");
	assert_string_equal(value_count(text, 999, &human), "999");
	assert_string_equal(value_count(text, 1000, &human), "1.00 k");
	assert_string_equal(value_count(text, 9999, &human), "10.0 k");
	assert_string_equal(value_count(text, 1234567, &human), "1.23 M");
	assert_string_equal(value_count(text, 999999, &human), "1.00 M");
	assert_string_equal(value_count(text, INT64_MAX, &human), "9.22 E");
	assert_string_equal(value_bytes(text, 1023, &human), "1.00 KiB");
	assert_string_equal(value_bytes(text, 98765432, &human), "94.2 MiB");
	assert_string_equal(value_bytes(text, 512, &human), "512 B");
	assert_string_equal(value_count(text, 1234567, &plain), "1234567");
	assert_string_equal(value_duration(text, 59), "59 s");
	assert_string_equal(value_duration(text, 3599), "59 min 59 s");
	assert_string_equal(value_duration(text, 3 * 86400 + 5 * 3600 + 1), "3 d 5 h");
}

static void drops_hide_what_is_zero_and_show_the_books(void **state)
{
	static const char drops[] =
		"{\"drops\":[{\"reason\":\"not_ip\",\"count\":0,\"doc\":\"neither\"},"
		"{\"reason\":\"no_route\",\"count\":12,\"doc\":\"no route to the destination\"}],"
		"\"received\":100,\"originated\":3,\"transmitted\":90,\"dropped\":12,\"waiting\":1,"
		"\"balanced\":true}";

	expect_view(
		view_drops, drops, plain,
		"REASON    COUNT  MEANING\n"
		"no_route     12  no route to the destination\n"
		"\n"
		"received 100 + originated 3 = transmitted 90 + dropped 12 + waiting 1: balanced\n");
	expect_view(
		view_drops, drops, all,
		"REASON    COUNT  MEANING\n"
		"not_ip        0  neither\n"
		"no_route     12  no route to the destination\n"
		"\n"
		"received 100 + originated 3 = transmitted 90 + dropped 12 + waiting 1: balanced\n");
	expect_view(
		view_drops, "{\"drops\":[],\"received\":1,\"balanced\":false}", plain,
		"nothing was dropped\n"
		"received 1 + originated 0 = transmitted 0 + dropped 0 + waiting 0: NOT balanced\n");
}

static void a_firewall_shows_its_rules_and_sets(void **state)
{
	expect_view(
		view_firewall,
		"{\"firewall\":[{\"name\":\"edge\",\"stateful\":true,\"default\":\"drop\",\"on_change\":"
		"\"recheck\",\"rules_total\":3,\"rules\":[{\"name\":\"web\",\"action\":\"accept\",\"packets\":7,"
		"\"bytes\":700,\"flows\":2,\"last_s\":61,\"meets\":\"dport 80\"},{\"name\":\"default\","
		"\"action\":\"drop\",\"packets\":0,\"bytes\":0,\"flows\":0,\"last_s\":null,\"meets\":\"any\"}],"
		"\"sets\":[{\"name\":\"bad\",\"type\":\"addresses\",\"entries\":3,\"configured\":1,\"added\":2,"
		"\"timed\":0,\"expired\":0}],\"flows_by_source\":{\"used\":4,\"size\":16,\"refused\":0}}]}",
		plain,
		"firewall:edge  stateful; what no rule decides: drop; flows when rules change: recheck\n"
		"\n"
		"RULE     ACTION  PACKETS  BYTES  FLOWS       LAST  MEETS\n"
		"web      accept        7    700      2  1 min 1 s  dport 80\n"
		"default  drop          0      0      0          -  any\n"
		"\n"
		"2 of 3 rules\n"
		"\n"
		"SET  OF         ENTRIES  CONFIGURED  ADDED\n"
		"bad  addresses        3           1      2\n"
		"\n"
		"flows by source: room for 16, 4 in use, 0 refused for want of room\n");
	expect_view(view_firewall, "{\"firewall\":[]}", plain, "no firewall\n");
	expect_view(view_set,
		    "{\"set\":\"bad\",\"total\":2,\"next\":1,\"entries\":[{\"entry\":\"192.0.2.1\","
		    "\"origin\":\"run time\",\"expires_s\":59}]}",
		    plain,
		    "ENTRY      FROM      ENDS-IN\n"
		    "192.0.2.1  run time     59 s\n"
		    "\n"
		    "1 of 2; --all for all of them\n");
	expect_view(view_set, "{\"set\":\"bad\",\"total\":0,\"entries\":[]}", plain,
		    "bad is empty\n");
	expect_view(view_set_change,
		    "{\"set\":\"bad\",\"changed\":2,\"unchanged\":1,\"entries\":7}", plain,
		    "bad: 2 changed, 1 as it was; 7 entries\n");
}

static void routes_mark_the_winner_and_list_every_hop(void **state)
{
	expect_view(
		view_routes,
		"{\"routes\":[{\"dst\":\"default\",\"gateway\":\"192.0.2.1\",\"dev\":\"eth0\","
		"\"interface\":\"wan\",\"metric\":0,\"protocol\":\"static\",\"table\":\"main\","
		"\"flags\":[],\"installed\":true},"
		"{\"dst\":\"default\",\"via\":{\"family\":\"inet6\",\"host\":\"fe80::1\"},"
		"\"dev\":\"eth1\",\"metric\":100,\"protocol\":\"bird\",\"table\":\"main\","
		"\"flags\":[\"linkdown\"],\"installed\":false},"
		"{\"dst\":\"10.0.0.0/8\",\"nexthops\":[{\"gateway\":\"192.0.2.2\",\"dev\":\"eth0\","
		"\"weight\":1},{\"gateway\":\"192.0.2.3\",\"dev\":\"eth0\",\"weight\":20}],"
		"\"metric\":0,\"protocol\":\"static\",\"table\":\"main\",\"installed\":true},"
		"{\"dst\":\"10.9.0.0/16\",\"type\":\"blackhole\",\"metric\":0,"
		"\"protocol\":\"config\",\"table\":\"main\",\"installed\":true}],\"total\":901899}",
		plain,
		"   DESTINATION  TYPE       VIA        INTERFACE  DEVICE  WEIGHT  FLAGS     METRIC  PROTOCOL  TABLE\n"
		">  default      unicast    192.0.2.1  wan        eth0         -  -              0  static    main\n"
		"   default      unicast    fe80::1    -          eth1         -  linkdown     100  bird      main\n"
		">  10.0.0.0/8   unicast    192.0.2.2  -          eth0         1  -              0  static    main\n"
		"                           192.0.2.3  -          eth0        20  -\n"
		">  10.9.0.0/16  blackhole  -          -          -            -  -              0  config    main\n"
		"\n"
		"4 of 901899 routes; --all for every one, or name a PREFIX\n");
}

static void workers_end_with_the_memory(void **state)
{
	expect_view(
		view_workers,
		"{\"workers\":[{\"worker\":0,\"cpu\":2,\"poll\":\"adaptive\","
		"\"state\":\"sleeping\",\"queues\":[\"wan/0\",\"lan/0\"],\"packets\":640,"
		"\"bursts\":10,\"avg_burst\":64.0,\"sleeps\":3,\"wakeups\":2,"
		"\"busy_percent\":0.25,\"frames_cached\":64}],\"memory\":{\"frame_size\":2048,"
		"\"frames\":8192,\"free\":4000,\"pages\":\"2 MiB\",\"hugepages\":true}}",
		plain,
		"WORKER  CPU  POLL      STATE     BUSY-%  PACKETS  BURSTS  AVG-BURST  SLEEPS  WAKEUPS  CACHED-FRAMES  QUEUES\n"
		"     0    2  adaptive  sleeping     0.2      640      10       64.0       3        2             64  wan/0 lan/0\n"
		"\n"
		"memory: 8192 frames of 2048 bytes, 4000 of them free; pages: 2 MiB\n");
}

static void interfaces_write_both_tags(void **state)
{
	expect_view(
		view_interfaces,
		"{\"interfaces\":[{\"name\":\"v\",\"port\":1,\"vlan\":100,\"outer_vlan\":200,"
		"\"device\":\"eth0.100\",\"up\":true,\"mtu\":1500,\"rx_packets\":1,\"rx_bytes\":2,"
		"\"tx_packets\":3,\"tx_bytes\":4,\"chain\":[\"router:default\"],"
		"\"addresses\":[\"192.0.2.1/24\",\"2001:db8::1/64\"]}]}",
		plain,
		"INTERFACE  PORT     VLAN  DEVICE    STATE  MAC   MTU  RX-PACKETS  RX-BYTES  TX-PACKETS  TX-BYTES  CHAIN           ADDRESSES\n"
		"v          1     200.100  eth0.100  up     -    1500           1         2           3         4  router:default  192.0.2.1/24 2001:db8::1/64\n");
}

static void one_object_is_a_line_per_member(void **state)
{
	expect_view(view_fields,
		    "{\"version\":\"1\",\"uptime_s\":7260,\"ports_up\":2,\"synced\":true,"
		    "\"routing\":{\"routes4\":7},\"via\":[{\"dev\":\"a\"},{\"dev\":\"b\"}]}",
		    plain,
		    "version:          1\n"
		    "uptime:           2 h 1 min\n"
		    "ports up:         2\n"
		    "synced:           yes\n"
		    "routing routes4:  7\n"
		    "via:              dev a\n"
		    "                  dev b\n");
}

#define FLOW_KEY(src, sport, dst, dport)                                      \
	"{\"source\":\"" src "\",\"sport\":" #sport ",\"destination\":\"" dst \
	"\",\"dport\":" #dport "}"

static void flows_show_both_sides_of_a_translation(void **state)
{
	expect_view(
		view_flows,
		"{\"flows\":["
		"{\"protocol\":\"tcp\",\"state\":\"established\",\"key\":" FLOW_KEY("192.0.2.2", 40000, "203.0.113.1", 80) ",\"out\":" FLOW_KEY(
			"192.0.2.2", 40000, "10.0.0.1",
			8080) ",\"in\":\"lan\",\"out_interface\":\"wan\",\"rule\":\"firewall:edge/web\",\"packets\":7,"
			      "\"bytes\":700,\"reply_packets\":8,\"reply_bytes\":8000,\"age_s\":90061,\"idle_s\":5,"
			      "\"timeout_s\":7384,\"flags\":[\"assured\",\"translated\"],\"worker\":1},"
			      "{\"protocol\":\"99\",\"state\":\"new\",\"key\":" FLOW_KEY(
				      "2001:db8::1", 0, "2001:db8::2",
				      0) ",\"out\":" FLOW_KEY("2001:db8::1", 0, "2001:db8::2",
							      0) ",\"in\":\"lan\",\"out_interface\":null,\"rule\":null,\"packets\":1,\"bytes\":60,"
								 "\"reply_packets\":0,\"reply_bytes\":0,\"age_s\":61,\"idle_s\":0,\"timeout_s\":60,"
								 "\"flags\":[],\"worker\":0}],"
								 "\"shown\":2,\"total\":7,\"states\":{\"established\":5,\"new\":2},\"next\":3}",
		plain,
		"PROTO  STATE        SOURCE           DESTINATION     OUT-DESTINATION  IN   OUT  RULE               PACKETS  BYTES  REPLY-PACKETS  REPLY-BYTES    AGE  IDLE   LEFT  FLAGS\n"
		"tcp    established  192.0.2.2:40000  203.0.113.1:80  10.0.0.1:8080    lan  wan  firewall:edge/web        7    700              8         8000  1d01h    5s  2h03m  assured translated\n"
		"99     new          2001:db8::1      2001:db8::2     -                lan  -    -                        1     60              0            0  1m01s    0s  1m00s  -\n"
		"\n"
		"2 of 7 flows shown: established 5, new 2\n"
		"--all shows every one, limit N as many as that\n");
	expect_view(view_flows, "{\"flows\":[],\"shown\":0,\"total\":0,\"states\":{}}", plain,
		    "no flows\n");
}

static void the_summary_of_flows_says_how_full(void **state)
{
	const char *summary =
		"{\"ipv4\":{\"used\":12,\"size\":1024,\"percent\":1.1},\"ipv6\":{\"used\":0,"
		"\"size\":1024,\"percent\":0.0},\"memory_bytes\":4096,\"pages\":\"4 KiB pages\","
		"\"states\":{\"new\":12},\"counters\":{\"hits\":9},\"fragments\":{\"completed\":4}}";
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	json_t *result = parse(summary);

	view_flows(result, &plain, out);
	fclose(out);
	assert_non_null(strstr(text,
			       "IPv4: 12 of 1024 in use, 1.1 %\nIPv6: 0 of 1024 in use, 0.0 %\n"
			       "memory: 4096, 4 KiB pages\nnew 12\n"));
	assert_non_null(strstr(text, "hits          9  packets"));
	assert_non_null(strstr(text, "completed      4  of which"));
	free(text);
	json_decref(result);
}

static void nothing_of_an_answer_is_needed(void **state)
{
	static view *const views[] = { view_ports,    view_workers,    view_drops,
				       view_routes,   view_route,      view_fields,
				       view_config,   view_neighbours, view_interfaces,
				       view_reload,   view_version,    view_functions,
				       view_firewall, view_set,	       view_set_change,
				       view_flows,    view_flush };
	static const char *const answers[] = {
		"{}",
		"[]",
		"[{}]",
		"null",
		"7",
		"\"x\"",
		"[[1],[]]",
		"{\"drops\":[7],\"routes\":[{\"nexthops\":[{}]},null],\"workers\":[null],"
		"\"neighbours\":{\"a\":1},\"interfaces\":[\"\"],\"text\":7,\"memory\":[],"
		"\"functions\":[7]}",
		("{\"firewall\":[{\"rules\":[{}],\"sets\":[7],\"flows_by_source\":7}],\"entries\":[{}],"
		 "\"total\":\"x\"}"),
		"{\"flows\":[7,{},{\"key\":[],\"out\":{}}],\"states\":7,\"counters\":0}",
		"{\"flows\":[7,{},{\"key\":[],\"out\":{}}],\"states\":{\"a\":\"b\"}}"
	};
	char sink[65536];

	for (size_t v = 0; v < sizeof(views) / sizeof(views[0]); v++)
		for (size_t a = 0; a < sizeof(answers) / sizeof(answers[0]); a++) {
			FILE *out = fmemopen(sink, sizeof(sink), "w");
			json_t *result = parse(answers[a]);

			views[v](result, &all, out);
			assert_int_equal(ferror(out), 0);
			fclose(out);
			json_decref(result);
		}
}

static void names_cannot_move_the_cursor(void **state)
{
	expect_view(view_neighbours,
		    "{\"neighbours\":[{\"dst\":\"192.0.2.1\",\"dev\":\"a\\u001b[2J\\n\"}]}", plain,
		    "ADDRESS    INTERFACE  DEVICE  MAC  STATE\n"
		    "192.0.2.1  -          a?[2J?  -    -\n");
}

static void letters_of_two_bytes_are_one_wide(void **state)
{
	expect_view(view_drops,
		    "{\"drops\":[{\"reason\":\"\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\","
		    "\"count\":1},{\"reason\":\"r\",\"count\":2}]}",
		    plain,
		    "REASON   COUNT\n\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9      1\n"
		    "r            2\n\n");
}

static void colours_are_outside_of_the_width(void **state)
{
	const struct style colour = { .colour = true };

	expect_view(view_drops, "{\"drops\":[{\"reason\":\"r\",\"count\":1}]}", colour,
		    "\033[1mREASON\033[0m  \033[1mCOUNT\033[0m\n"
		    "r           \033[33m1\033[0m\n\n");
}

/* --- commands --- */

static const char *found(const char *a, const char *b, int *used)
{
	char *words[] = { (char *)a, (char *)b };
	const struct command *command = command_find(words, b ? 2 : 1, used);

	return command ? command->words : "none";
}

static void words_may_be_shortened_while_unique(void **state)
{
	int used;

	assert_string_equal(found("show", "ports", &used), "show ports");
	assert_int_equal(used, 2);
	assert_string_equal(found("sh", "po", &used), "show ports");
	assert_string_equal(found("s", "po", &used), "none"); /* show, set */
	assert_string_equal(found("ro", "get", &used), "route get");
	assert_string_equal(found("rel", "x", &used), "reload");
	assert_int_equal(used, 1);
	assert_string_equal(found("r", NULL, &used), "none");
	assert_string_equal(found("show", NULL, &used), "none");
	assert_string_equal(found("show", "portsx", &used), "none");
	assert_string_equal(found("show", "", &used), "none");
}

/* --- the program --- */

static char folder[64], path[80], program[4096];
static pid_t server;

static json_t *answer(void *arg, const json_t *args, char **error, json_t **errors)
{
	return parse(arg);
}

static json_t *refuse(void *arg, const json_t *args, char **error, json_t **errors)
{
	*error = strdup("refused");
	*errors = json_pack("[s, s]", "a.cfg:3: first", "a.cfg:9: second");
	return NULL;
}

/* 25 routes, ten a page whatever the limit. */
static json_t *pages(void *arg, const json_t *args, char **error, json_t **errors)
{
	json_int_t from = json_integer_value(json_object_get(args, "next"));
	json_t *list = json_array();
	json_int_t i = from;

	for (; i < from + 10 && i < 25; i++)
		json_array_append_new(list, json_pack("{s:o}", "dst",
						      json_sprintf("10.0.%d.0/24", (int)i)));
	return json_pack("{s:o, s:i, s:i, s:o}", "routes", list, "total", 25, "shown",
			 (int)(i - from), "next", i < 25 ? json_integer(i) : json_null());
}

static json_t *echo(void *arg, const json_t *args, char **error, json_t **errors)
{
	return json_deep_copy(args);
}

/* Three flows, one a page; only the first page tells how many. */
static json_t *flow_pages(void *arg, const json_t *args, char **error, json_t **errors)
{
	const int next = (int)json_integer_value(json_object_get(args, "next"));
	json_t *out = json_pack("{s:[{s:s}], s:i, s:o}", "flows", "rule", "web", "shown", 1, "next",
				next < 2 ? json_integer(next + 1) : json_null());

	if (!next)
		json_object_set_new(out, "total", json_integer(3));
	return out;
}

static void serve(int ready)
{
	struct event_base *base = event_base_new();
	struct control *control;
	const struct control_command canned[] = {
		{ "show ports", answer, (void *)ports },
		{ "reload", refuse, NULL },
		{ "show routes", pages, NULL },
		{ "route get", echo, NULL },
		{ "flush flows", echo, NULL },
		{ "show flows", flow_pages, NULL },
		{ "show neighbours", answer,
		  "{\"neighbours\":[{\"dst\":\"192.0.2.1\"},{\"dst\":\"fe80::1\"}]}" },
		{ "version", answer, "{\"version\":\"9.9\"}" },
	};

	if (control_new(&control, base, path, NULL))
		_exit(1);
	for (size_t i = 0; i < sizeof(canned) / sizeof(canned[0]); i++)
		control_register(control, &canned[i]);
	(void)!write(ready, "", 1);
	event_base_dispatch(base);
	_exit(0);
}

static int start(void **state)
{
	int ready[2];
	char byte;

	strcpy(folder, "/tmp/visor-ctl-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sock", folder);
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	server = fork();
	if (!server)
		serve(ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return 0;
}

static int stop(void **state)
{
	char lock[90];

	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	unlink(path);
	return rmdir(folder);
}

/* Beside the tests' folder. */
static bool find_program(void)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 32);

	for (int level = 0; n > 0 && level < 2; n--)
		level += program[n - 1] == '/';
	if (n < 0)
		return false;
	strcpy(program + n, "/visorctl");
	return !access(program, X_OK);
}

/* Run it; both outputs in one text, which is valid until the next run. */
static const char *run(int *status, const char *arguments)
{
	static char text[1 << 16];
	char line[8192];
	size_t n;
	FILE *pipe;

	snprintf(line, sizeof(line), "exec 2>&1; '%s' -s '%s' %s", program, path, arguments);
	pipe = popen(line, "r");
	assert_non_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = '\0';
	*status = WEXITSTATUS(pclose(pipe));
	return text;
}

static void expect_run(const char *arguments, int expected, const char *part)
{
	int status;
	const char *text = run(&status, arguments);

	if (status != expected || !strstr(text, part))
		fail_msg("visorctl %s: exit %d (%d was expected), '%s' was expected in:\n%s",
			 arguments, status, expected, part, text);
}

#define NEEDS_PROGRAM                                                              \
	do {                                                                       \
		if (!find_program()) {                                             \
			print_message("visorctl is not built beside the tests\n"); \
			skip();                                                    \
		}                                                                  \
	} while (0)

static void an_answer_is_shown_and_exits_0(void **state)
{
	NEEDS_PROGRAM;
	expect_run("show ports", 0, "wan/1       1  copy           7");
	expect_run("sh po wan", 0, "wan   eth0");
	expect_run("--json sh po lan", 0, "\"name\": \"lan\"");
	expect_run("show ports -H", 0, "94.2 MiB");
	expect_run("route get 2001:db8::1 --json", 0, "\"address\": \"2001:db8::1\"");
	expect_run("version", 0, "visord 9.9");
	assert_null(strstr(run(&(int){ 0 }, "show neighbours -6"), "192.0.2.1"));
	expect_run("show neighbours -6", 0, "fe80::1");
}

static void a_refusal_lists_its_reasons_and_exits_1(void **state)
{
	NEEDS_PROGRAM;
	expect_run("reload", 1, "a.cfg:3: first\na.cfg:9: second\nvisorctl: refused\n");
	expect_run("show status", 1, "unknown command 'show status'");
	expect_run("show ports dmz", 1, "there is no 'dmz'; there are: wan, lan");
	expect_run("version > /dev/full", 1, "No space left");
}

static void a_wrong_line_is_explained_and_exits_2(void **state)
{
	NEEDS_PROGRAM;
	expect_run("", 2, "usage: visorctl");
	expect_run("shwo ports", 2, "did you mean 'show'?");
	expect_run("show prots", 2, "did you mean 'ports'?");
	expect_run("r", 2, "'r' is ambiguous: route, reload");
	expect_run("show", 2, "not complete; expected one of: status, ports");
	expect_run("show ports -6", 2, "takes no option -6");
	expect_run("import nft - --json", 2, "takes no option -");
	expect_run("show ports a b", 2, "'b' is one word too many");
	expect_run("route get", 2, "'route get' needs ADDRESS");
	expect_run("route get 1.2.3", 2, "'1.2.3' is no address");
	expect_run("show routes 10.0.0.0/33", 2, "is no prefix");
	expect_run("show routes -4 -6", 2, "either -4 or -6");
	expect_run("show routes -4 2001:db8::/32", 2, "is not IPv4");
	expect_run("show routes --limit 0", 2, "--limit 0");
	expect_run("show routes --limit 5 --all", 2, "not both");
	expect_run("reload --watch 1", 2, "not for --watch");
	expect_run("show ports --watch 0", 2, "0.1 to 86400");
	expect_run("show ports --frobnicate", 2, "see visorctl --help");
}

static void no_daemon_is_explained_and_exits_3(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char line[200];

	NEEDS_PROGRAM;
	expect_run("-s /nonexistent/sock show ports", 3, "there is no such socket");
	expect_run("-s /nonexistent/sock show ports", 3, "'/nonexistent/sock'");
	expect_run("-s /nonexistent/sock show routes --all --json", 3, "visorctl: cannot reach");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s.dead", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	snprintf(line, sizeof(line), "-s %s.dead show ports", path);
	expect_run(line, 3, "nobody listens");
	unlink(address.sun_path);
}

static void all_routes_come_page_by_page(void **state)
{
	json_t *document;
	const char *text;
	int status;

	NEEDS_PROGRAM;
	text = run(&status, "show routes --all --json");
	assert_int_equal(status, 0);
	document = parse(text);
	assert_int_equal(json_array_size(json_object_get(document, "routes")), 25);
	assert_int_equal(json_integer_value(json_object_get(document, "total")), 25);
	assert_int_equal(json_integer_value(json_object_get(document, "shown")), 25);
	json_decref(document);
	expect_run("show routes --all", 0, "10.0.24.0/24");
	expect_run("show routes", 0, "10 of 25 routes");
}

/* What the daemon would be asked: `flush flows` is answered by its own arguments. */
static void expect_filter(const char *words, const char *args)
{
	char line[256];
	json_t *wanted = parse(args), *got;
	int status;

	snprintf(line, sizeof(line), "flush flows %s --json", words);
	got = parse(run(&status, line));
	if (status || !json_equal(got, wanted))
		fail_msg("%s: not %s", words, args);
	json_decref(got);
	json_decref(wanted);
}

static void filters_of_flows_are_pairs_of_words(void **state)
{
	NEEDS_PROGRAM;
	expect_filter("all", "{\"all\":true}");
	expect_filter("src 192.0.2.0/24 dport 80-90 -4",
		      "{\"src\":\"192.0.2.0/24\",\"dport\":\"80-90\",\"family\":4}");
	expect_filter("from 10.0.0.1 to 2001:db8::/32",
		      "{\"src\":\"10.0.0.1\",\"dst\":\"2001:db8::/32\"}");
	expect_filter("2001:db8::1", "{\"host\":\"2001:db8::1\"}");
	expect_filter("state new,established rule web in lan proto tcp",
		      "{\"state\":[\"new\",\"established\"],\"rule\":\"web\",\"in\":\"lan\","
		      "\"proto\":\"tcp\"}");
	expect_filter("sport 0 port 65535", "{\"sport\":\"0\",\"port\":\"65535\"}");
	expect_run("flush flows", 2, "which flows?");
	expect_run("flush flows all src 10.0.0.1", 2, "'all' goes with no filter");
	expect_run("flush flows all -6", 2, "'all' goes with no filter");
	expect_run("flush flows src", 2, "'src' of what?");
	expect_run("flush flows src 10.0.0.1 from 10.0.0.2", 2, "'from' stands twice");
	expect_run("flush flows sorce 10.0.0.1", 2, "'sorce' is no filter; did you mean 'src'?");
	expect_run("flush flows src 10.0.0", 2, "src '10.0.0': an address");
	expect_run("flush flows port 65536", 2, "port '65536'");
	expect_run("flush flows port 9-8", 2, "port '9-8'");
	expect_run("flush flows src 10.0.0.1 sort bytes", 2, "neither sort nor limit");
	expect_run("show flows sort size", 2, "bytes, packets, age or idle");
	expect_run("show flows limit 0", 2, "1 to 20000");
	expect_run("show flows limit 5 -n 6", 2, "not both");
	expect_run("show flows --all sort bytes", 2, "neither limit nor sort");
	expect_run("show flows summary 10.0.0.1", 2, "'summary' goes with no filter");
}

static void all_flows_are_as_many_as_the_first_page_said(void **state)
{
	json_t *document;
	int status;

	NEEDS_PROGRAM;
	document = parse(run(&status, "show flows --all --json"));
	assert_int_equal(status, 0);
	assert_int_equal(json_array_size(json_object_get(document, "flows")), 3);
	assert_int_equal(json_integer_value(json_object_get(document, "total")), 3);
	assert_int_equal(json_integer_value(json_object_get(document, "shown")), 3);
	json_decref(document);
	expect_run("show flows", 0, "1 of 3 flows shown");
}

static void watching_repeats_until_it_is_interrupted(void **state)
{
	const char *picture;
	int status;

	NEEDS_PROGRAM;
	picture = run(&status, "show ports wan --watch 0.1 & sleep 0.6; kill -INT $!; wait $!");
	assert_int_equal(status, 0);
	for (int n = 0; n < 3; n++) {
		picture = strstr(picture, "PORT  DEVICE");
		assert_non_null(picture);
		picture++;
	}
}

static void every_command_has_help_and_the_examples_parse(void **state)
{
	char line[64];

	NEEDS_PROGRAM;
	for (const struct command *c = commands; c->words; c++) {
		snprintf(line, sizeof(line), "%s --help", c->words);
		expect_run(line, 0, c->summary);
		expect_run(line, 0, "Examples:\n  visor");
		expect_run("--help", 0, c->words);
		expect_run("--list-commands", 0, c->words);
	}
	expect_run("import nft --help", 0, "Options:\n  -h, --help");
	expect_run("help show", 0, "show ports [PORT]");
	expect_run("help nonsense", 2, "unknown command");
}

#define with_daemon(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_show_trouble_and_why_a_mode_is_not_better),
		cmocka_unit_test(human_units_have_three_digits),
		cmocka_unit_test(drops_hide_what_is_zero_and_show_the_books),
		cmocka_unit_test(a_firewall_shows_its_rules_and_sets),
		cmocka_unit_test(routes_mark_the_winner_and_list_every_hop),
		cmocka_unit_test(workers_end_with_the_memory),
		cmocka_unit_test(interfaces_write_both_tags),
		cmocka_unit_test(one_object_is_a_line_per_member),
		cmocka_unit_test(flows_show_both_sides_of_a_translation),
		cmocka_unit_test(the_summary_of_flows_says_how_full),
		cmocka_unit_test(nothing_of_an_answer_is_needed),
		cmocka_unit_test(names_cannot_move_the_cursor),
		cmocka_unit_test(letters_of_two_bytes_are_one_wide),
		cmocka_unit_test(colours_are_outside_of_the_width),
		cmocka_unit_test(words_may_be_shortened_while_unique),
		with_daemon(an_answer_is_shown_and_exits_0),
		with_daemon(a_refusal_lists_its_reasons_and_exits_1),
		with_daemon(a_wrong_line_is_explained_and_exits_2),
		with_daemon(no_daemon_is_explained_and_exits_3),
		with_daemon(all_routes_come_page_by_page),
		with_daemon(filters_of_flows_are_pairs_of_words),
		with_daemon(all_flows_are_as_many_as_the_first_page_said),
		with_daemon(watching_repeats_until_it_is_interrupted),
		with_daemon(every_command_has_help_and_the_examples_parse),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
