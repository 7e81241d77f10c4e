/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify's protocol. See notify.h.
 *
 * $NOTIFY_SOCKET is a path, or '@' and a name in the abstract namespace. Other kinds of address
 * (vsock) are for virtual machines' init and are refused. The send does not block: a service
 * manager that is stuck is no reason for packets to be.
 */
#include "notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int send_state(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len;
	int fd, rc = 0;

	if (!name || !*name)
		return 0;
	len = strlen(name);
	if ((*name != '/' && *name != '@') || len < 2)
		return -EAFNOSUPPORT;
	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* An abstract name has no terminator: its length says where it ends. */
	if (sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&address,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int notify_ready(void)
{
	return send_state("READY=1");
}

/* The time tells the manager which of several reloads a following READY=1 belongs to. */
int notify_reloading(void)
{
	struct timespec now;
	char state[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	return send_state(state);
}

int notify_stopping(void)
{
	return send_state("STOPPING=1");
}

int notify_status(const char *format, ...)
{
	char state[512] = "STATUS=";
	const size_t used = strlen(state);
	va_list args;

	va_start(args, format);
	vsnprintf(state + used, sizeof(state) - used, format, args);
	va_end(args);
	/* A newline would start another assignment. */
	for (char *c = state; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return send_state(state);
}
