/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: a UNIX stream socket; a request is one line of JSON, an answer is one line
 * of JSON. Requests: {"command": "show ports", "args": {...}}; answers: {"ok": true, "result": …}
 * or {"ok": false, "error": "text", "errors": ["FILE:LINE: …"]}. A request is at most 64 KiB; a
 * client that sends more, sends rubbish, or does not read its answer is told (where possible) and
 * dropped; nobody can hold the control thread up. control.
 */
#ifndef VISOR_CONTROL_H
#define VISOR_CONTROL_H

#include <jansson.h>

#define CONTROL_REQUEST_MAX (64u << 10) /* bytes, without the newline */
#define CONTROL_ANSWER_MAX (16u << 20)	/* bytes; more is refused, with a word to use filters */
#define CONTROL_CLIENTS_MAX 64u
#define CONTROL_PATH_MAX 107u /* what sun_path holds */

struct control;
struct event_base;

/* Answer a command. `args` is always an object, perhaps empty. Returns a new object for "result",
 * or NULL with *error set (malloc'ed text) and perhaps *errors (array of strings). A handler may
 * not free the control. */
typedef json_t *control_handler(void *arg, const json_t *args, char **error, json_t **errors);

struct control_command {
	const char *name; /* "show ports" */
	control_handler *handler;
	void *arg;
};

/* Listen on `path` (0660, `group` where it exists; parent folder made 0755). A socket that a dead
 * process left is replaced; a live one is -EADDRINUSE, something that is not a socket -EEXIST, a
 * path that does not fit -ENAMETOOLONG; the log says which. Beside the socket stays `path`.lock,
 * which keeps two daemons that start at once apart. Ignores SIGPIPE for the process. */
int control_new(struct control **control, struct event_base *base, const char *path,
		const char *group);
/* The name is copied. -EEXIST where there is such a command already. */
int control_register(struct control *control, const struct control_command *command);
/* NULL is fine. Drops the clients, removes the socket. */
void control_free(struct control *control);
json_t *control_show(const struct control *control); /* clients, requests, rejected */

/* How long a client may take to send a request, or may leave its answer unread without taking any
 * of it; 30 s unless set. For those who connect from now on. */
void control_set_patience(struct control *control, unsigned milliseconds);

#endif
