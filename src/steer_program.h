/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of the steering module that its own files share: the maps and the loading of a program,
 * what a device's XDP hook holds, and the joining of a program's address maps to the common set.
 * control.
 */
#ifndef VISOR_STEER_PROGRAM_H
#define VISOR_STEER_PROGRAM_H

#include <linux/types.h>
#include <stdbool.h>

#include "steer.h"

/* The maps of one program as file descriptors, -1 where there is none. */
enum steer_map {
	STEER_CONFIG,
	STEER_SOCKETS,
	STEER_LOCAL4,
	STEER_LOCAL6,
	STEER_FILTER,
	STEER_COUNTS,
	STEER_MAPS
};

struct steer_maps {
	int fd[STEER_MAPS];
};

void steer_maps_init(struct steer_maps *maps);
/* Create what is -1. On failure what was made is still the caller's to close. */
int steer_maps_create(struct steer_maps *maps);
/* The maps of a loaded program, by id. -ESTALE: not of this ABI. */
int steer_maps_open(struct steer_maps *maps, __u32 program_id);
void steer_maps_close(struct steer_maps *maps);

/* An opened, not yet loaded program over `maps`. */
struct steer_bpf;
int steer_image_open(struct steer_bpf **image, const struct steer_maps *maps, bool frags);
void steer_image_close(struct steer_bpf *image);
struct bpf_object *steer_image_object(const struct steer_bpf *image);
/* Load it as an ordinary XDP program; the descriptor is the image's. */
int steer_image_load(struct steer_bpf *image);
/* Is the loaded program `program_id` the same code as this release's? */
bool steer_image_current(const struct steer_maps *maps, bool frags, __u32 program_id);

/* What the kernel says of a loaded program; with its maps' ids where there is room for them. */
struct bpf_prog_info;
int steer_program_info(__u32 id, struct bpf_prog_info *info, __u32 *map_ids, unsigned n_map_ids);

/* What a device runs at its XDP hook. */
struct steer_hook {
	__u32 attached_id; /* the program that the driver calls; 0: none */
	__u32 program_id;  /* ours: the same, or one that a libxdp dispatcher calls; 0: none */
	__u32 second_id;   /* another of ours in the dispatcher: a replacement that was cut short */
	unsigned others;   /* programs in the dispatcher that are not ours */
	bool generic;	   /* SKB mode */
	bool dispatcher;   /* `attached_id` is a libxdp dispatcher */
	char name[16];	   /* of `attached_id` */
};

/* -ENODEV: no such device (any more). */
int steer_hook_query(int ifindex, struct steer_hook *hook);
/* Take one program off a device, and nothing else. -EOPNOTSUPP: it is in a dispatcher, and without
 * its bpffs libxdp cannot take it out. */
int steer_hook_remove(int ifindex, const struct steer_hook *hook, __u32 program_id);
/* Our program's dispatcher was taken off the device, or the device has gone: let go of the
 * program's pins, which would keep it loaded for ever. */
void steer_pins_release(int ifindex, __u32 program_id);

/* Is there a bpffs where libxdp looks for one? */
bool steer_bpffs_present(void);

/* libxdp 1.3 loses descriptors of programs when it rebuilds or reads a dispatcher, and each keeps a
 * program loaded. Between begin and end the process opens no program that it wants to keep; what
 * has appeared is closed. */
void steer_libxdp_begin(void);
void steer_libxdp_end(void);

/* Send what libbpf and libxdp print to the debug log. */
void steer_print_init(void);
/* What the kernel said last through netlink's extended acknowledgement, "" for nothing. */
const char *steer_kernel_message(void);
void steer_kernel_message_clear(void);

/* Give `maps` the address maps that a new program of any port shall use. */
int steer_addresses_lend(const struct steer_addresses *addresses, struct steer_maps *maps);
/* Keep a program's address maps current from now on; entries that are missing are added at once.
 * Joining the same maps twice is counted. */
int steer_addresses_join(struct steer_addresses *addresses, const struct steer_maps *maps);
void steer_addresses_leave(struct steer_addresses *addresses, const struct steer_maps *maps);

#endif
