/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror's two rtnetlink sockets and what is sent on them.
 *
 * The listener is joined to the groups; nothing is ever sent on it. Requests and dumps have a
 * socket of their own, so that an answer never waits behind events. Both never block. control.
 */
#ifndef VISOR_MIRROR_SOCKET_H
#define VISOR_MIRROR_SOCKET_H

#include <linux/netlink.h>
#include <sys/types.h>

#include "fib.h"

struct mnl_socket;

/* Joined to the groups of links, addresses, routes, neighbours and next-hop objects. *receive_buffer:
 * bytes wanted; then those that the kernel gave. -errno. */
int mirror_socket_listener(struct mnl_socket **socket, unsigned *receive_buffer);
/* For requests, with strict checking: a dump shows what was asked for and nothing else. -errno. */
int mirror_socket_requests(struct mnl_socket **socket);

/* Asks for a dump of `type` (RTM_GET…); the answers carry `seq`. -errno. */
int mirror_socket_dump(struct mnl_socket *socket, uint16_t type, uint8_t family, uint32_t seq);
/* Makes the kernel resolve or confirm a neighbour. Answered only where it fails. -errno. */
int mirror_socket_probe(struct mnl_socket *socket, int ifindex, const struct ip_addr *addr,
			uint32_t seq);

/* One datagram of the kernel's into [data, data + room). Its length; -EAGAIN where there is none,
 * -ENOBUFS where some were lost, -EMSGSIZE for one that did not fit. */
ssize_t mirror_socket_receive(struct mnl_socket *socket, void *data, size_t room);

#endif
