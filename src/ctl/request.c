/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question to the daemon. See request.h.
 *
 * One connection per question: the daemon drops idle clients, and a daemon that was restarted
 * under `--watch` is found again. A message about what failed says what to do, because the usual
 * reader has just installed this and it does not work.
 */
#include "request.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SILENCE_MS 60000
#define ANSWER_MAX ((size_t)256 << 20)
#define CONNECT_TRIES 40
#define CONNECT_PAUSE_US 50000

static void explain_denied(const char *path)
{
	struct stat st;
	const struct passwd *user;
	const struct group *group;

	if (stat(path, &st)) {
		fprintf(stderr,
			"visorctl: the folder of '%s' may not be searched by this user; try sudo\n",
			path);
		return;
	}
	user = getpwuid(st.st_uid);
	group = getgrgid(st.st_gid);
	fprintf(stderr,
		"visorctl: '%s' is for user %s and group %s only; try sudo, or join the group: "
		"sudo usermod -aG %s \"$USER\", then log in again\n",
		path, user ? user->pw_name : "?", group ? group->gr_name : "?",
		group && st.st_gid ? group->gr_name : "visor");
}

static void explain_unreachable(const char *path, int error)
{
	fprintf(stderr, "visorctl: cannot reach visord at '%s': ", path);
	switch (error) {
	case ENOENT:
		fputs("there is no such socket\n"
		      "visorctl: is visord running? Start it: systemctl start visord, or "
		      "visord --config FILE\n"
		      "visorctl: another socket (control.socket in its configuration) is given by "
		      "-s SOCKET\n",
		      stderr);
		break;
	case ECONNREFUSED:
		fputs("a socket is there, but nobody listens on it\n"
		      "visorctl: visord has ended; start it again: systemctl start visord, or "
		      "visord --config FILE\n",
		      stderr);
		break;
	case EACCES:
	case EPERM:
		fputs("permission denied\n", stderr);
		explain_denied(path);
		break;
	case EAGAIN: fputs("too many others are connecting; try again\n", stderr); break;
	default: fprintf(stderr, "%s\n", strerror(error));
	}
}

/* The queue of connections is short by design, and full only for a moment. */
static int connect_patiently(int fd, const struct sockaddr_un *address)
{
	for (int tries = CONNECT_TRIES; tries; tries--) {
		if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)))
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		usleep(CONNECT_PAUSE_US);
	}
	return -1;
}

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!*path || strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "visorctl: '%s': the path of a socket has 1 to %zu bytes\n", path,
			sizeof(address.sun_path) - 1);
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect_patiently(fd, &address)) {
		explain_unreachable(path, errno);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* 0: ready; else errno. */
static int wait_for(int fd, short events)
{
	struct pollfd ready = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&ready, 1, SILENCE_MS);
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n ? errno : ETIMEDOUT;
}

/* What was not taken is no reason to stop: the daemon may have said why before it hung up. */
static int send_line(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			int rc = wait_for(fd, POLLOUT);

			if (rc)
				return rc;
		} else if (errno != EINTR) {
			return errno == EPIPE || errno == ECONNRESET ? 0 : errno;
		}
	}
	return 0;
}

/* One line of answer, without the newline. 0 or errno; EPIPE where the stream ended before. */
static int receive_line(int fd, char **line, size_t *len)
{
	size_t size = 0;

	*line = NULL;
	*len = 0;
	for (;;) {
		ssize_t n;

		if (size - *len < 65536) {
			char *grown = size < ANSWER_MAX ? realloc(*line, size = 2 * size + 131072) :
							  NULL;

			if (!grown)
				return ENOMEM;
			*line = grown;
		}
		n = recv(fd, *line + *len, size - *len, 0);
		if (n == 0)
			return EPIPE;
		if (n < 0 && errno == EAGAIN) {
			int rc = wait_for(fd, POLLIN);

			if (rc)
				return rc;
		} else if (n < 0 && errno != EINTR) {
			return errno;
		} else if (n > 0) {
			bool complete = memchr(*line + *len, '\n', (size_t)n) != NULL;

			*len += (size_t)n;
			if (complete)
				return 0;
		}
	}
}

static int converse(int fd, const json_t *question, json_t **answer)
{
	char *text = json_dumps(question, JSON_COMPACT), *line = NULL;
	size_t len = 0;
	int rc = text ? send_line(fd, text, strlen(text)) : ENOMEM;

	*answer = NULL;
	if (!rc)
		rc = send_line(fd, "\n", 1);
	if (!rc)
		rc = receive_line(fd, &line, &len);
	if (!rc)
		*answer = json_loadb(line, len, 0, NULL);
	free(text);
	free(line);
	return rc;
}

static void explain_silence(const char *path, int error)
{
	const char *what = strerror(error);

	if (error == EPIPE || error == ECONNRESET)
		what = "it hung up without an answer";
	else if (error == ETIMEDOUT)
		what = "no answer for a minute; it may be stopped or very busy";
	else if (!error)
		what = "what answers there is not visord";
	fprintf(stderr, "visorctl: visord at '%s': %s\n", path, what);
}

static void explain_refusal(const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	const json_t *errors = json_object_get(answer, "errors");
	json_t *item;
	size_t i;

	json_array_foreach (errors, i, item) {
		if (json_is_string(item))
			fprintf(stderr, "%s\n", json_string_value(item));
	}
	fprintf(stderr, "visorctl: %s\n", error ? error : "the daemon refused without saying why");
}

static enum outcome judge(const char *path, const json_t *answer, json_t **result)
{
	const json_t *ok = json_object_get(answer, "ok");

	if (!json_is_boolean(ok)) {
		explain_silence(path, 0);
		return OUTCOME_UNREACHABLE;
	}
	if (json_is_false(ok)) {
		explain_refusal(answer);
		return OUTCOME_REFUSED;
	}
	*result = json_incref(json_object_get(answer, "result"));
	if (!*result)
		*result = json_object();
	return OUTCOME_OK;
}

enum outcome request_run(const char *path, const char *command, json_t *args, json_t **result)
{
	enum outcome outcome = OUTCOME_UNREACHABLE;
	json_t *question = json_pack("{s:s}", "command", command), *answer = NULL;
	int fd = dial(path), rc;

	*result = NULL;
	if (fd >= 0 && question) {
		if (args)
			json_object_set(question, "args", args);
		rc = converse(fd, question, &answer);
		if (rc)
			explain_silence(path, rc);
		else
			outcome = judge(path, answer, result);
	}
	if (fd >= 0)
		close(fd);
	json_decref(question);
	json_decref(answer);
	return outcome;
}
