/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's clients. See control.h.
 *
 * The control thread also mirrors netlink and reloads; a client must not be able to keep it from
 * that. Hence:
 *  - One event, one piece of work. Each turn of the event loop accepts a few connections and
 *    answers at most one request of each client, so floods of either share the loop.
 *  - A client's next request is looked at when it has taken the last answer in full. It never has
 *    more than one answer and one request in our memory, both bounded.
 *  - A request must be complete within the patience after the connection or the last answer,
 *    however the bytes trickle in; an answer must move at least once in that time.
 *  - Requests are found by their newline; a line that is not JSON means that we no longer know
 *    where we are in the stream, so the client is told and dropped. A well-formed request for
 *    something that does not exist costs it nothing.
 */
#include "control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_socket.h"
#include "log.h"

#define PATIENCE_MS 30000u
#define ACCEPTS_PER_TURN 16
#define ACCEPT_PAUSE_MS 200

struct client {
	TAILQ_ENTRY(client) link;
	struct control *control;
	struct bufferevent *stream;
	struct event *deadline; /* of the request that is awaited */
	size_t searched;	/* bytes of the input known to hold no newline */
	bool eof;		/* it will send no more */
	bool refused;		/* close once the last answer is out */
};

struct control {
	struct event_base *base;
	struct control_socket sock;
	struct event *acceptor, *resume;
	TAILQ_HEAD(client_list, client) clients;
	unsigned n_clients, n_commands;
	struct control_command *commands;
	struct timeval patience;
	uint64_t accepted, requests, failed, rejected;
	struct log_limit limit;
};

static void client_free(struct client *client)
{
	struct control *control = client->control;

	TAILQ_REMOVE(&control->clients, client, link);
	control->n_clients--;
	if (client->deadline)
		event_free(client->deadline);
	if (client->stream)
		bufferevent_free(client->stream);
	free(client);
}

static int answer_piece(const char *text, size_t len, void *arg)
{
	struct evbuffer *out = arg;

	if (evbuffer_get_length(out) + len > CONTROL_ANSWER_MAX)
		return -1;
	return evbuffer_add(out, text, len);
}

/* Queue an answer; takes the reference. false where it is too large or there is no memory. The
 * client's time begins now, not when the loop last looked at the clock: a command such as a reload
 * may have taken long. */
static bool client_send(struct client *client, json_t *answer)
{
	struct evbuffer *out = evbuffer_new();
	bool sent = answer && out && !json_dump_callback(answer, answer_piece, out, JSON_COMPACT) &&
		    !evbuffer_add(out, "\n", 1);

	event_base_update_cache_time(client->control->base);
	sent = sent && !bufferevent_write_buffer(client->stream, out);
	if (out)
		evbuffer_free(out);
	json_decref(answer);
	if (sent)
		event_del(client->deadline);
	return sent;
}

static json_t *failure(const char *text, json_t *errors)
{
	json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", text);

	/* Text that is not UTF-8 cannot be put into JSON; a file's name may be such. */
	if (!answer)
		answer = json_pack("{s:b, s:s}", "ok", 0, "error", "(unprintable error)");
	if (errors)
		json_object_set_new(answer, "errors", errors);
	return answer;
}

/* Tell the client and let it go. */
static void client_refuse(struct client *client, const char *why)
{
	struct evbuffer *in = bufferevent_get_input(client->stream);

	client->control->rejected++;
	log_debug("control client dropped: %s", why);
	client->refused = true;
	bufferevent_disable(client->stream, EV_READ);
	evbuffer_drain(in, evbuffer_get_length(in));
	client_send(client, failure(why, NULL));
}

static const struct control_command *find_command(const struct control *control, const char *name)
{
	for (unsigned i = 0; i < control->n_commands; i++)
		if (!strcmp(control->commands[i].name, name))
			return &control->commands[i];
	return NULL;
}

static json_t *run(struct control *control, const char *name, const json_t *args)
{
	const struct control_command *command = find_command(control, name);
	json_t *result, *errors = NULL, *answer;
	char *error = NULL;

	if (command) {
		result = command->handler(command->arg, args, &error, &errors);
		if (result) {
			free(error);
			json_decref(errors);
			return json_pack("{s:b, s:o}", "ok", 1, "result", result);
		}
	} else if (asprintf(&error, "unknown command '%s'", name) < 0) {
		error = NULL;
	}
	control->failed++;
	answer = failure(error ? error : "the command failed without saying why", errors);
	free(error);
	return answer;
}

/* The answer to a well-formed JSON value, which may still not be a request. */
static json_t *answer_request(struct control *control, json_t *request)
{
	const char *command = NULL, *key;
	json_t *args = NULL, *value, *none, *answer;

	if (!json_is_object(request))
		return failure("expected an object: {\"command\": \"show ports\"}", NULL);
	json_object_foreach (request, key, value) {
		if (!strcmp(key, "command") && json_is_string(value))
			command = json_string_value(value);
		else if (!strcmp(key, "args") && json_is_object(value))
			args = value;
		else
			return failure(
				"expected \"command\" (a string) and perhaps \"args\" (an object), "
				"nothing else",
				NULL);
	}
	if (!command)
		return failure("\"command\" is missing: {\"command\": \"show ports\"}", NULL);
	none = args ? NULL : json_object();
	answer = run(control, command, args ? args : none);
	json_decref(none);
	return answer;
}

static void client_answer(struct client *client, const char *line, size_t len)
{
	struct control *control = client->control;
	json_t *request, *answer;
	json_error_t error;
	char why[JSON_ERROR_TEXT_LENGTH + 64];

	control->requests++;
	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!request) {
		snprintf(why, sizeof(why), "not a line of JSON: %s (byte %d)", error.text,
			 error.position);
		client_refuse(client, why);
		return;
	}
	answer = answer_request(control, request);
	json_decref(request);
	if (!client_send(client, answer) &&
	    !client_send(client, failure("the answer is too large; ask for less of it", NULL)))
		client_refuse(client, "out of memory");
}

static bool is_blank(const char *text, size_t len)
{
	while (len && strchr(" \t\r\n", text[len - 1]) && text[len - 1])
		len--;
	return !len;
}

/* Length of the first line in the input without its newline; at the end of the stream what is left
 * counts as a line. -1: not complete. */
static ssize_t next_line(struct client *client, struct evbuffer *in)
{
	struct evbuffer_ptr from, newline;
	size_t len = evbuffer_get_length(in);

	if (client->searched < len) {
		evbuffer_ptr_set(in, &from, client->searched, EVBUFFER_PTR_SET);
		newline = evbuffer_search(in, "\n", 1, &from);
		if (newline.pos >= 0)
			return newline.pos;
	}
	client->searched = len;
	return client->eof && len ? (ssize_t)len : -1;
}

/* A request starts with '{'. What starts otherwise is refused without waiting for a newline that
 * may never come. */
static bool starts_wrong(struct evbuffer *in)
{
	unsigned char first;

	return evbuffer_copyout(in, &first, 1) == 1 && !strchr("{ \t\r\n", first ? first : 'x');
}

/* Look for a request and answer it. false: there is nothing to do for now. */
static bool client_take_line(struct client *client)
{
	struct evbuffer *in = bufferevent_get_input(client->stream);
	ssize_t len;
	char *line;

	if (starts_wrong(in)) {
		client_refuse(client, "not a line of JSON: '{' was expected");
		return true;
	}
	len = next_line(client, in);
	if (len > (ssize_t)CONTROL_REQUEST_MAX ||
	    (len < 0 && evbuffer_get_length(in) > CONTROL_REQUEST_MAX)) {
		client_refuse(client, "the request is longer than 64 KiB");
		return true;
	}
	if (len < 0)
		return false;
	client->searched = 0;
	line = (char *)evbuffer_pullup(in, len);
	if (len && !line)
		client_refuse(client, "out of memory");
	else if (!is_blank(line, (size_t)len))
		client_answer(client, line, (size_t)len);
	if (!client->refused)
		evbuffer_drain(in, (size_t)len + 1);
	return true;
}

/* Do the next thing for this client: one request, or the end. Blank lines are skipped. */
static void client_step(struct client *client)
{
	const struct evbuffer *out = bufferevent_get_output(client->stream);

	do {
		if (evbuffer_get_length(out))
			return; /* on_drained() goes on */
	} while (!client->refused && client_take_line(client));
	if (client->refused || client->eof)
		client_free(client);
}

static void on_readable(struct bufferevent *stream, void *arg)
{
	client_step(arg);
}

/* The answer has been taken in full. */
static void on_drained(struct bufferevent *stream, void *arg)
{
	struct client *client = arg;

	event_add(client->deadline, &client->control->patience);
	client_step(client);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	struct client *client = arg;

	if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING)) {
		client->eof = true; /* it may still read: `nc -N` and the like */
		client_step(client);
		return;
	}
	if (what & BEV_EVENT_TIMEOUT)
		client->control->rejected++;
	client_free(client);
}

static void on_deadline(int fd, short what, void *arg)
{
	client_refuse(arg, "no complete request in time");
	client_step(arg);
}

static void log_peer(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		log_debug("control client connected: pid %d, uid %u, gid %u", (int)peer.pid,
			  peer.uid, peer.gid);
}

/* Takes over fd. */
static int client_new(struct control *control, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	client->control = control;
	TAILQ_INSERT_TAIL(&control->clients, client, link);
	control->n_clients++;
	client->stream = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!client->stream)
		close(fd);
	client->deadline = evtimer_new(control->base, on_deadline, client);
	if (!client->stream || !client->deadline) {
		client_free(client);
		return -ENOMEM;
	}
	bufferevent_setcb(client->stream, on_readable, on_drained, on_event, client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, CONTROL_REQUEST_MAX + 1);
	bufferevent_set_timeouts(client->stream, NULL, &control->patience);
	event_add(client->deadline, &control->patience);
	return bufferevent_enable(client->stream, EV_READ | EV_WRITE) ? -EIO : 0;
}

/* One short line fits the empty buffer of a new socket; if it does not, so be it. */
static void turn_away(struct control *control, int fd)
{
	static const char full[] = "{\"ok\":false,\"error\":\"too many clients; try again\"}\n";

	control->rejected++;
	if (log_allowed(&control->limit, 5, 10))
		log_warning("control socket '%s': %u clients, another was turned away",
			    control->sock.path, control->n_clients);
	(void)!send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void on_resume(int fd, short what, void *arg)
{
	struct control *control = arg;

	event_add(control->acceptor, NULL);
}

/* Out of descriptors: the connection stays pending and would wake us at once again. */
static void pause_accepting(struct control *control, int error)
{
	const struct timeval pause = { .tv_usec = ACCEPT_PAUSE_MS * 1000 };

	if (log_allowed(&control->limit, 5, 10))
		log_warning("control socket '%s': cannot accept: %s", control->sock.path,
			    strerror(error));
	event_del(control->acceptor);
	event_add(control->resume, &pause);
}

static void on_connection(int listener, short what, void *arg)
{
	struct control *control = arg;

	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				pause_accepting(control, errno);
			return;
		}
		control->accepted++;
		log_peer(fd);
		if (control->n_clients >= CONTROL_CLIENTS_MAX)
			turn_away(control, fd);
		else
			client_new(control, fd);
	}
}

int control_new(struct control **out, struct event_base *base, const char *path, const char *group)
{
	struct control *control = calloc(1, sizeof(*control));
	int rc;

	if (!control)
		return -ENOMEM;
	TAILQ_INIT(&control->clients);
	control->base = base;
	control_set_patience(control, PATIENCE_MS);
	rc = control_socket_open(&control->sock, path, group);
	if (rc)
		goto fail;
	rc = -ENOMEM;
	control->acceptor =
		event_new(base, control->sock.fd, EV_READ | EV_PERSIST, on_connection, control);
	control->resume = evtimer_new(base, on_resume, control);
	if (!control->acceptor || !control->resume || event_add(control->acceptor, NULL))
		goto fail;
	/* Writing to a client that has just gone must not end the daemon. */
	signal(SIGPIPE, SIG_IGN);
	*out = control;
	return 0;
fail:
	control_free(control);
	return rc;
}

void control_set_patience(struct control *control, unsigned milliseconds)
{
	control->patience = (struct timeval){
		.tv_sec = milliseconds / 1000,
		.tv_usec = milliseconds % 1000 * 1000,
	};
}

int control_register(struct control *control, const struct control_command *command)
{
	struct control_command *grown;
	char *name;

	if (!command->name || !command->handler)
		return -EINVAL;
	if (find_command(control, command->name))
		return -EEXIST;
	name = strdup(command->name);
	grown = reallocarray(control->commands, control->n_commands + 1, sizeof(*grown));
	if (grown)
		control->commands = grown;
	if (!name || !grown) {
		free(name);
		return -ENOMEM;
	}
	grown[control->n_commands] = *command;
	grown[control->n_commands++].name = name;
	return 0;
}

void control_free(struct control *control)
{
	struct client *client;

	if (!control)
		return;
	while ((client = TAILQ_FIRST(&control->clients)))
		client_free(client);
	if (control->acceptor)
		event_free(control->acceptor);
	if (control->resume)
		event_free(control->resume);
	if (control->sock.path)
		control_socket_close(&control->sock);
	for (unsigned i = 0; i < control->n_commands; i++)
		free((char *)control->commands[i].name);
	free(control->commands);
	free(control);
}

json_t *control_show(const struct control *control)
{
	return json_pack("{s:i, s:I, s:I, s:I, s:I}", "clients", (int)control->n_clients,
			 "accepted", (json_int_t)control->accepted, "requests",
			 (json_int_t)control->requests, "failed", (json_int_t)control->failed,
			 "rejected", (json_int_t)control->rejected);
}
