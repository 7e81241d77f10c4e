/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device's XDP hook holds, and taking one program off it.
 *
 * A program is found by what the kernel knows and not by files: the device names the program that
 * it runs; where that is a libxdp dispatcher, the links of the system say which programs are
 * plugged into it. libxdp would find those through its bpffs, which a restarted daemon may not see
 * (each `ip netns exec` has a /sys of its own). Only taking a program out of a dispatcher needs
 * that bpffs, because the dispatcher is built anew from what is pinned there.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "steer_program.h"
#include "xdp/steer.h"

#define DISPATCHER_NAME "xdp_dispatcher"
#define BPFFS_DEFAULT "/sys/fs/bpf"

static const char *bpffs_path(void)
{
	const char *path = secure_getenv(XDP_BPFFS_ENVVAR);

	return path ? path : BPFFS_DEFAULT;
}

bool steer_bpffs_present(void)
{
	struct statfs fs;

	return statfs(bpffs_path(), &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

/* Note in `hook` the program that a link plugs into its dispatcher, if it does. */
static void hook_note_link(struct steer_hook *hook, __u32 link_id)
{
	struct bpf_link_info link = { 0 };
	struct bpf_prog_info program;
	__u32 size = sizeof(link);
	int fd = bpf_link_get_fd_by_id(link_id), err;

	if (fd < 0)
		return;
	err = bpf_obj_get_info_by_fd(fd, &link, &size);
	close(fd);
	if (err || link.type != BPF_LINK_TYPE_TRACING ||
	    link.tracing.target_obj_id != hook->attached_id ||
	    steer_program_info(link.prog_id, &program, NULL, 0) ||
	    program.type != BPF_PROG_TYPE_EXT)
		return;
	if (strcmp(program.name, STEER_PROGRAM) != 0)
		hook->others++;
	else if (!hook->program_id)
		hook->program_id = link.prog_id;
	else
		hook->second_id = link.prog_id;
}

static int hook_read(int ifindex, struct steer_hook *hook)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int err = bpf_xdp_query(ifindex, 0, &query);

	memset(hook, 0, sizeof(*hook));
	if (err)
		return err;
	hook->attached_id = query.hw_prog_id  ? query.hw_prog_id :
			    query.drv_prog_id ? query.drv_prog_id :
						query.skb_prog_id;
	hook->generic = hook->attached_id && hook->attached_id == query.skb_prog_id;
	return 0;
}

static int hook_identify(struct steer_hook *hook)
{
	struct bpf_prog_info info;
	int err = steer_program_info(hook->attached_id, &info, NULL, 0);

	if (err)
		return err;
	snprintf(hook->name, sizeof(hook->name), "%s", info.name);
	if (strcmp(hook->name, STEER_PROGRAM) == 0)
		hook->program_id = hook->attached_id;
	else if (strcmp(hook->name, DISPATCHER_NAME) == 0)
		hook->dispatcher = true;
	for (__u32 id = 0; hook->dispatcher && !bpf_link_get_next_id(id, &id);)
		hook_note_link(hook, id);
	return 0;
}

/* Another process may exchange the dispatcher while its links are read: then once more. */
int steer_hook_query(int ifindex, struct steer_hook *hook)
{
	char name[IF_NAMESIZE];
	struct steer_hook again;
	int err;

	/* libbpf may say of a device that is gone that nothing is attached to it. */
	if (!if_indextoname((unsigned)ifindex, name))
		return errno == ENXIO ? -ENODEV : -errno;
	for (int tries = 0; tries < 5; tries++) {
		err = hook_read(ifindex, hook);
		if (err || !hook->attached_id)
			return err;
		err = hook_identify(hook);
		if (!err && (!hook->dispatcher || hook->program_id))
			return 0;
		if (!hook_read(ifindex, &again) && again.attached_id == hook->attached_id)
			return err;
	}
	return -EAGAIN;
}

#define DESCRIPTORS_MAX 65536

static uint64_t descriptors_before[DESCRIPTORS_MAX / 64];

/* Call `each` for every descriptor of a BPF program; no other thread of the daemon opens any. */
static void each_program_descriptor(void (*each)(int fd))
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;
	char target[32];
	ssize_t n;

	while (folder && (entry = readdir(folder))) {
		int fd = atoi(entry->d_name);

		n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		if (strcmp(target, "anon_inode:bpf-prog") == 0 && fd < DESCRIPTORS_MAX)
			each(fd);
	}
	if (folder)
		closedir(folder);
}

static void descriptor_note(int fd)
{
	descriptors_before[fd / 64] |= 1ull << (fd % 64);
}

static void descriptor_close_new(int fd)
{
	if (!(descriptors_before[fd / 64] >> (fd % 64) & 1))
		close(fd);
}

void steer_libxdp_begin(void)
{
	memset(descriptors_before, 0, sizeof(descriptors_before));
	each_program_descriptor(descriptor_note);
}

void steer_libxdp_end(void)
{
	each_program_descriptor(descriptor_close_new);
}

static int remove_plain(int ifindex, const struct steer_hook *hook)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	__u32 flags = hook->generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	int err;

	opts.old_prog_fd = bpf_prog_get_fd_by_id(hook->attached_id);
	if (opts.old_prog_fd < 0)
		return -errno;
	err = bpf_xdp_detach(ifindex, flags | XDP_FLAGS_REPLACE, &opts);
	close(opts.old_prog_fd);
	return err;
}

static int remove_from_dispatcher(int ifindex, const struct steer_hook *hook, __u32 program_id)
{
	enum xdp_attach_mode mode = hook->generic ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	struct xdp_program *program = NULL;
	struct xdp_multiprog *all;
	int err;

	if (!steer_bpffs_present())
		return -EOPNOTSUPP;
	steer_libxdp_begin();
	all = xdp_multiprog__get_from_ifindex(ifindex);
	err = libxdp_get_error(all) ? -EOPNOTSUPP : 0;
	if (!err) {
		do
			program = xdp_multiprog__next_prog(program, all);
		while (program && xdp_program__id(program) != program_id);
		err = program ? xdp_program__detach(program, ifindex, mode, 0) : -EOPNOTSUPP;
		xdp_multiprog__close(all);
	}
	steer_libxdp_end();
	return err;
}

int steer_hook_remove(int ifindex, const struct steer_hook *hook, __u32 program_id)
{
	if (hook->dispatcher)
		return remove_from_dispatcher(ifindex, hook, program_id);
	return hook->attached_id == program_id ? remove_plain(ifindex, hook) : -ENOENT;
}

static bool pin_is(const char *path, __u32 program_id)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return false;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	return !err && info.id == program_id;
}

/* "…/dispatch-7-42/prog0-prog", its "prog0-link", and the folder where it is empty now. Another
 * program that shared the dispatcher keeps its own. */
static void pin_unlink(char *path)
{
	char *suffix = strrchr(path, '-');

	unlink(path);
	memcpy(suffix, "-link", 5);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

void steer_pins_release(int ifindex, __u32 program_id)
{
	char pattern[256];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/xdp/dispatch-%d-*/prog*-prog", bpffs_path(),
		 ifindex);
	if (glob(pattern, GLOB_NOSORT, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (pin_is(found.gl_pathv[i], program_id))
			pin_unlink(found.gl_pathv[i]);
	globfree(&found);
}
