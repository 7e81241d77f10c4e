/* SPDX-License-Identifier: Apache-2.0 */
/* The mirror's sockets: see mirror_socket.h. */
#include "mirror_socket.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static int open_socket(struct mnl_socket **out)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int err;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID)) {
		err = -errno;
		mnl_socket_close(socket);
		return err;
	}
	*out = socket;
	return 0;
}

/* The privileged option first: it may exceed net.core.rmem_max. */
static unsigned set_buffer(struct mnl_socket *socket, unsigned bytes)
{
	int fd = mnl_socket_get_fd(socket), want = (int)bytes, got = 0;
	socklen_t size = sizeof(got);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size))
		return 0;
	return (unsigned)got / 2; /* the kernel doubles what is asked, for its own overhead */
}

int mirror_socket_listener(struct mnl_socket **socket, unsigned *receive_buffer)
{
	static const int groups[] = {
		RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH,	 RTNLGRP_NEXTHOP,
	};
	int err = open_socket(socket);

	if (err)
		return err;
	*receive_buffer = set_buffer(*socket, *receive_buffer);
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(*socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			return -errno;
	}
	return 0;
}

int mirror_socket_requests(struct mnl_socket **socket)
{
	int err = open_socket(socket), on = 1;

	if (err)
		return err;
	if (mnl_socket_setsockopt(*socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on)))
		return -errno;
	return 0;
}

static int request_send(struct mnl_socket *socket, const struct nlmsghdr *message)
{
	return mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

static size_t body_size(uint16_t type)
{
	switch (type) {
	case RTM_GETLINK: return sizeof(struct ifinfomsg);
	case RTM_GETADDR: return sizeof(struct ifaddrmsg);
	case RTM_GETNEIGH: return sizeof(struct ndmsg);
	case RTM_GETNEXTHOP: return sizeof(struct nhmsg);
	default: return sizeof(struct rtmsg);
	}
}

int mirror_socket_dump(struct mnl_socket *socket, uint16_t type, uint8_t family, uint32_t seq)
{
	char request[128] __attribute__((aligned(4)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(request);
	uint8_t *body;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = seq;
	body = mnl_nlmsg_put_extra_header(message, body_size(type));
	body[0] = family; /* each of them begins with it */
	return request_send(socket, message);
}

int mirror_socket_probe(struct mnl_socket *socket, int ifindex, const struct ip_addr *addr,
			uint32_t seq)
{
	char request[128] __attribute__((aligned(4)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(request);
	struct ndmsg *body;

	message->nlmsg_type = RTM_NEWNEIGH;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
	message->nlmsg_seq = seq;
	body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
	body->ndm_family = addr->family == 4 ? AF_INET : AF_INET6;
	body->ndm_ifindex = ifindex;
	body->ndm_state = NUD_NONE;
	body->ndm_flags = NTF_USE;
	if (addr->family == 4)
		mnl_attr_put(message, NDA_DST, 4, &addr->addr.s6_addr[12]);
	else
		mnl_attr_put(message, NDA_DST, 16, &addr->addr);
	return request_send(socket, message);
}

ssize_t mirror_socket_receive(struct mnl_socket *socket, void *data, size_t room)
{
	struct sockaddr_nl from;
	struct iovec part = { data, room };
	struct msghdr header = { .msg_name = &from, .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	do {
		header.msg_namelen = sizeof(from);
		n = recvmsg(mnl_socket_get_fd(socket), &header, MSG_DONTWAIT);
	} while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid));
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return header.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
}
