/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket against polite and hostile clients. The daemon's side runs its event loop in
 * a forked process, as in life; what it does there ends with an orderly exit whose status is
 * checked, so that a crash, or a leak under the address sanitizer, fails the test that caused it.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control.h"
#include "control_socket.h"
#include "log.h"

/* Of the daemon in tests about time. Elsewhere it is long: a loaded machine is no hostile client. */
#define PATIENCE_MS 400
#define LONG_PATIENCE_MS 15000

static char folder[64], path[100];
static pid_t server;

/* --- the daemon's side --- */

static struct event_base *loop;

static json_t *echo(void *arg, const json_t *args, char **error, json_t **errors)
{
	return json_deep_copy(args);
}

static json_t *refuse(void *arg, const json_t *args, char **error, json_t **errors)
{
	*error = strdup("2 mistakes");
	*errors = json_pack("[s, s]", "a.cfg:3: first", "a.cfg:9: second");
	return NULL;
}

static json_t *say_nothing(void *arg, const json_t *args, char **error, json_t **errors)
{
	return NULL;
}

static json_t *big(void *arg, const json_t *args, char **error, json_t **errors)
{
	json_int_t mib = json_integer_value(json_object_get(args, "mib"));
	json_t *list = json_array();
	char *text = malloc((1 << 20) + 1);

	memset(text, 'x', 1 << 20);
	text[1 << 20] = '\0';
	for (json_int_t i = 0; i < mib; i++)
		json_array_append_new(list, json_string(text));
	free(text);
	return list;
}

static json_t *slow(void *arg, const json_t *args, char **error, json_t **errors)
{
	usleep(PATIENCE_MS * 1000 * 3 / 2);
	return json_pack("{s:i}", "n", 11);
}

static json_t *show(void *arg, const json_t *args, char **error, json_t **errors)
{
	return control_show(*(struct control **)arg);
}

static json_t *quit(void *arg, const json_t *args, char **error, json_t **errors)
{
	const struct timeval soon = { .tv_usec = 20000 };

	event_base_loopexit(loop, &soon);
	return json_true();
}

static void serve(int ready, unsigned patience_ms)
{
	struct control *control;
	const struct control_command commands[] = {
		{ "echo", echo, NULL },
		{ "fail", refuse, NULL },
		{ "nothing", say_nothing, NULL },
		{ "slow", slow, NULL },
		{ "big", big, NULL },
		{ "show", show, (void *)&control },
		{ "quit", quit, NULL },
	};

	loop = event_base_new();
	if (control_new(&control, loop, path, NULL))
		exit(10);
	control_set_patience(control, patience_ms);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (control_register(control, &commands[i]))
			exit(11);
	if (control_register(control, &commands[0]) != -EEXIST)
		exit(12);
	(void)!write(ready, "", 1);
	close(ready);
	event_base_dispatch(loop);
	control_free(control);
	event_base_free(loop);
	exit(0);
}

static int start_with(unsigned patience_ms)
{
	int ready[2];
	char byte;

	strcpy(folder, "/tmp/visor-control-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/run/visor.sock", folder);
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	server = fork();
	if (!server) {
		close(ready[0]);
		umask(077);
		log_set_level(LOG_LEVEL_ERROR);
		serve(ready[1], patience_ms);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return 0;
}

static int start(void **state)
{
	return start_with(LONG_PATIENCE_MS);
}

static int start_impatient(void **state)
{
	return start_with(PATIENCE_MS);
}

/* --- the client's side --- */

static int dial_quietly(const char *where)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_sec = 20 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, where);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static int dial(void)
{
	int fd = dial_quietly(path);

	assert_true(fd >= 0);
	return fd;
}

/* As much as goes; the other side may close on us. */
static size_t send_bytes(int fd, const void *data, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = send(fd, (const char *)data + sent, len - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	return sent;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send_bytes(fd, text, strlen(text)), strlen(text));
}

/* One line as JSON; NULL at the end of the stream. */
static json_t *hear(int fd)
{
	size_t used = 0, size = 1 << 16;
	char *line = malloc(size);
	json_t *answer = NULL;
	bool complete = false;

	while (recv(fd, line + used, 1, 0) == 1) {
		complete = line[used++] == '\n';
		if (complete)
			break;
		assert_true(used < size);
	}
	if (complete)
		answer = json_loadb(line, used, 0, NULL);
	assert_true(!complete || answer);
	free(line);
	return answer;
}

static bool is_dropped(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static const char *text_of(const json_t *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));

	return text ? text : "";
}

static void expect_error(int fd, const char *part)
{
	json_t *answer = hear(fd);

	assert_non_null(answer);
	assert_true(json_is_false(json_object_get(answer, "ok")));
	if (!strstr(text_of(answer, "error"), part))
		fail_msg("'%s' was expected in '%s'", part, text_of(answer, "error"));
	json_decref(answer);
}

static void expect_echo(int fd, int n)
{
	json_t *answer = hear(fd);

	assert_non_null(answer);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(answer, "result"), "n")), n);
	json_decref(answer);
}

static json_int_t counter(const char *name)
{
	int fd = dial();
	json_t *answer;
	json_int_t value;

	say(fd, "{\"command\": \"show\"}\n");
	answer = hear(fd);
	assert_non_null(answer);
	value = json_integer_value(json_object_get(json_object_get(answer, "result"), name));
	json_decref(answer);
	close(fd);
	return value;
}

static void wait_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l }, NULL);
}

/* The one who asks. Those who left may be noticed a moment later. */
static void only_one_client_remains(void)
{
	for (int i = 0; i < 250 && counter("clients") != 1; i++)
		wait_ms(20);
	assert_int_equal(counter("clients"), 1);
}

static int stop(void **state)
{
	char lock[120], parent[80];
	int fd, status;

	fd = dial();
	say(fd, "{\"command\": \"quit\"}\n");
	json_decref(hear(fd));
	close(fd);
	assert_int_equal(waitpid(server, &status, 0), server);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(access(path, F_OK), -1); /* it cleans up */
	snprintf(lock, sizeof(lock), "%s.lock", path);
	snprintf(parent, sizeof(parent), "%s/run", folder);
	unlink(lock);
	rmdir(parent);
	assert_int_equal(rmdir(folder), 0);
	return 0;
}

/* --- polite clients --- */

static void a_connection_carries_several_requests_in_order(void **state)
{
	int fd = dial();

	for (int n = 0; n < 3; n++) {
		char line[80];

		snprintf(line, sizeof(line), "{\"command\": \"echo\", \"args\": {\"n\": %d}}\n", n);
		say(fd, line);
		expect_echo(fd, n);
	}
	say(fd, "{\"command\":\"echo\",\"args\":{\"n\":7}}\n\r\n  \n{\"command\":\"echo\",\"args\":"
		"{\"n\":8}}\r\n{\"command\":\"echo\",\"args\":{\"n\":9}}\n");
	for (int n = 7; n < 10; n++)
		expect_echo(fd, n);
	close(fd);
}

static void a_half_closed_client_is_answered_without_a_last_newline(void **state)
{
	int fd = dial();

	say(fd,
	    "{\"command\":\"echo\",\"args\":{\"n\":1}}\n{\"command\":\"echo\",\"args\":{\"n\":2}}");
	shutdown(fd, SHUT_WR);
	expect_echo(fd, 1);
	expect_echo(fd, 2);
	assert_true(is_dropped(fd));
	close(fd);
}

static void a_failure_carries_every_error(void **state)
{
	int fd = dial();
	json_t *answer, *errors;

	say(fd, "{\"command\": \"fail\"}\n");
	answer = hear(fd);
	errors = json_object_get(answer, "errors");
	assert_true(json_is_false(json_object_get(answer, "ok")));
	assert_string_equal(text_of(answer, "error"), "2 mistakes");
	assert_int_equal(json_array_size(errors), 2);
	assert_string_equal(json_string_value(json_array_get(errors, 1)), "a.cfg:9: second");
	json_decref(answer);
	say(fd, "{\"command\": \"nothing\"}\n");
	expect_error(fd, "without saying why");
	close(fd);
}

static void a_well_formed_mistake_keeps_the_connection(void **state)
{
	int fd = dial();

	say(fd, "{\"command\": \"shwo\"}\n");
	expect_error(fd, "unknown command 'shwo'");
	say(fd, "{}\n");
	expect_error(fd, "\"command\" is missing");
	say(fd, "{\"command\": \"echo\", \"args\": []}\n");
	expect_error(fd, "an object");
	say(fd, "{\"command\": \"echo\", \"arg\": {}}\n");
	expect_error(fd, "nothing else");
	say(fd, "{\"command\": 7}\n");
	expect_error(fd, "a string");
	say(fd, "{\"command\": \"echo\", \"args\": {\"n\": 3}}\n");
	expect_echo(fd, 3);
	close(fd);
}

static void an_answer_of_fifteen_megabytes_arrives_whole(void **state)
{
	static char chunk[1 << 20];
	size_t total = 0, rested = 0;
	ssize_t n;
	int fd = dial();

	say(fd, "{\"command\": \"big\", \"args\": {\"mib\": 15}}\n");
	shutdown(fd, SHUT_WR);
	while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
		total += (size_t)n;
		/* Longer than the patience in all, but never without progress for so long. */
		if (total >= rested + (1 << 20)) {
			rested = total;
			wait_ms(PATIENCE_MS / 8);
		}
	}
	/* 15 strings of 1 MiB with quotes and commas in {"ok":true,"result":[…]} and a newline */
	assert_int_equal(total,
			 (15u << 20) + 15 * 2 + 14 + strlen("{\"ok\":true,\"result\":[]}\n"));
	close(fd);
}

/* --- hostile clients --- */

static void garbage_is_told_and_dropped(void **state)
{
	static const char *const lines[] = { "\177ELF",
					     "GET / HTTP/1.1\r\n\r\n",
					     "{\"command\": \n",
					     "[1]\n",
					     "{}{}\n",
					     "  xyz\n",
					     "{\"command\":\"echo\",\"command\":\"echo\"}\n",
					     "{\"command\":\"\xff\xfe\"}\n" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int fd = dial();

		say(fd, lines[i]);
		expect_error(fd, "not a line of JSON");
		assert_true(is_dropped(fd));
		close(fd);
	}
}

static void nul_bytes_are_garbage(void **state)
{
	int fd = dial();

	/* No newline need come. */
	assert_int_equal(send_bytes(fd, "\0\0\0\0", 4), 4);
	expect_error(fd, "'{' was expected");
	assert_true(is_dropped(fd));
	close(fd);
	fd = dial();
	assert_int_equal(send_bytes(fd, "{\"command\":\"echo\"}\0x\n", 21), 21);
	expect_error(fd, "not a line of JSON");
	close(fd);
}

static void deep_nesting_is_refused(void **state)
{
	char line[60000];
	int fd = dial();

	memset(line, '[', sizeof(line));
	memcpy(line, "{\"command\":\"echo\",\"args\":{\"a\":", 30);
	line[sizeof(line) - 1] = '\n';
	assert_int_equal(send_bytes(fd, line, sizeof(line)), sizeof(line));
	expect_error(fd, "depth");
	assert_true(is_dropped(fd));
	close(fd);
}

static void a_request_may_be_64_kib_and_no_more(void **state)
{
	static char line[CONTROL_REQUEST_MAX + 2];
	const char *request = "{\"command\":\"echo\",\"args\":{\"n\":5}}";
	int fd = dial();

	memset(line, ' ', sizeof(line));
	memcpy(line, request, strlen(request));
	line[CONTROL_REQUEST_MAX] = '\n';
	assert_int_equal(send_bytes(fd, line, CONTROL_REQUEST_MAX + 1), CONTROL_REQUEST_MAX + 1);
	expect_echo(fd, 5);
	line[CONTROL_REQUEST_MAX] = ' ';
	line[CONTROL_REQUEST_MAX + 1] = '\n';
	send_bytes(fd, line, CONTROL_REQUEST_MAX + 2);
	expect_error(fd, "longer than 64 KiB");
	assert_true(is_dropped(fd));
	close(fd);
}

static void a_line_of_ten_megabytes_is_cut_off(void **state)
{
	const size_t len = 10u << 20;
	char *line = malloc(len);
	int fd = dial();

	memset(line, ' ', len);
	line[0] = '{';
	assert_true(send_bytes(fd, line, len) < len / 10);
	expect_error(fd, "longer than 64 KiB");
	assert_true(is_dropped(fd));
	close(fd);
	free(line);
}

static void bytes_may_come_one_by_one(void **state)
{
	const char *request = "{\"command\":\"echo\",\"args\":{\"n\":4}}\n";
	int fd = dial();

	for (const char *c = request; *c; c++) {
		assert_int_equal(send_bytes(fd, c, 1), 1);
		wait_ms(2);
	}
	expect_echo(fd, 4);
	close(fd);
}

static void dribbling_does_not_buy_time(void **state)
{
	int fd = dial();

	/* Each byte comes well within the patience; the request as a whole does not. */
	send_bytes(fd, "{", 1);
	for (int i = 0; i < 3 * PATIENCE_MS / 50; i++) {
		wait_ms(50);
		if (send_bytes(fd, " ", 1) != 1)
			break;
	}
	expect_error(fd, "in time");
	assert_true(is_dropped(fd));
	close(fd);
}

static void an_idle_client_is_dropped(void **state)
{
	int fd = dial();

	say(fd, "{\"command\": \"echo\", \"args\": {\"n\": 1}}\n");
	expect_echo(fd, 1);
	expect_error(fd, "in time");
	assert_true(is_dropped(fd));
	close(fd);
}

static void who_does_not_read_is_dropped_and_holds_nobody_up(void **state)
{
	json_int_t before = counter("rejected");
	int deaf = dial();

	say(deaf, "{\"command\": \"big\", \"args\": {\"mib\": 15}}\n");
	for (int i = 0; i < 10; i++) {
		int fd = dial();

		say(fd, "{\"command\": \"echo\", \"args\": {\"n\": 2}}\n");
		expect_echo(fd, 2);
		close(fd);
	}
	assert_int_equal(counter("rejected"), before);
	for (int i = 0; i < 100 && counter("rejected") == before; i++)
		wait_ms(50);
	assert_int_equal(counter("rejected"), before + 1);
	close(deaf);
}

static void requests_wait_until_the_answer_before_is_taken(void **state)
{
	int fd = dial();
	json_int_t before = counter("requests");

	for (int i = 0; i < 50; i++)
		say(fd, "{\"command\": \"big\", \"args\": {\"mib\": 1}}\n");
	wait_ms(100);
	/* The first, and the question itself. */
	assert_int_equal(counter("requests"), before + 2);
	close(fd);
}

static void who_leaves_with_an_answer_pending_does_no_harm(void **state)
{
	for (int i = 0; i < 20; i++) {
		int fd = dial();

		say(fd, "{\"command\": \"big\", \"args\": {\"mib\": 4}}\n");
		if (i % 2)
			wait_ms(5);
		close(fd);
	}
	assert_true(counter("accepted") > 20);
}

static void a_slow_command_does_not_cost_the_client_its_time(void **state)
{
	int fd = dial();

	say(fd, "{\"command\": \"slow\"}\n");
	expect_echo(fd, 11);
	close(fd);
}

static void an_answer_beyond_the_limit_is_refused_in_words(void **state)
{
	int fd = dial();

	say(fd, "{\"command\": \"big\", \"args\": {\"mib\": 16}}\n");
	expect_error(fd, "too large");
	say(fd, "{\"command\": \"echo\", \"args\": {\"n\": 6}}\n");
	expect_echo(fd, 6);
	close(fd);
}

static void the_65th_client_is_told_and_turned_away(void **state)
{
	int fds[CONTROL_CLIENTS_MAX], fd;

	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[i] = dial();
	fd = dial();
	expect_error(fd, "too many clients");
	assert_true(is_dropped(fd));
	close(fd);
	say(fds[63], "{\"command\": \"echo\", \"args\": {\"n\": 6}}\n");
	expect_echo(fds[63], 6);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	only_one_client_remains();
}

static void ten_thousand_connections_leave_nothing_behind(void **state)
{
	for (int i = 0; i < 10000; i++) {
		int fd = dial();

		if (i % 3 == 1)
			send_bytes(fd, "{\"comm", 7);
		else if (i % 3 == 2)
			send_bytes(fd, "{\"command\": \"echo\"}\n", 20);
		close(fd);
	}
	only_one_client_remains();
}

/* --- the socket's file --- */

static void the_socket_is_for_owner_and_group(void **state)
{
	struct stat st;
	char parent[80];

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	snprintf(parent, sizeof(parent), "%s/run", folder);
	assert_int_equal(stat(parent, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void a_live_socket_is_not_taken_over(void **state)
{
	struct control_socket other;
	char lock[120], aside[120];
	int fd;

	assert_int_equal(control_socket_open(&other, path, NULL), -EADDRINUSE);
	/* Also where it is no visord, so no lock tells. */
	snprintf(lock, sizeof(lock), "%s.lock", path);
	snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(rename(lock, aside), 0);
	assert_int_equal(control_socket_open(&other, path, NULL), -EADDRINUSE);
	assert_int_equal(rename(aside, lock), 0);
	fd = dial();
	say(fd, "{\"command\": \"echo\", \"args\": {\"n\": 1}}\n");
	expect_echo(fd, 1);
	close(fd);
}

static void a_dead_socket_is_replaced(void **state)
{
	struct control_socket sock;
	char base[64] = "/tmp/visor-control-XXXXXX", place[100], lock[120];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_non_null(mkdtemp(base));
	snprintf(place, sizeof(place), "%s/s", base);
	snprintf(lock, sizeof(lock), "%s/s.lock", base);
	strcpy(address.sun_path, place);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
	assert_int_equal(access(place, F_OK), 0);
	assert_int_equal(control_socket_open(&sock, place, "no-such-group"), 0);
	fd = dial_quietly(place);
	assert_true(fd >= 0);
	close(fd);
	control_socket_close(&sock);
	assert_int_equal(access(place, F_OK), -1);
	unlink(lock);
	assert_int_equal(rmdir(base), 0);
}

static void a_socket_of_another_kind_is_left_alone(void **state)
{
	struct control_socket sock;
	char base[64] = "/tmp/visor-control-XXXXXX", place[100], lock[120];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	assert_non_null(mkdtemp(base));
	snprintf(place, sizeof(place), "%s/s", base);
	snprintf(lock, sizeof(lock), "%s/s.lock", base);
	strcpy(address.sun_path, place);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(control_socket_open(&sock, place, NULL), -EPROTOTYPE);
	assert_int_equal(access(place, F_OK), 0);
	close(fd);
	unlink(place);
	unlink(lock);
	assert_int_equal(rmdir(base), 0);
}

static void only_our_own_socket_is_removed(void **state)
{
	struct control_socket sock;
	char base[64] = "/tmp/visor-control-XXXXXX", place[100], lock[120];

	assert_non_null(mkdtemp(base));
	snprintf(place, sizeof(place), "%s/s", base);
	snprintf(lock, sizeof(lock), "%s/s.lock", base);
	assert_int_equal(control_socket_open(&sock, place, NULL), 0);
	assert_int_equal(unlink(place), 0);
	close(open(place, O_CREAT | O_WRONLY, 0600));
	control_socket_close(&sock);
	assert_int_equal(access(place, F_OK), 0);
	/* Nor is a file that was never a socket. */
	assert_int_equal(control_socket_open(&sock, place, NULL), -EEXIST);
	assert_int_equal(access(place, F_OK), 0);
	unlink(place);
	unlink(lock);
	assert_int_equal(rmdir(base), 0);
}

static void a_path_that_does_not_fit_is_refused(void **state)
{
	struct control_socket sock;
	char place[CONTROL_PATH_MAX + 2];

	memset(place, 'a', sizeof(place));
	memcpy(place, "/tmp/", 5);
	place[sizeof(place) - 1] = '\0';
	assert_int_equal(control_socket_open(&sock, place, NULL), -ENAMETOOLONG);
	assert_int_equal(control_socket_open(&sock, "", NULL), -EINVAL);
	assert_int_equal(control_socket_open(&sock, "/nonexistent/folder/s", NULL), -ENOENT);
}

#define wire(name) cmocka_unit_test_setup_teardown(name, start, stop)
#define timed(name) cmocka_unit_test_setup_teardown(name, start_impatient, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire(a_connection_carries_several_requests_in_order),
		wire(a_half_closed_client_is_answered_without_a_last_newline),
		wire(a_failure_carries_every_error),
		wire(a_well_formed_mistake_keeps_the_connection),
		timed(an_answer_of_fifteen_megabytes_arrives_whole),
		wire(garbage_is_told_and_dropped),
		wire(nul_bytes_are_garbage),
		wire(deep_nesting_is_refused),
		wire(a_request_may_be_64_kib_and_no_more),
		wire(a_line_of_ten_megabytes_is_cut_off),
		wire(bytes_may_come_one_by_one),
		timed(dribbling_does_not_buy_time),
		timed(an_idle_client_is_dropped),
		timed(who_does_not_read_is_dropped_and_holds_nobody_up),
		wire(requests_wait_until_the_answer_before_is_taken),
		wire(who_leaves_with_an_answer_pending_does_no_harm),
		timed(a_slow_command_does_not_cost_the_client_its_time),
		wire(an_answer_beyond_the_limit_is_refused_in_words),
		wire(the_65th_client_is_told_and_turned_away),
		wire(ten_thousand_connections_leave_nothing_behind),
		wire(the_socket_is_for_owner_and_group),
		wire(a_live_socket_is_not_taken_over),
		cmocka_unit_test(a_dead_socket_is_replaced),
		cmocka_unit_test(a_socket_of_another_kind_is_left_alone),
		cmocka_unit_test(only_our_own_socket_is_removed),
		cmocka_unit_test(a_path_that_does_not_fit_is_refused),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
