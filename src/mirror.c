/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The netlink mirror: two sockets, the dump, the events, the resync.
 *
 * The listener has joined its groups before the first dump begins, so nothing falls between the
 * two: what changes meanwhile waits in the listener's buffer and is applied after the dump, in
 * order. Applying a change twice is harmless, since the RIB's setters say what is, not what
 * happened. Lost events (ENOBUFS) or a dump that the kernel says was disturbed (NLM_F_DUMP_INTR)
 * lead to a resync, not more often than once a second, however hard the storm.
 *
 * Events are taken in slices of SLICE_MESSAGES, so that signals and the control socket have their
 * turn while a million routes come in.
 */
#include "mirror.h"

#include <errno.h>
#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "mirror_parse.h"

#define BUFFER_BYTES (512 * 1024) /* a dump's part is at most 32 KiB, more where asked for */
#define RECEIVE_BUFFER (8u << 20)
#define SLICE_MESSAGES 20000
#define DUMP_TRIES 5
#define RESYNC_PAUSE_MS 1000

enum resync_cause { RESYNC_OVERRUN, RESYNC_INTERRUPTED, RESYNC_ASKED, RESYNC_CAUSES };

struct mirror {
	struct mnl_socket *listener, *requests;
	struct rib *rib;
	struct event *readable, *resync;
	struct mirror_callbacks callbacks;
	unsigned receive_buffer, seq;
	bool interrupted;  /* the dump under way was disturbed */
	bool resync_armed;
	uint64_t messages, errors, verdicts[MIRROR_VERDICTS], refusals[MIRROR_REFUSALS];
	uint64_t resyncs[RESYNC_CAUSES], dump_ns, last_resync_ns;
	struct log_limit limit;
	struct mirror_route route;
	struct mirror_nexthop nexthop;
	char buffer[BUFFER_BYTES];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* --- one message --- */

static bool taken(struct mirror *mirror, enum mirror_verdict verdict)
{
	mirror->verdicts[verdict]++;
	return verdict == MIRROR_APPLY;
}

static void applied(struct mirror *mirror, const char *what, int err)
{
	if (!err)
		return;
	mirror->errors++;
	if (log_allowed(&mirror->limit, 10, 60))
		log_error("netlink: %s was not taken: %s", what, strerror(-err));
}

static void on_link(struct mirror *mirror, const struct nlmsghdr *message, bool present)
{
	struct mirror_link link;

	if (!taken(mirror, mirror_parse_link(message, &link)))
		return;
	if (present)
		applied(mirror, "a link", rib_link_set(mirror->rib, &link.link));
	else
		applied(mirror, "a link's end", rib_link_del(mirror->rib, link.link.ifindex));
	mirror->callbacks.link(mirror->callbacks.arg, &link.link, present);
}

static void on_address(struct mirror *mirror, const struct nlmsghdr *message, bool present)
{
	struct mirror_address address;

	if (!taken(mirror, mirror_parse_address(message, &address)))
		return;
	applied(mirror, "an address",
		present ? rib_address_set(mirror->rib, &address.address) :
			  rib_address_del(mirror->rib, &address.address));
}

static void on_neighbour(struct mirror *mirror, const struct nlmsghdr *message, bool present)
{
	struct mirror_neighbour n;

	if (!taken(mirror, mirror_parse_neighbour(message, &n)))
		return;
	applied(mirror, "a neighbour",
		present && !n.absent ?
			rib_neighbour_set(mirror->rib, &n.neighbour) :
			rib_neighbour_del(mirror->rib, n.neighbour.ifindex, &n.neighbour.addr));
}

/* Say once in a while which routes are not taken, and why. */
static void refused(struct mirror *mirror, enum mirror_refusal refusal)
{
	mirror->refusals[refusal]++;
	if (refusal != MIRROR_ACCEPTED && refusal != MIRROR_THROW &&
	    log_allowed(&mirror->limit, 10, 60))
		log_warning("netlink: a route is not taken as it is: %s",
			    mirror_refusal_names[refusal]);
}

static void on_route(struct mirror *mirror, const struct nlmsghdr *message, bool present)
{
	struct mirror_route *r = &mirror->route;
	enum rib_route_how how = RIB_ROUTE_ADD;

	if (!taken(mirror, mirror_parse_route(message, r)))
		return;
	refused(mirror, r->refusal);
	if (r->route.target.kind == NEXTHOP_NONE)
		present = false; /* of a type that is not taken: not even an older one stands */
	if (message->nlmsg_flags & NLM_F_REPLACE)
		how = RIB_ROUTE_REPLACE;
	else if (message->nlmsg_flags & NLM_F_APPEND)
		how = RIB_ROUTE_APPEND;
	applied(mirror, "a route",
		present ? rib_route_set(mirror->rib, &r->route, how) :
			  rib_route_del(mirror->rib, &r->route));
}

static void on_nexthop(struct mirror *mirror, const struct nlmsghdr *message, bool present)
{
	struct mirror_nexthop *n = &mirror->nexthop;

	if (!taken(mirror, mirror_parse_nexthop(message, n)))
		return;
	refused(mirror, n->refusal);
	applied(mirror, "a next-hop object",
		present ? rib_nexthop_object_set(mirror->rib, n->id, &n->target,
						 n->group ? n->members : NULL) :
			  rib_nexthop_object_del(mirror->rib, n->id));
}

static int on_message(const struct nlmsghdr *message, void *arg)
{
	struct mirror *mirror = arg;

	mirror->messages++;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		mirror->interrupted = true;
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(mirror, message, message->nlmsg_type == RTM_NEWLINK);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		on_address(mirror, message, message->nlmsg_type == RTM_NEWADDR);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neighbour(mirror, message, message->nlmsg_type == RTM_NEWNEIGH);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		on_route(mirror, message, message->nlmsg_type == RTM_NEWROUTE);
		break;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		on_nexthop(mirror, message, message->nlmsg_type == RTM_NEWNEXTHOP);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* --- the dump --- */

static int dump_request(struct mirror *mirror, uint16_t type, uint8_t family)
{
	static const size_t bodies[] = {
		[RTM_GETLINK - RTM_BASE] = sizeof(struct ifinfomsg),
		[RTM_GETADDR - RTM_BASE] = sizeof(struct ifaddrmsg),
		[RTM_GETROUTE - RTM_BASE] = sizeof(struct rtmsg),
		[RTM_GETNEIGH - RTM_BASE] = sizeof(struct ndmsg),
		[RTM_GETNEXTHOP - RTM_BASE] = sizeof(struct nhmsg),
	};
	char request[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(request);
	uint8_t *body;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = ++mirror->seq;
	body = mnl_nlmsg_put_extra_header(message, bodies[type - RTM_BASE]);
	body[0] = family; /* each of the bodies begins with the family */
	return mnl_socket_sendto(mirror->requests, message, message->nlmsg_len) < 0 ? -errno : 0;
}

/* libmnl stops at a message that carries NLM_F_DUMP_INTR, and the last one may be it. */
static bool is_last_part(const struct mirror *mirror, ssize_t n)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)mirror->buffer;
	int left = (int)n;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
			return true;
	return false;
}

/* One kind of objects; -EINTR where the kernel says that they changed under the dump. */
static int dump_once(struct mirror *mirror, uint16_t type, uint8_t family)
{
	unsigned portid = mnl_socket_get_portid(mirror->requests);
	int err = dump_request(mirror, type, family), more = MNL_CB_OK;

	mirror->interrupted = false;
	while (!err && more > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(mirror->requests, mirror->buffer,
						sizeof(mirror->buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		errno = 0;
		more = mnl_cb_run(mirror->buffer, (size_t)n, mirror->seq, portid, on_message,
				  mirror);
		if (more < 0 && errno == EINTR) {
			mirror->interrupted = true;
			more = is_last_part(mirror, n) ? MNL_CB_STOP : MNL_CB_OK;
		}
		if (more < 0)
			return -errno;
	}
	return err ? err : mirror->interrupted ? -EINTR : 0;
}

static int dump(struct mirror *mirror, uint16_t type, uint8_t family)
{
	int err = -EINTR;

	for (int i = 0; i < DUMP_TRIES && err == -EINTR; i++)
		err = dump_once(mirror, type, family);
	return err;
}

static void arm_resync(struct mirror *mirror, enum resync_cause cause)
{
	uint64_t since_ms = (now_ns() - mirror->last_resync_ns) / 1000000;
	uint64_t wait_ms = since_ms < RESYNC_PAUSE_MS ? RESYNC_PAUSE_MS - since_ms : 0;
	struct timeval wait = { .tv_sec = (time_t)(wait_ms / 1000),
				.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) };

	if (mirror->resync_armed)
		return;
	mirror->resync_armed = true;
	mirror->resyncs[cause]++;
	event_add(mirror->resync, &wait);
}

/* Everything, marked and swept: what an earlier dump or event left and this one does not show is
 * gone. A failing dump leaves the old state, and is tried again. */
static int dump_all(struct mirror *mirror)
{
	static const struct {
		uint16_t type;
		uint8_t family;
	} steps[] = {
		{ RTM_GETLINK, AF_UNSPEC },    { RTM_GETADDR, AF_UNSPEC },
		{ RTM_GETNEXTHOP, AF_UNSPEC }, { RTM_GETNEIGH, AF_UNSPEC },
		{ RTM_GETROUTE, AF_INET },     { RTM_GETROUTE, AF_INET6 },
	};
	uint64_t start = now_ns();
	int err = 0;

	rib_resync_begin(mirror->rib);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && !err; i++)
		err = dump(mirror, steps[i].type, steps[i].family);
	if (!err)
		rib_resync_end(mirror->rib);
	rib_commit(mirror->rib);
	mirror->last_resync_ns = now_ns();
	mirror->dump_ns = mirror->last_resync_ns - start;
	if (err) {
		log_warning("netlink: dump: %s; trying again", strerror(-err));
		arm_resync(mirror, RESYNC_INTERRUPTED);
		return err;
	}
	mirror->callbacks.synced(mirror->callbacks.arg);
	return 0;
}

static void on_resync(evutil_socket_t fd, short what, void *arg)
{
	struct mirror *mirror = arg;

	mirror->resync_armed = false;
	dump_all(mirror);
}

int mirror_resync(struct mirror *mirror)
{
	mirror->resyncs[RESYNC_ASKED]++;
	return dump_all(mirror);
}

/* --- the events --- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct mirror *mirror = arg;
	uint64_t until = mirror->messages + SLICE_MESSAGES;

	while (mirror->messages < until) {
		ssize_t n = recv(fd, mirror->buffer, sizeof(mirror->buffer), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			if (!mirror->resync_armed)
				log_info("netlink: events were lost: resync");
			arm_resync(mirror, RESYNC_OVERRUN);
			continue;
		}
		if (n <= 0)
			break;
		if (mnl_cb_run(mirror->buffer, (size_t)n, 0, 0, on_message, mirror) < 0)
			mirror->errors++;
	}
	rib_commit(mirror->rib);
}

int mirror_probe(struct mirror *mirror, int ifindex, const struct ip_addr *addr)
{
	char request[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(request);
	struct ndmsg *body;

	message->nlmsg_type = RTM_NEWNEIGH;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
	body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
	body->ndm_family = addr->family == 4 ? AF_INET : AF_INET6;
	body->ndm_ifindex = ifindex;
	body->ndm_flags = NTF_USE;
	body->ndm_state = NUD_NONE;
	if (addr->family == 4)
		mnl_attr_put(message, NDA_DST, 4, addr->addr.s6_addr + 12);
	else
		mnl_attr_put(message, NDA_DST, 16, &addr->addr);
	/* from the listener: an error, should there be one, is just one more message there */
	return mnl_socket_sendto(mirror->listener, message, message->nlmsg_len) < 0 ? -errno : 0;
}

/* --- life --- */

static void set_buffer(struct mirror *mirror, unsigned bytes)
{
	int fd = mnl_socket_get_fd(mirror->listener), want = (int)bytes, got = 0;
	socklen_t size = sizeof(got);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size);
	mirror->receive_buffer = (unsigned)got / 2; /* the kernel counts its own overhead as well */
	if (mirror->receive_buffer < bytes)
		log_warning("netlink: a receive buffer of %u bytes instead of %u: see "
			    "net.core.rmem_max", mirror->receive_buffer, bytes);
}

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID)) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

static int join_groups(struct mirror *mirror)
{
	static const int groups[] = {
		RTNLGRP_LINK,	     RTNLGRP_NEIGH,	  RTNLGRP_NEXTHOP,    RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	};

	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (mnl_socket_setsockopt(mirror->listener, NETLINK_ADD_MEMBERSHIP,
					  (void *)&groups[i], sizeof(groups[i])))
			return -errno;
	return 0;
}

int mirror_new(struct mirror **result, struct event_base *base, struct rib *rib,
	       const struct mirror_options *options, const struct mirror_callbacks *callbacks)
{
	struct mirror *mirror = calloc(1, sizeof(*mirror));
	int err = -ENOMEM, strict = 1;

	if (!mirror)
		return -ENOMEM;
	mirror->rib = rib;
	mirror->callbacks = *callbacks;
	mirror->listener = open_socket();
	mirror->requests = open_socket();
	if (!mirror->listener || !mirror->requests) {
		err = -errno;
		goto fail;
	}
	mnl_socket_setsockopt(mirror->requests, NETLINK_GET_STRICT_CHK, &strict, sizeof(strict));
	set_buffer(mirror, options->receive_buffer ? options->receive_buffer : RECEIVE_BUFFER);
	err = join_groups(mirror);
	if (err)
		goto fail;
	err = -ENOMEM;
	mirror->resync = event_new(base, -1, 0, on_resync, mirror);
	mirror->readable = event_new(base, mnl_socket_get_fd(mirror->listener),
				     EV_READ | EV_PERSIST, on_readable, mirror);
	if (!mirror->resync || !mirror->readable || event_add(mirror->readable, NULL))
		goto fail;
	err = dump_all(mirror);
	if (err && err != -EINTR)
		goto fail;
	*result = mirror;
	return 0;
fail:
	mirror_free(mirror);
	return err;
}

void mirror_free(struct mirror *mirror)
{
	if (!mirror)
		return;
	if (mirror->readable)
		event_free(mirror->readable);
	if (mirror->resync)
		event_free(mirror->resync);
	if (mirror->listener)
		mnl_socket_close(mirror->listener);
	if (mirror->requests)
		mnl_socket_close(mirror->requests);
	free(mirror);
}

json_t *mirror_show(const struct mirror *mirror)
{
	json_t *out;

	if (!mirror)
		return json_object();
	out = json_pack("{s:I,s:I,s:i,s:f,s:{s:I,s:I,s:I}}", "messages",
			(json_int_t)mirror->messages, "errors", (json_int_t)mirror->errors,
			"receive_buffer", (int)mirror->receive_buffer, "last_dump_ms",
			(double)mirror->dump_ns / 1e6, "resyncs", "overrun",
			(json_int_t)mirror->resyncs[RESYNC_OVERRUN], "interrupted",
			(json_int_t)mirror->resyncs[RESYNC_INTERRUPTED], "asked",
			(json_int_t)mirror->resyncs[RESYNC_ASKED]);
	for (unsigned i = 1; i < MIRROR_VERDICTS; i++)
		if (mirror->verdicts[i])
			json_object_set_new(out, mirror_verdict_names[i],
					    json_integer((json_int_t)mirror->verdicts[i]));
	for (unsigned i = 1; i < MIRROR_REFUSALS; i++)
		if (mirror->refusals[i])
			json_object_set_new(out, mirror_refusal_names[i],
					    json_integer((json_int_t)mirror->refusals[i]));
	return out;
}
