/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steering program on one port, and the map of the host's own addresses that all ports share.
 * control.
 *
 * A program that an earlier process left attached (fallback "drop", or killed) is found by its
 * name and ABI and its maps are used on, so a restart never opens a gap. Where libxdp can have a
 * bpffs the program shares the hook with others (dispatcher); without one it is attached plainly.
 */
#ifndef VISOR_STEER_H
#define VISOR_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct steer;
struct steer_addresses;

/* The set of own addresses, empty. Set what is known before attaching: a program knows the set from
 * its first packet on. A program that is taken over keeps what it knew until the sweep. */
int steer_addresses_new(struct steer_addresses **addresses);
/* After the last steer_close(). */
void steer_addresses_free(struct steer_addresses *addresses);
/* A set and no count: an address that two interfaces have is removed once. Directed broadcasts
 * belong to it. -E2BIG beyond 16384 of a family. */
int steer_addresses_set(struct steer_addresses *addresses, const struct ip_addr *addr,
			bool present);
/* The addresses are complete: forget what earlier processes set and this one did not. */
void steer_addresses_sweep(struct steer_addresses *addresses);

struct steer_options {
	const char *device;
	int ifindex;
	bool generic; /* SKB mode; otherwise native, -EOPNOTSUPP where the driver has none */
	bool frags;   /* multi-buffer packets (xdp.frags) */
	enum port_fallback fallback;
};

/* Attach, or take over what is attached. Until a socket is set every packet takes the fallback.
 * On failure `why` (256 bytes) says what and what to do. */
int steer_attach(struct steer **steer, const struct steer_options *options,
		 struct steer_addresses *addresses, char *why);
/* -ERANGE: more queues than the program has sockets for (256). */
int steer_socket_set(struct steer *steer, unsigned queue, int fd);
int steer_socket_clear(struct steer *steer, unsigned queue);
int steer_set_fallback(struct steer *steer, enum port_fallback fallback);
/* Is our program still on the device (nobody detached or replaced it)? It costs a dump of the
 * links: once a second, or when netlink tells of a change. */
bool steer_attached(const struct steer *steer);
/* "native, dispatcher", "native, plain", "generic, plain" */
const char *steer_describe(const struct steer *steer);

/* Packets that no socket saw, since the program was first attached. */
struct steer_counters {
	uint64_t local;	   /* to the kernel: for an address of this host */
	uint64_t other;	   /* to the kernel: not IP, ND, MLD, multicast, broadcast, link-local */
	uint64_t fallback; /* no socket on the queue: passed or dropped, as the fallback says */
};
int steer_counters_read(const struct steer *steer, struct steer_counters *counters);

/* Orderly end, after the sockets are closed: fallback "kernel" detaches our program and no other;
 * "drop" leaves it attached, dropping. The device may be gone. */
void steer_close(struct steer *steer);
/* Remove whatever visord left on a device (visord --detach). 0, -ENOENT or -errno. */
int steer_detach_device(const char *device, char *why);
/* Does the NIC take VLAN tags off before XDP sees the packet? Then tagged packets arrive as if
 * untagged; `ethtool -K DEVICE rxvlan off` ends that. */
bool steer_device_strips_vlan(const char *device);

#endif
