/* SPDX-License-Identifier: Apache-2.0 */
/* The service manager's side is a datagram socket here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"

static char told[1024];

/* Listen on `name` as $NOTIFY_SOCKET writes it, do it, and return what came. */
static const char *hear(const char *name, int (*act)(void))
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ssize_t n;

	strcpy(address.sun_path, name);
	if (*name == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(act(), 0);
	n = recv(fd, told, sizeof(told) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	told[n] = '\0';
	close(fd);
	unsetenv("NOTIFY_SOCKET");
	return told;
}

static int say_status(void)
{
	return notify_status("%d ports\nREADY=1", 2);
}

static void states_reach_a_path_and_an_abstract_name(void **state)
{
	char name[64];

	snprintf(name, sizeof(name), "/tmp/visor-notify-%d", (int)getpid());
	assert_string_equal(hear(name, notify_ready), "READY=1");
	unlink(name);
	snprintf(name, sizeof(name), "@visor-notify-%d", (int)getpid());
	assert_string_equal(hear(name, notify_stopping), "STOPPING=1");
}

static void a_reload_carries_the_time(void **state)
{
	char name[64];
	unsigned long long from, at, to;
	struct timespec now;

	snprintf(name, sizeof(name), "@visor-notify-%d", (int)getpid());
	clock_gettime(CLOCK_MONOTONIC, &now);
	from = (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
	assert_int_equal(
		sscanf(hear(name, notify_reloading), "RELOADING=1\nMONOTONIC_USEC=%llu", &at), 1);
	clock_gettime(CLOCK_MONOTONIC, &now);
	to = (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
	assert_in_range(at, from, to);
}

static void a_status_is_one_assignment(void **state)
{
	char name[64];

	snprintf(name, sizeof(name), "@visor-notify-%d", (int)getpid());
	assert_string_equal(hear(name, say_status), "STATUS=2 ports READY=1");
}

static void nobody_to_tell_is_fine(void **state)
{
	char name[200];

	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_ready(), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_ready(), 0);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	assert_int_equal(notify_ready(), -EAFNOSUPPORT);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	assert_int_equal(notify_ready(), -ENOENT);
	memset(name, '/', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_ready(), -ENAMETOOLONG);
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_reach_a_path_and_an_abstract_name),
		cmocka_unit_test(a_reload_carries_the_time),
		cmocka_unit_test(a_status_is_one_assignment),
		cmocka_unit_test(nobody_to_tell_is_fine),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
