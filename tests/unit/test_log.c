/* SPDX-License-Identifier: Apache-2.0 */
/* The log's lines as they leave by stderr, which is a pipe here. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

static int saved, pipe_end[2];
static char text[1 << 17];

static int redirect(void **state)
{
	log_set_level(LOG_LEVEL_INFO);
	saved = dup(STDERR_FILENO);
	return pipe(pipe_end) || dup2(pipe_end[1], STDERR_FILENO) < 0 ||
	       fcntl(pipe_end[0], F_SETFL, O_NONBLOCK);
}

static int restore(void **state)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_end[0]);
	close(pipe_end[1]);
	return 0;
}

/* What was logged since the last call. */
static const char *logged(void)
{
	size_t used = 0;
	ssize_t n;

	while ((n = read(pipe_end[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	return text;
}

static void a_line_names_its_level(void **state)
{
	log_warning("port '%s': %d", "wan", 7);
	assert_string_equal(logged(), "visord: warning: port 'wan': 7\n");
	log_error("e");
	log_info("i");
	assert_string_equal(logged(), "visord: error: e\nvisord: info: i\n");
}

static void what_is_below_the_level_is_left_out(void **state)
{
	log_debug("no");
	assert_string_equal(logged(), "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("yes");
	assert_string_equal(logged(), "visord: debug: yes\n");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("no");
	assert_string_equal(logged(), "");
}

static void a_message_cannot_forge_a_line(void **state)
{
	log_info("name %s", "x\nvisord: error: forged\x1b[2J\x7f\xc3\xa9");
	assert_string_equal(
		logged(), "visord: info: name x\\x0avisord: error: forged\\x1b[2J\\x7f\xc3\xa9\n");
}

static void a_long_message_is_cut_and_stays_one_line(void **state)
{
	static char longer[5000];
	const char *line;

	for (size_t n = 1900; n < 2100; n++) {
		memset(longer, n % 2 ? 'x' : '\n', n);
		longer[n] = '\0';
		log_info("%s", longer);
		line = logged();
		assert_true(strlen(line) <= 2048);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		assert_true(n < 2040 || !strcmp(line + strlen(line) - 4, "...\n"));
	}
}

static void errno_survives(void **state)
{
	errno = 77;
	log_info("x");
	assert_int_equal(errno, 77);
}

static void a_log_that_nobody_reads_costs_little_and_says_so_later(void **state)
{
	struct timespec from, to;
	const char *last, *line;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 20000; i++)
		log_info("line %d", i);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true(to.tv_sec - from.tv_sec < 3);
	logged();
	log_info("after");
	line = logged();
	last = strstr(line, "visord: info: after\n");
	assert_non_null(last);
	assert_non_null(strstr(last, "lines were left out"));
	log_info("again");
	assert_string_equal(logged(), "visord: info: again\n");
}

static void a_burst_passes_and_the_rest_is_counted(void **state)
{
	struct log_limit limit = { 0 };
	unsigned passed = 0;

	for (int i = 0; i < 100; i++)
		passed += log_allowed(&limit, 3, 10);
	assert_int_equal(passed, 3);
	assert_string_equal(logged(), "");
	/* As if it had all been ten seconds ago. */
	limit.window_start_ns -= 10 * 1000000000ull;
	assert_true(log_allowed(&limit, 3, 10));
	assert_string_equal(logged(),
			    "visord: warning: 97 events like the next one were not logged\n");
	assert_true(log_allowed(&limit, 3, 10));
	assert_true(log_allowed(&limit, 3, 10));
	assert_false(log_allowed(&limit, 3, 10));
	limit.window_start_ns -= 9 * 1000000000ull;
	assert_false(log_allowed(&limit, 3, 10));
	assert_string_equal(logged(), "");
}

/* Found out once per process, hence in a child. */
static const char *line_of_child_with_stream(bool same_stream)
{
	char stream[64];
	struct stat st;
	int status;
	pid_t child;

	fstat(pipe_end[1], &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + !same_stream);
	fflush(NULL);
	child = fork();
	if (!child) {
		char *line[] = { "test_log", "--journal", NULL };

		setenv("JOURNAL_STREAM", stream, 1);
		execv("/proc/self/exe", line);
		_exit(1);
	}
	waitpid(child, &status, 0);
	return logged();
}

static void the_journal_gets_its_priorities(void **state)
{
	assert_string_equal(line_of_child_with_stream(true), "<3>e\n<4>w\n<6>i\n<7>d\n");
}

static void a_redirected_stderr_is_not_the_journal(void **state)
{
	assert_string_equal(
		line_of_child_with_stream(false),
		"visord: error: e\nvisord: warning: w\nvisord: info: i\nvisord: debug: d\n");
}

static int journal(void)
{
	log_set_level(LOG_LEVEL_DEBUG);
	log_error("e");
	log_warning("w");
	log_info("i");
	log_debug("d");
	return 0;
}

#define captured(name) cmocka_unit_test_setup_teardown(name, redirect, restore)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		captured(a_line_names_its_level),
		captured(what_is_below_the_level_is_left_out),
		captured(a_message_cannot_forge_a_line),
		captured(a_long_message_is_cut_and_stays_one_line),
		captured(errno_survives),
		captured(a_log_that_nobody_reads_costs_little_and_says_so_later),
		captured(a_burst_passes_and_the_rest_is_counted),
		captured(the_journal_gets_its_priorities),
		captured(a_redirected_stderr_is_not_the_journal),
	};

	if (argc > 1 && !strcmp(argv[1], "--journal"))
		return journal();
	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
