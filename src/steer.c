/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching the steering program to a port, taking over what is there, and leaving in order.
 *
 * An attached program outlives its process: that is what makes fallback "drop" hold when the
 * daemon is killed, and what saves NICs that reset when XDP is attached from a reset per restart.
 * The sockets go with the process, so every packet that is not the kernel's takes the fallback:
 *   drop    nothing is forwarded until a daemon is back; the host stays reachable.
 *   kernel  everything passes. After a kill the program stays attached and passes all packets;
 *           after an orderly end it is detached.
 * The next process uses the maps on, and the program too where it is the same code. Where it is
 * not (a new release), the new program is put in place of the old: in one step where it is
 * attached plainly, otherwise by adding the new to the dispatcher before the old is taken out.
 * Only a change between native and generic mode opens a gap: the kernel does not run both at once.
 *
 * Where there is a bpffs the program is attached through libxdp's dispatcher, and other XDP
 * programs can share the port: they run first, as ours is late by priority, and what they do not
 * pass does not reach it; what it passes to the kernel, later programs still see. Without a bpffs,
 * or where the kernel cannot do dispatchers, it is attached plainly.
 */
#include "steer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "log.h"
#include "steer_program.h"
#include "xdp/steer.h"

#define WHY_SIZE 256
/* libxdp's default is 50 and filters use less: what redirects runs after what filters. */
#define RUN_PRIORITY 90

struct steer {
	char device[IF_NAMESIZE];
	int ifindex;
	bool generic, frags, dispatcher, joined;
	enum port_fallback fallback;
	int program_fd;
	__u32 program_id;
	struct steer_maps maps;
	struct steer_addresses *addresses;
	char description[32];
};

static int fail(char *why, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(char *why, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, WHY_SIZE, format, args);
	va_end(args);
	return err;
}

static int config_write(const struct steer *steer)
{
	struct steer_config config = {
		.magic = STEER_MAGIC,
		.abi = STEER_ABI,
		.fallback = steer->fallback == FALLBACK_DROP ? XDP_DROP : XDP_PASS,
		.flags = steer->frags ? STEER_FRAGS : 0,
	};
	__u32 zero = 0;

	return bpf_map_update_elem(steer->maps.fd[STEER_CONFIG], &zero, &config, BPF_ANY) ? -errno :
											    0;
}

static bool config_has_frags(const struct steer_maps *maps)
{
	struct steer_config config;
	__u32 zero = 0;

	return !bpf_map_lookup_elem(maps->fd[STEER_CONFIG], &zero, &config) &&
	       config.flags & STEER_FRAGS;
}

/* Remember a program as the port's own; takes the descriptor, or -1 and errno. */
static int program_keep(struct steer *steer, int fd, bool dispatcher)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &size)) {
		close(fd);
		return -errno;
	}
	steer->program_fd = fd;
	steer->program_id = info.id;
	steer->dispatcher = dispatcher;
	snprintf(steer->description, sizeof(steer->description), "%s, %s",
		 steer->generic ? "generic" : "native", dispatcher ? "dispatcher" : "plain");
	return 0;
}

static int place_plain(struct steer *steer, const struct steer_hook *hook)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	__u32 flags = steer->generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	struct steer_bpf *image;
	int old = -1, err, fd;

	err = steer_image_open(&image, &steer->maps, steer->frags);
	if (err)
		return err;
	fd = steer_image_load(image);
	if (hook->attached_id) {
		old = bpf_prog_get_fd_by_id(hook->attached_id);
		opts.old_prog_fd = old;
		flags |= XDP_FLAGS_REPLACE;
	} else {
		flags |= XDP_FLAGS_UPDATE_IF_NOEXIST;
	}
	err = fd < 0 ? fd : bpf_xdp_attach(steer->ifindex, fd, flags, &opts);
	if (!err)
		err = program_keep(steer, fcntl(fd, F_DUPFD_CLOEXEC, 0), false);
	if (old >= 0)
		close(old);
	steer_image_close(image);
	return err;
}

/* Attach through libxdp; the id of what runs now in `id`. */
static int attach_shared(const struct steer *steer, struct steer_bpf *image, __u32 *id)
{
	enum xdp_attach_mode mode = steer->generic ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	struct xdp_program *program = xdp_program__from_bpf_obj(steer_image_object(image), "xdp");
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);
	int err = (int)libxdp_get_error(program);

	if (err)
		return err;
	err = xdp_program__set_run_prio(program, RUN_PRIORITY);
	if (!err)
		err = xdp_program__set_xdp_frags_support(program, steer->frags);
	if (!err)
		err = xdp_program__attach(program, steer->ifindex, mode, 0);
	if (!err && bpf_obj_get_info_by_fd(xdp_program__fd(program), &info, &size))
		err = -errno;
	*id = info.id;
	xdp_program__close(program);
	return err;
}

/* libxdp decides: a kernel that cannot do dispatchers gets the program plainly. */
static int place_shared(struct steer *steer)
{
	struct steer_hook hook = { 0 };
	struct steer_bpf *image;
	__u32 id = 0;
	int err;

	steer_libxdp_begin();
	err = steer_image_open(&image, &steer->maps, steer->frags);
	if (!err) {
		err = attach_shared(steer, image, &id);
		steer_image_close(image);
	}
	steer_libxdp_end();
	if (!err)
		err = steer_hook_query(steer->ifindex, &hook);
	if (!err)
		err = program_keep(steer, bpf_prog_get_fd_by_id(id), hook.dispatcher);
	return err;
}

static int place_failed(const struct steer *steer, int err, char *why)
{
	const char *said = steer_kernel_message();
	char text[96];

	if (err == -EOPNOTSUPP && !steer->generic)
		return fail(why, err,
			    "%s: the driver has no native XDP%s%s; mode \"generic\" works",
			    steer->device, *said ? ": " : "", said);
	if (err == -EPERM)
		return fail(why, err,
			    "%s: not permitted to load or attach XDP programs; this takes "
			    "root or CAP_BPF and CAP_NET_ADMIN",
			    steer->device);
	libxdp_strerror(err, text, sizeof(text));
	return fail(why, err, "%s: cannot attach the steering program in %s mode: %s",
		    steer->device, steer->generic ? "generic" : "native", *said ? said : text);
}

static int place(struct steer *steer, const struct steer_hook *hook, char *why)
{
	int err;

	steer_kernel_message_clear();
	if (hook->dispatcher) {
		if (!steer_bpffs_present())
			return fail(
				why, -EBUSY,
				"%s: other XDP programs are attached through libxdp, but no bpffs "
				"is mounted; run: mount -t bpf bpf /sys/fs/bpf",
				steer->device);
		err = place_shared(steer);
	} else if (hook->attached_id || !steer_bpffs_present()) {
		err = place_plain(steer, hook);
	} else {
		err = place_shared(steer);
		if (err) {
			log_debug("%s: no XDP dispatcher (error %d), attaching plainly",
				  steer->device, err);
			steer_kernel_message_clear();
			err = place_plain(steer, hook);
		}
	}
	return err ? place_failed(steer, err, why) : 0;
}

/* After a replacement: take out what is ours but not the port's program any more. */
static void remove_old(const struct steer *steer)
{
	struct steer_hook hook;
	__u32 old;

	/* One is usual, two where an earlier replacement was cut short. */
	for (int tries = 0; tries < 4; tries++) {
		if (steer_hook_query(steer->ifindex, &hook))
			return;
		old = hook.program_id != steer->program_id ? hook.program_id : hook.second_id;
		if (!old)
			return;
		if (steer_hook_remove(steer->ifindex, &hook, old)) {
			log_warning("%s: an older steering program (id %u) stays attached beside "
				    "the new one",
				    steer->device, old);
			return;
		}
	}
}

static int maps_prepare(struct steer *steer, char *why)
{
	struct steer_maps *maps = &steer->maps;
	int err = 0;

	if (maps->fd[STEER_LOCAL4] < 0)
		err = steer_addresses_lend(steer->addresses, maps);
	if (!err)
		err = steer_maps_create(maps);
	if (!err)
		err = steer_addresses_join(steer->addresses, maps);
	if (err)
		return fail(why, err, "%s: cannot make the steering maps: %s", steer->device,
			    strerror(-err));
	steer->joined = true;
	err = config_write(steer);
	if (err)
		return fail(why, err, "%s: cannot configure the steering program: %s",
			    steer->device, strerror(-err));
	return 0;
}

/* Use on the program that is attached, if it is what this release would attach. */
static int adopt(struct steer *steer, const struct steer_hook *hook, char *why)
{
	int err = maps_prepare(steer, why);

	if (err)
		return err;
	err = program_keep(steer, bpf_prog_get_fd_by_id(hook->program_id), hook->dispatcher);
	if (err)
		return fail(why, err, "%s: the attached steering program has gone", steer->device);
	log_debug("%s: using on the attached program (id %u)", steer->device, steer->program_id);
	return 0;
}

/* Can the hook take our program as it is? What has to be said otherwise. */
static int hook_check(const struct steer *steer, const struct steer_hook *hook, char *why)
{
	if (hook->attached_id && !hook->dispatcher && !hook->program_id)
		return fail(
			why, -EBUSY,
			"%s: another XDP program, '%s' (id %u), is attached; detach it (ip link "
			"set dev %s %s off) or attach it with xdp-loader, which lets programs "
			"share a device",
			steer->device, hook->name, hook->attached_id, steer->device,
			hook->generic ? "xdpgeneric" : "xdp");
	if (hook->dispatcher && hook->generic != steer->generic && hook->others)
		return fail(why, -EBUSY,
			    "%s: other XDP programs are attached in %s mode, and a device runs all "
			    "in one mode; use the same here or attach those anew",
			    steer->device, hook->generic ? "generic" : "native");
	return 0;
}

/* Ours, but in the other mode: it has to go first. */
static int mode_change(const struct steer *steer, struct steer_hook *hook, char *why)
{
	int err = steer_hook_remove(steer->ifindex, hook, hook->program_id);

	log_debug("%s: leaving %s mode", steer->device, hook->generic ? "generic" : "native");
	if (!err)
		err = steer_hook_query(steer->ifindex, hook);
	if (!err && hook->program_id)
		err = -EBUSY;
	return err ? fail(why, err,
			  "%s: cannot take off the steering program attached in %s mode: %s",
			  steer->device, hook->generic ? "generic" : "native", strerror(-err)) :
		     0;
}

static int attach(struct steer *steer, char *why)
{
	struct steer_hook hook;
	bool same = false;
	int err = steer_hook_query(steer->ifindex, &hook);

	if (err)
		return fail(why, err, "%s: cannot read what XDP program is attached: %s",
			    steer->device, strerror(-err));
	err = hook_check(steer, &hook, why);
	if (err)
		return err;
	if (hook.program_id && !steer_maps_open(&steer->maps, hook.program_id))
		same = config_has_frags(&steer->maps) == steer->frags &&
		       steer_image_current(&steer->maps, steer->frags, hook.program_id);
	if (hook.program_id && hook.generic != steer->generic) {
		same = false;
		err = mode_change(steer, &hook, why);
		if (err)
			return err;
	}
	if (same)
		err = adopt(steer, &hook, why);
	else if (!(err = maps_prepare(steer, why)))
		err = place(steer, &hook, why);
	if (!err && steer->dispatcher)
		remove_old(steer);
	return err;
}

static void steer_free(struct steer *steer)
{
	if (steer->joined)
		steer_addresses_leave(steer->addresses, &steer->maps);
	if (steer->program_fd >= 0)
		close(steer->program_fd);
	steer_maps_close(&steer->maps);
	free(steer);
}

int steer_attach(struct steer **out, const struct steer_options *options,
		 struct steer_addresses *addresses, char *why)
{
	struct steer *steer = calloc(1, sizeof(*steer));
	int err;

	if (!steer)
		return fail(why, -ENOMEM, "%s: out of memory", options->device);
	snprintf(steer->device, sizeof(steer->device), "%s", options->device);
	steer->ifindex = options->ifindex;
	steer->generic = options->generic;
	steer->frags = options->frags;
	steer->fallback = options->fallback;
	steer->addresses = addresses;
	steer->program_fd = -1;
	steer_maps_init(&steer->maps);
	steer_print_init();
	err = attach(steer, why);
	if (err)
		steer_free(steer);
	else
		*out = steer;
	return err;
}

int steer_socket_set(struct steer *steer, unsigned queue, int fd)
{
	if (queue >= STEER_QUEUES_MAX)
		return -ERANGE;
	return bpf_map_update_elem(steer->maps.fd[STEER_SOCKETS], &queue, &fd, BPF_ANY) ? -errno :
											  0;
}

int steer_socket_clear(struct steer *steer, unsigned queue)
{
	if (queue >= STEER_QUEUES_MAX)
		return -ERANGE;
	if (bpf_map_delete_elem(steer->maps.fd[STEER_SOCKETS], &queue) && errno != ENOENT)
		return -errno;
	return 0;
}

int steer_set_fallback(struct steer *steer, enum port_fallback fallback)
{
	enum port_fallback before = steer->fallback;
	int err;

	steer->fallback = fallback;
	err = config_write(steer);
	if (err)
		steer->fallback = before;
	return err;
}

static bool hook_runs(const struct steer_hook *hook, __u32 program_id)
{
	return hook->program_id == program_id || hook->second_id == program_id;
}

bool steer_attached(const struct steer *steer)
{
	struct steer_hook hook;

	return !steer_hook_query(steer->ifindex, &hook) && hook_runs(&hook, steer->program_id);
}

const char *steer_describe(const struct steer *steer)
{
	return steer->description;
}

static int counter_read(const struct steer *steer, __u32 which, uint64_t *sum)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values;
	int err = 0;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(steer->maps.fd[STEER_COUNTS], &which, values))
		err = -errno;
	*sum = 0;
	for (int i = 0; i < cpus; i++)
		*sum += values[i];
	free(values);
	return err;
}

int steer_counters_read(const struct steer *steer, struct steer_counters *counters)
{
	int err = counter_read(steer, STEER_COUNT_LOCAL, &counters->local);

	if (!err)
		err = counter_read(steer, STEER_COUNT_OTHER, &counters->other);
	if (!err)
		err = counter_read(steer, STEER_COUNT_FALLBACK, &counters->fallback);
	return err;
}

/* Detach, or, where libxdp cannot, let everything pass. */
static void detach(struct steer *steer, const struct steer_hook *hook)
{
	int err = steer_hook_remove(steer->ifindex, hook, steer->program_id);

	if (!err)
		return;
	steer_set_fallback(steer, FALLBACK_KERNEL);
	log_warning("%s: the steering program stays attached, passing everything to the kernel: it "
		    "shares the device through libxdp, and %s",
		    steer->device,
		    steer_bpffs_present() ? "libxdp could not take it out" : "no bpffs is mounted");
}

void steer_close(struct steer *steer)
{
	struct steer_hook hook;
	bool running;
	int err;

	if (!steer)
		return;
	err = steer_hook_query(steer->ifindex, &hook);
	running = !err && hook_runs(&hook, steer->program_id);
	if (running && steer->fallback == FALLBACK_KERNEL)
		detach(steer, &hook);
	else if (!running && (!err || err == -ENODEV))
		steer_pins_release(steer->ifindex, steer->program_id);
	steer_free(steer);
}

int steer_detach_device(const char *device, char *why)
{
	unsigned ifindex = if_nametoindex(device);
	struct steer_hook hook;
	int err;

	steer_print_init();
	if (!ifindex)
		return fail(why, -ENODEV, "%s: no such device", device);
	err = steer_hook_query((int)ifindex, &hook);
	if (err)
		return fail(why, err, "%s: cannot read what XDP program is attached: %s", device,
			    strerror(-err));
	if (!hook.program_id)
		return fail(why, -ENOENT, "%s: no steering program is attached", device);
	while (!err && hook.program_id) {
		err = steer_hook_remove((int)ifindex, &hook, hook.program_id);
		if (!err)
			err = steer_hook_query((int)ifindex, &hook);
	}
	if (err == -EOPNOTSUPP)
		return fail(
			why, err,
			"%s: the steering program is in a libxdp dispatcher, and the bpffs that "
			"it was attached with is not at /sys/fs/bpf",
			device);
	return err ? fail(why, err, "%s: cannot detach the steering program: %s", device,
			  strerror(-err)) :
		     0;
}

bool steer_device_strips_vlan(const char *device)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request = { .ifr_data = (char *)&flags };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool on;

	if (fd < 0)
		return false;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	on = ioctl(fd, SIOCETHTOOL, &request) == 0 && flags.data & ETH_FLAG_RXVLAN;
	close(fd);
	return on;
}
