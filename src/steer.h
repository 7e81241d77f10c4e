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

#include "config.h"

struct steer;
struct steer_addresses;

/* The address map; new and empty, or the one of a program that is still attached somewhere. */
int steer_addresses_new(struct steer_addresses **addresses);
void steer_addresses_free(struct steer_addresses *addresses);
int steer_addresses_set(struct steer_addresses *addresses, const struct ip_addr *addr, bool present);
/* Drop what is not wanted any more after a restart: entries not set since new(). */
void steer_addresses_sweep(struct steer_addresses *addresses);

struct steer_options {
	const char *device;
	int ifindex;
	bool generic;	/* SKB mode; otherwise native, -EOPNOTSUPP where the driver has none */
	bool frags;	/* multi-buffer packets (xdp.frags) */
	enum port_fallback fallback;
};

/* Attach, or take over what is attached. Until a socket is set every packet takes the fallback.
 * On failure `why` (256 bytes) says what and what to do. */
int steer_attach(struct steer **steer, const struct steer_options *options,
		 struct steer_addresses *addresses, char *why);
int steer_socket_set(struct steer *steer, unsigned queue, int fd);
int steer_socket_clear(struct steer *steer, unsigned queue);
int steer_set_fallback(struct steer *steer, enum port_fallback fallback);
/* Is our program still on the device (nobody detached or replaced it)? */
bool steer_attached(const struct steer *steer);
/* "native, dispatcher", "native, plain", "generic, plain" */
const char *steer_describe(const struct steer *steer);
/* Orderly end: fallback "kernel" detaches; "drop" leaves it attached, dropping. */
void steer_close(struct steer *steer);
/* Remove whatever visord left on a device (visord --detach). 0, -ENOENT or -errno. */
int steer_detach_device(const char *device, char *why);

#endif
