/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities, no_new_privs and what is told of them. See privilege.h. */
#include "privilege.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"
#include "syscall_filter.h"

static const unsigned kept[] = { CAP_NET_ADMIN, CAP_NET_RAW,   CAP_BPF,
				 CAP_PERFMON,	CAP_SYS_ADMIN, CAP_IPC_LOCK };

static enum { FREE, CONFINED, UNFILTERED } state; /* written before the first worker exists */

static bool memlock_is_limited(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur != RLIM_INFINITY;
}

/* Capabilities and filters are a thread's: one that is there already would keep what it has. */
static bool other_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned n = 0;

	if (!dir)
		return false;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n > 1;
}

static uint64_t held_of_kept(void)
{
	uint64_t held = 0;

	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (capng_have_capability(CAPNG_PERMITTED, kept[i]) &&
		    (kept[i] != CAP_IPC_LOCK || memlock_is_limited()))
			held |= UINT64_C(1) << kept[i];
	return held;
}

/* Neither the uid 0 nor a change of it, nor the ambient set, means capabilities from now on. */
static int lock_root(void)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) ? -errno : 0;
}

/* The bounding set only matters to a program that is executed, and none is; it goes where we may
 * empty it. */
static int drop_capabilities(void)
{
	capng_select_t sets = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;
	uint64_t held;
	int err = 0;

	if (capng_get_caps_process())
		return -EIO;
	held = held_of_kept();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		sets |= CAPNG_SELECT_BOUNDS;
		err = lock_root();
	}
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned cap = 0; cap < 64 && !err; cap++)
		if (held >> cap & 1 &&
		    capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap))
			err = -EINVAL;
	if (!err && capng_apply(sets))
		err = -EPERM;
	return err;
}

/* "net_admin net_raw …" of the calling thread; "none". Returns `text`. */
static const char *held_text(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	if (capng_get_caps_process())
		return "unknown";
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		const char *name = capng_capability_to_name(cap);
		size_t len = name ? strlen(name) : 0;

		if (!len || !capng_have_capability(CAPNG_PERMITTED, cap) || used + len + 2 > size)
			continue;
		if (used)
			text[used++] = ' ';
		memcpy(text + used, name, len + 1);
		used += len;
	}
	return used ? text : "none";
}

static const char *filter_text(void)
{
	switch (state) {
	case CONFINED: return "filtered";
	case UNFILTERED: return "not filtered: built with a sanitizer";
	default: return "not filtered: --no-sandbox";
	}
}

int privilege_confine(bool sandbox)
{
	const bool filter = syscall_filter_available();
	char text[512];
	int err = 0;

	if (!sandbox) {
		log_warning("privileges: all are kept (--no-sandbox)");
		return 0;
	}
	if (filter && other_threads())
		err = -EBUSY;
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	/* No core on a disk, nobody of our uid in our memory: there are keys and packets in it. The
	 * leak sanitizer is such a somebody. */
	if (!err && filter && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	if (!err)
		err = drop_capabilities();
	if (!err && filter)
		err = syscall_filter_process();
	if (err) {
		log_error(
			"privileges: cannot be given up: %s; --no-sandbox starts with all of them",
			strerror(-err));
		return err;
	}
	state = filter ? CONFINED : UNFILTERED;
	log_info("privileges: %s; workers: none; system calls: %s", held_text(text, sizeof(text)),
		 filter_text());
	return 0;
}

int privilege_confine_worker(void)
{
	if (state == FREE)
		return 0;
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	return state == CONFINED ? syscall_filter_worker() : 0;
}

json_t *privilege_show(void)
{
	char text[1024];

	return json_pack("{s:b,s:s,s:s}", "confined", state != FREE, "capabilities",
			 held_text(text, sizeof(text)), "system_calls", filter_text());
}

void privilege_check_readable(const char *path)
{
	int fd;

	if (state == FREE)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		log_warning("%s: a reload will not be able to read it: %s; it has to be root's or "
			    "readable for all",
			    path, strerror(errno));
	else
		close(fd);
}
