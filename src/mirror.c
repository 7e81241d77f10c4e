/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The netlink mirror: when to dump, when to apply, when to start over.
 *
 *   listener ──→ backlog ──→ RIB        following: all the time
 *   requests ─────────────→ RIB         a dump; the backlog waits meanwhile
 *
 * The listener is joined before the first dump, so nothing falls between the two: what changes
 * during a dump is applied behind it, in order. Applying a change that the dump has already seen is
 * harmless, with one exception: messages that imply what the kernel does not say (mirror_apply.h).
 * One of those among the events of a dump leads to another dump.
 *
 * A resync is needed where events were lost (ENOBUFS), where the kernel says that a dump was
 * disturbed and repeating it did not help, for the exception above, and where the kernel changes
 * routes without saying so and nobody can know which. It waits for a pause that doubles while resyncs follow each other, so that a storm does
 * not keep the control thread dumping; until then events go on being applied.
 *
 * After ENOBUFS the kernel throws away everything until the listener's buffer is empty, and does
 * not say so again. A dump must therefore not begin before it is: see drain().
 *
 * Everything runs in slices, so that signals and clients of the control socket have their turn
 * while a million routes come in. Only the first dump and mirror_resync() run to the end.
 */
#include "mirror.h"

#include <errno.h>
#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "mirror_apply.h"
#include "mirror_backlog.h"
#include "mirror_socket.h"

#define RECEIVE_BUFFER (8u << 20)
#define DATAGRAM_MAX (64u << 10)   /* of an event: a link with everything that it can have */
#define DUMP_PART_MAX (256u << 10) /* of a dump: the kernel makes them 32 KiB at most */
#define BACKLOG_MAX (128u << 20)   /* beyond, events wait in the socket, and may be lost */
#define DRAIN_SLICE 4096	   /* datagrams read in one turn */
#define APPLY_SLICE 4096	   /* messages applied before others have their turn */
#define APPLY_TURN 256		   /* ... and before the listener is looked at again */
#define DUMP_TRIES 5
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 10000
#define ANSWER_TIMEOUT_S 30

enum cause {
	CAUSE_OVERRUN,
	CAUSE_INTERRUPTED,
	CAUSE_REPLAY,
	CAUSE_UNSAID,
	CAUSE_FAILED,
	CAUSE_ASKED,
	CAUSES,
};

static const struct {
	const char *name, *text;
} causes[CAUSES] = {
	[CAUSE_OVERRUN] = { "overrun", "events were lost" },
	[CAUSE_INTERRUPTED] = { "interrupted", "it changed while it was read" },
	[CAUSE_REPLAY] = { "replay", "links or addresses went during the last one" },
	[CAUSE_UNSAID] = { "unsaid", "routes may have changed with a link's MTU" },
	[CAUSE_FAILED] = { "failed", "the last one failed" },
	[CAUSE_ASKED] = { "asked", "asked for" },
};

static const struct {
	uint16_t type;
	uint8_t family;
	uint8_t routes; /* IP version */
} steps[] = {
	{ RTM_GETLINK, AF_UNSPEC, 0 }, { RTM_GETADDR, AF_INET, 0 },
	{ RTM_GETADDR, AF_INET6, 0 },  { RTM_GETNEXTHOP, AF_UNSPEC, 0 },
	{ RTM_GETROUTE, AF_INET, 4 },  { RTM_GETROUTE, AF_INET6, 6 },
	{ RTM_GETNEIGH, AF_INET, 0 },  { RTM_GETNEIGH, AF_INET6, 0 },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

struct mirror {
	struct mnl_socket *listener, *requests;
	struct event *readable, *answer, *more, *resync;
	struct mirror_apply apply;
	struct mirror_backlog backlog;
	unsigned receive_buffer;
	uint32_t seq, dump_seq;

	bool dumping;	  /* steps[step] has been asked for */
	bool interrupted; /* ... and the kernel says that it was disturbed */
	int dump_err;	  /* how the last one ended */
	bool disturbed;	  /* one of the steps stayed so */
	bool incomplete;  /* ... and not one of routes: nothing may be swept */
	bool lost;	  /* events were lost since the dump began */
	unsigned step, tries, parts;
	uint64_t removals,
		step_removals; /* events that take IPv6 routes away; at the step's begin */
	bool replaying;	       /* the backlog up to here is from before the end of the dump */
	uint64_t replay_until;

	unsigned pause_ms;
	uint64_t begin_ns, end_ns, dump_ns;
	uint64_t datagrams, resyncs[CAUSES], dumps, repeats, probe_errors, backlog_peak;
	struct log_limit lost_limit;
	char part[DUMP_PART_MAX] __attribute__((aligned(8)));
};

static void soon(struct mirror *mirror)
{
	static const struct timeval at_once = { 0, 0 };

	event_add(mirror->more, &at_once);
}

/* --- resyncs --- */

/* Sooner or later, depending on how long ago the last one was. */
static void resync_schedule(struct mirror *mirror, enum cause cause)
{
	uint64_t quiet_ms = (clock_now_ns() - mirror->end_ns) / 1000000;
	struct timeval wait;

	if (evtimer_pending(mirror->resync, NULL))
		return;
	mirror->resyncs[cause]++;
	if (quiet_ms > PAUSE_MAX_MS)
		mirror->pause_ms = PAUSE_MIN_MS;
	else
		mirror->pause_ms *= 2;
	if (mirror->pause_ms > PAUSE_MAX_MS)
		mirror->pause_ms = PAUSE_MAX_MS;
	wait.tv_sec = mirror->pause_ms / 1000;
	wait.tv_usec = (suseconds_t)(mirror->pause_ms % 1000 * 1000);
	event_add(mirror->resync, &wait);
	if (log_allowed(&mirror->lost_limit, 3, 60))
		log_info("netlink: full resync in %u ms: %s", mirror->pause_ms, causes[cause].text);
}

static void events_lost(struct mirror *mirror)
{
	if (mirror->dumping)
		mirror->lost = true;
	else
		resync_schedule(mirror, CAUSE_OVERRUN);
}

/* --- events --- */

/* Does it say that IPv6 routes go, or imply it? */
static bool removes_routes6(const struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_DELROUTE)
		return message->nlmsg_len > NLMSG_HDRLEN &&
		       *(const uint8_t *)NLMSG_DATA(message) == AF_INET6;
	return message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK ||
	       message->nlmsg_type == RTM_DELNEXTHOP;
}

/* Reads events into the backlog: at most `max`, or until there are none. */
static void drain(struct mirror *mirror, unsigned max)
{
	while (max--) {
		uint8_t *room = NULL;
		ssize_t n;

		if (mirror_backlog_bytes(&mirror->backlog) < BACKLOG_MAX)
			room = mirror_backlog_room(&mirror->backlog, DATAGRAM_MAX + NLMSG_ALIGNTO);
		if (!room)
			return;
		n = mirror_socket_receive(mirror->listener, room, DATAGRAM_MAX);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			events_lost(mirror);
			continue;
		}
		mirror->datagrams++;
		/* the kernel puts one event into a datagram */
		mirror->removals += (size_t)n >= NLMSG_HDRLEN &&
				    removes_routes6((const void *)room);
		mirror_backlog_added(&mirror->backlog, (size_t)n);
	}
}

static void replay_end(struct mirror *mirror)
{
	mirror->replaying = false;
	mirror->dumps++;
	if (mirror->apply.callbacks.synced)
		mirror->apply.callbacks.synced(mirror->apply.callbacks.arg);
}

/* One event into the RIB; what it says about the need for a dump. */
static void apply_event(struct mirror *mirror, const struct nlmsghdr *message)
{
	unsigned unsaid = mirror_apply_message(&mirror->apply, message);

	if (unsaid & MIRROR_UNKNOWN)
		resync_schedule(mirror, CAUSE_UNSAID);
	else if ((unsaid & MIRROR_INFERRED) && mirror->replaying)
		resync_schedule(mirror, CAUSE_REPLAY);
}

static bool replay_done(const struct mirror *mirror)
{
	return mirror->replaying && mirror->backlog.taken >= mirror->replay_until;
}

/* Applies some events, unless they have to wait for the end of a dump. */
static void apply_some(struct mirror *mirror, unsigned max)
{
	const struct nlmsghdr *message;

	while (max-- && !mirror->dumping && !replay_done(mirror)) {
		message = mirror_backlog_take(&mirror->backlog);
		if (!message)
			break;
		apply_event(mirror, message);
	}
}

/* Reads much and applies little, in turns: it is reading that must not fall behind. */
static void follow_slice(struct mirror *mirror)
{
	uint64_t bytes;

	for (unsigned done = 0; done < APPLY_SLICE; done += APPLY_TURN) {
		drain(mirror, DRAIN_SLICE);
		bytes = mirror_backlog_bytes(&mirror->backlog);
		if (mirror->backlog_peak < bytes)
			mirror->backlog_peak = bytes;
		apply_some(mirror, APPLY_TURN);
		if (mirror->dumping || !bytes)
			break;
	}
	rib_commit(mirror->apply.rib);
	if (replay_done(mirror))
		replay_end(mirror);
	if (mirror_backlog_bytes(&mirror->backlog) && !mirror->dumping)
		soon(mirror);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	follow_slice(arg);
}

/* --- dumps --- */

static void step_begin(struct mirror *mirror)
{
	int err;

	mirror->interrupted = false;
	mirror->parts = 0;
	mirror->step_removals = mirror->removals;
	mirror->dump_seq = ++mirror->seq;
	err = mirror_socket_dump(mirror->requests, steps[mirror->step].type,
				 steps[mirror->step].family, mirror->dump_seq);
	if (err)
		log_error("netlink: dump request: %s", strerror(-err)); /* the timeout ends it */
}

/* The dump is over, for good or bad. */
static void dump_end(struct mirror *mirror, int err)
{
	mirror->dumping = false;
	event_del(mirror->answer);
	event_add(mirror->answer, NULL);
	mirror->end_ns = clock_now_ns();
	mirror->dump_ns = mirror->end_ns - mirror->begin_ns;
	mirror->dump_err = err;
	if (err)
		log_warning("netlink: dump: %s", strerror(-err));
	mirror_apply_end(&mirror->apply, !err && !mirror->incomplete);
	rib_commit(mirror->apply.rib);
	mirror->replaying = true;
	mirror->replay_until = mirror->backlog.taken + mirror_backlog_bytes(&mirror->backlog);
	if (err)
		resync_schedule(mirror, CAUSE_FAILED);
	else if (mirror->lost)
		resync_schedule(mirror, CAUSE_OVERRUN);
	else if (mirror->disturbed)
		resync_schedule(mirror, CAUSE_INTERRUPTED);
	soon(mirror);
}

/*
 * A dump of IPv6 routes that takes several parts is continued, after a change, by skipping as many
 * prefixes as it has shown: one that was removed meanwhile makes it skip one that was never shown.
 * The kernel sets no NLM_F_DUMP_INTR for that (it does for links, addresses and next-hop objects,
 * and continues IPv4 routes by prefix), so the events have to tell.
 */
static bool step_skipped(struct mirror *mirror)
{
	if (steps[mirror->step].routes != 6 || mirror->parts < 2)
		return false;
	drain(mirror, DRAIN_SLICE);
	return mirror->lost || mirror->removals != mirror->step_removals;
}

/* It changed while it was read: again, or, where that has been tried, without believing it. */
static bool step_again(struct mirror *mirror)
{
	unsigned routes = steps[mirror->step].routes;

	if (++mirror->tries < DUMP_TRIES) {
		mirror->repeats++;
		if (routes)
			rib_resync_again(mirror->apply.rib, routes);
		return true;
	}
	mirror->disturbed = true;
	if (routes)
		rib_resync_keep(mirror->apply.rib, routes);
	else
		mirror->incomplete = true;
	return false;
}

static void step_end(struct mirror *mirror, int err)
{
	/* a kernel without IPv6 or without next-hop objects has none */
	if (err == -EOPNOTSUPP || err == -EAFNOSUPPORT)
		err = 0;
	if (err == -EBUSY || err == -EAGAIN || err == -ENOBUFS || err == -EINTR)
		mirror->interrupted = true;
	else if (err)
		return dump_end(mirror, err);
	if ((mirror->interrupted || step_skipped(mirror)) && step_again(mirror))
		return step_begin(mirror);
	mirror->tries = 0;
	if (++mirror->step == STEPS)
		return dump_end(mirror, 0);
	step_begin(mirror);
}

/* The error that a message carries, 0 for none. */
static int error_of(const struct nlmsghdr *message)
{
	int error = 0;

	if (message->nlmsg_len >= NLMSG_HDRLEN + sizeof(error))
		memcpy(&error, NLMSG_DATA(message), sizeof(error));
	return error;
}

/* False where it ends the step. */
static bool on_answer_message(struct mirror *mirror, const struct nlmsghdr *message, int *err)
{
	if (!mirror->dumping || message->nlmsg_seq != mirror->dump_seq) {
		mirror->probe_errors += message->nlmsg_type == NLMSG_ERROR;
		return true;
	}
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		mirror->interrupted = true;
	if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
		*err = error_of(message);
		return false;
	}
	mirror_apply_message(&mirror->apply, message);
	return true;
}

/* One part of a dump. How many messages it had. */
static unsigned on_part(struct mirror *mirror, size_t bytes)
{
	const struct nlmsghdr *message = (const void *)mirror->part;
	int left = (int)bytes, err = 0;
	unsigned n = 0;

	/* the end may come in a datagram of its own */
	if (mnl_nlmsg_ok(message, left) && message->nlmsg_type != NLMSG_DONE)
		mirror->parts++;
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		n++;
		if (!on_answer_message(mirror, message, &err)) {
			step_end(mirror, err);
			break;
		}
	}
	return n;
}

/* Reads answers for a while; false where there are no more now. */
static bool answer_slice(struct mirror *mirror)
{
	unsigned done = 0;

	while (done < APPLY_SLICE) {
		ssize_t n =
			mirror_socket_receive(mirror->requests, mirror->part, sizeof(mirror->part));

		if (n == -EAGAIN)
			return false;
		if (n >= 0)
			done += on_part(mirror, (size_t)n);
		else if (mirror->dumping)
			mirror->interrupted = true; /* ENOBUFS: a part is missing */
	}
	return true;
}

static void dump_begin(struct mirror *mirror)
{
	static const struct timeval timeout = { ANSWER_TIMEOUT_S, 0 };

	event_del(mirror->resync);
	if (mirror->replaying)
		replay_end(mirror); /* its synced() must not be left out */
	/* the kernel begins no dump on a socket where another one has not been read to its end */
	mirror->dump_seq = ++mirror->seq;
	while (answer_slice(mirror))
		;
	mirror->dumping = true;
	mirror->begin_ns = clock_now_ns();
	drain(mirror, UINT32_MAX);
	mirror->lost = mirror->disturbed = mirror->incomplete = false;
	mirror->step = mirror->tries = 0;
	event_del(mirror->answer);
	event_add(mirror->answer, &timeout);
	mirror_apply_begin(&mirror->apply);
	step_begin(mirror);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct mirror *mirror = arg;

	if (what & EV_TIMEOUT) {
		if (mirror->dumping)
			dump_end(mirror, -ETIMEDOUT);
		return;
	}
	answer_slice(mirror);
	drain(mirror, DRAIN_SLICE);
	if (mirror->dumping)
		rib_commit(mirror->apply.rib);
}

static void on_resync(evutil_socket_t fd, short what, void *arg)
{
	struct mirror *mirror = arg;

	if (!mirror->dumping)
		dump_begin(mirror);
}

/* A dump from now on, and what happened during it, to the end. */
static int dump_now(struct mirror *mirror)
{
	struct pollfd fd = { .fd = mnl_socket_get_fd(mirror->requests), .events = POLLIN };

	dump_begin(mirror);
	while (mirror->dumping) {
		if (!poll(&fd, 1, ANSWER_TIMEOUT_S * 1000)) {
			dump_end(mirror, -ETIMEDOUT);
			break;
		}
		answer_slice(mirror);
		drain(mirror, DRAIN_SLICE);
	}
	while (mirror->replaying)
		follow_slice(mirror);
	return mirror->dump_err;
}

int mirror_resync(struct mirror *mirror)
{
	mirror->resyncs[CAUSE_ASKED]++;
	return dump_now(mirror);
}

int mirror_probe(struct mirror *mirror, int ifindex, const struct ip_addr *addr)
{
	return mirror_socket_probe(mirror->requests, ifindex, addr, ++mirror->seq);
}

/* --- life --- */

static int mirror_open(struct mirror *mirror, struct event_base *base, unsigned receive_buffer)
{
	int err;

	mirror->receive_buffer = receive_buffer ? receive_buffer : RECEIVE_BUFFER;
	receive_buffer = mirror->receive_buffer;
	err = mirror_socket_listener(&mirror->listener, &mirror->receive_buffer);
	if (err)
		return err;
	if (mirror->receive_buffer < receive_buffer)
		log_warning("netlink: the kernel gives a receive buffer of %u bytes instead of %u: "
			    "raise net.core.rmem_max",
			    mirror->receive_buffer, receive_buffer);
	else
		log_info("netlink: a receive buffer of %u bytes", mirror->receive_buffer);
	err = mirror_socket_requests(&mirror->requests);
	if (err)
		return err;
	mirror->readable = event_new(base, mnl_socket_get_fd(mirror->listener),
				     EV_READ | EV_PERSIST, on_more, mirror);
	mirror->answer = event_new(base, mnl_socket_get_fd(mirror->requests), EV_READ | EV_PERSIST,
				   on_answer, mirror);
	mirror->more = evtimer_new(base, on_more, mirror);
	mirror->resync = evtimer_new(base, on_resync, mirror);
	if (!mirror->readable || !mirror->answer || !mirror->more || !mirror->resync ||
	    event_add(mirror->readable, NULL) || event_add(mirror->answer, NULL))
		return -ENOMEM;
	return 0;
}

int mirror_new(struct mirror **result, struct event_base *base, struct rib *rib,
	       const struct mirror_options *options, const struct mirror_callbacks *callbacks)
{
	struct mirror *mirror = calloc(1, sizeof(*mirror));
	int err;

	if (!mirror)
		return -ENOMEM;
	mirror->pause_ms = PAUSE_MIN_MS;
	err = mirror_apply_init(&mirror->apply, rib, callbacks);
	if (!err)
		err = mirror_open(mirror, base, options->receive_buffer);
	if (!err)
		err = dump_now(mirror);
	if (err) {
		mirror_free(mirror);
		return err;
	}
	*result = mirror;
	return 0;
}

void mirror_free(struct mirror *mirror)
{
	struct event *events[4];

	if (!mirror)
		return;
	memcpy(events,
	       (struct event *[]){ mirror->readable, mirror->answer, mirror->more, mirror->resync },
	       sizeof(events));
	for (unsigned i = 0; i < 4; i++)
		if (events[i])
			event_free(events[i]);
	if (mirror->listener)
		mnl_socket_close(mirror->listener);
	if (mirror->requests)
		mnl_socket_close(mirror->requests);
	mirror_backlog_free(&mirror->backlog);
	mirror_apply_fini(&mirror->apply);
	free(mirror);
}

json_t *mirror_show(const struct mirror *mirror)
{
	json_t *out = json_object(), *resyncs = json_object();

	if (!mirror) {
		json_decref(resyncs);
		return out;
	}
	for (unsigned i = 0; i < CAUSES; i++)
		json_object_set_new(resyncs, causes[i].name,
				    json_integer((json_int_t)mirror->resyncs[i]));
	json_object_set_new(out, "datagrams", json_integer((json_int_t)mirror->datagrams));
	json_object_set_new(out, "receive_buffer", json_integer(mirror->receive_buffer));
	json_object_set_new(out, "backlog",
			    json_integer((json_int_t)mirror_backlog_bytes(&mirror->backlog)));
	json_object_set_new(out, "backlog_peak", json_integer((json_int_t)mirror->backlog_peak));
	json_object_set_new(out, "dumps", json_integer((json_int_t)mirror->dumps));
	json_object_set_new(out, "repeats", json_integer((json_int_t)mirror->repeats));
	json_object_set_new(out, "dumping", json_boolean(mirror->dumping));
	json_object_set_new(out, "last_dump_ms", json_real((double)mirror->dump_ns / 1e6));
	json_object_set_new(out, "probe_errors", json_integer((json_int_t)mirror->probe_errors));
	json_object_set_new(out, "resyncs", resyncs);
	mirror_apply_show(&mirror->apply, out);
	return out;
}
