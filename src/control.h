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

struct control;
struct event_base;

/* Answer a command. Returns a new object for "result", or NULL with *error set (malloc'ed text)
 * and perhaps *errors (array of strings). */
typedef json_t *control_handler(void *arg, const json_t *args, char **error, json_t **errors);

struct control_command {
	const char *name; /* "show ports" */
	control_handler *handler;
	void *arg;
};

/* Listen on `path` (0660, `group` where it exists; parent folder made 0755). A socket that a dead
 * process left is replaced; a live one is -EADDRINUSE. */
int control_new(struct control **control, struct event_base *base, const char *path,
		const char *group);
int control_register(struct control *control, const struct control_command *command);
void control_free(struct control *control);
json_t *control_show(const struct control *control); /* clients, requests, rejected */

#endif
