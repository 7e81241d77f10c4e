/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steering program as it is embedded: its maps, its loading, and whether another's is the same.
 *
 * Maps are created before the program and handed to it, so that a program is configured and knows
 * the host's addresses at the moment it is attached, and so that a new program can be put over the
 * maps of an old one. The skeleton's own definitions are what is created and compared.
 *
 * Compatibility is the magic, the ABI number and the shape of every map; sameness of the code is
 * the kernel's hash over the instructions (the tag).
 */
#include "steer_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "log.h"
#include "steer.skel.h"
#include "xdp/steer.h"

/* More maps than any program of ours has: one that has more is not of this ABI. */
#define MAP_IDS_MAX 16

static char kernel_message[160];

const char *steer_kernel_message(void)
{
	return kernel_message;
}

void steer_kernel_message_clear(void)
{
	kernel_message[0] = '\0';
}

static void print_line(const char *line)
{
	static const char mark[] = "Kernel error message: ";
	const char *said = strstr(line, mark);
	size_t n = strcspn(line, "\n");

	log_debug("%.*s", (int)n, line);
	if (said) {
		said += sizeof(mark) - 1;
		snprintf(kernel_message, sizeof(kernel_message), "%.*s", (int)strcspn(said, "\n"),
			 said);
	}
}

/* The libraries' debug output tells every relocation; their warnings are what our own messages say
 * in our own words. */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	print_line(line);
	return 0;
}

static int print_libxdp(enum libxdp_print_level level, const char *format, va_list args)
{
	char line[512];

	if (level == LIBXDP_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	print_line(line);
	return 0;
}

void steer_print_init(void)
{
	libbpf_set_print(print_libbpf);
	libxdp_set_print(print_libxdp);
}

static struct bpf_map *image_map(const struct steer_bpf *image, enum steer_map which)
{
	switch (which) {
	case STEER_CONFIG: return image->maps.visor_config;
	case STEER_SOCKETS: return image->maps.visor_sockets;
	case STEER_LOCAL4: return image->maps.visor_local4;
	case STEER_LOCAL6: return image->maps.visor_local6;
	case STEER_FILTER: return image->maps.visor_filter;
	default: return image->maps.visor_counters;
	}
}

void steer_maps_init(struct steer_maps *maps)
{
	for (int i = 0; i < STEER_MAPS; i++)
		maps->fd[i] = -1;
}

void steer_maps_close(struct steer_maps *maps)
{
	for (int i = 0; i < STEER_MAPS; i++)
		if (maps->fd[i] >= 0)
			close(maps->fd[i]);
	steer_maps_init(maps);
}

static int map_create(const struct bpf_map *map)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int fd;

	opts.map_flags = bpf_map__map_flags(map);
	fd = bpf_map_create(bpf_map__type(map), bpf_map__name(map), bpf_map__key_size(map),
			    bpf_map__value_size(map), bpf_map__max_entries(map), &opts);

	return fd < 0 ? -errno : fd;
}

int steer_maps_create(struct steer_maps *maps)
{
	struct steer_bpf *image = steer_bpf__open();
	int err = 0;

	if (!image)
		return -errno;
	for (int i = 0; i < STEER_MAPS && !err; i++) {
		if (maps->fd[i] >= 0)
			continue;
		err = map_create(image_map(image, i));
		if (err >= 0) {
			maps->fd[i] = err;
			err = 0;
		}
	}
	steer_bpf__destroy(image);
	return err;
}

int steer_program_info(__u32 id, struct bpf_prog_info *info, __u32 *map_ids, unsigned n_map_ids)
{
	__u32 size = sizeof(*info);
	int fd = bpf_prog_get_fd_by_id(id), err;

	if (fd < 0)
		return -errno;
	memset(info, 0, sizeof(*info));
	info->nr_map_ids = n_map_ids;
	info->map_ids = (__u64)(unsigned long)map_ids;
	err = bpf_obj_get_info_by_fd(fd, info, &size) ? -errno : 0;
	close(fd);
	return err;
}

static bool map_matches(const struct bpf_map *want, const struct bpf_map_info *have)
{
	return strcmp(bpf_map__name(want), have->name) == 0 && bpf_map__type(want) == have->type &&
	       bpf_map__key_size(want) == have->key_size &&
	       bpf_map__value_size(want) == have->value_size &&
	       bpf_map__max_entries(want) == have->max_entries;
}

/* Keep the map `id` in its place, if it is one of ours; else it is left alone. */
static int maps_take(struct steer_maps *maps, const struct steer_bpf *image, __u32 id)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id), err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &size) ? -errno : 0;
	for (int i = 0; i < STEER_MAPS && !err; i++) {
		if (maps->fd[i] < 0 && map_matches(image_map(image, i), &info)) {
			maps->fd[i] = fd;
			return 0;
		}
	}
	close(fd);
	return err;
}

static int maps_check(const struct steer_maps *maps)
{
	struct steer_config config;
	__u32 zero = 0;

	for (int i = 0; i < STEER_MAPS; i++)
		if (maps->fd[i] < 0)
			return -ESTALE;
	if (bpf_map_lookup_elem(maps->fd[STEER_CONFIG], &zero, &config))
		return -errno;
	return config.magic == STEER_MAGIC && config.abi == STEER_ABI ? 0 : -ESTALE;
}

int steer_maps_open(struct steer_maps *maps, __u32 program_id)
{
	__u32 ids[MAP_IDS_MAX];
	struct bpf_prog_info info;
	struct steer_bpf *image;
	int err = steer_program_info(program_id, &info, ids, MAP_IDS_MAX);

	steer_maps_init(maps);
	if (err)
		return err;
	if (info.nr_map_ids > MAP_IDS_MAX)
		return -ESTALE;
	image = steer_bpf__open();
	if (!image)
		return -errno;
	for (__u32 i = 0; i < info.nr_map_ids && !err; i++)
		err = maps_take(maps, image, ids[i]);
	if (!err)
		err = maps_check(maps);
	if (err)
		steer_maps_close(maps);
	steer_bpf__destroy(image);
	return err;
}

int steer_image_open(struct steer_bpf **out, const struct steer_maps *maps, bool frags)
{
	struct steer_bpf *image = steer_bpf__open();
	int err = 0;

	if (!image)
		return -errno;
	for (int i = 0; i < STEER_MAPS && !err; i++)
		err = bpf_map__reuse_fd(image_map(image, i), maps->fd[i]);
	if (!err && frags)
		err = bpf_program__set_flags(image->progs.visor_steer, BPF_F_XDP_HAS_FRAGS);
	if (err) {
		steer_bpf__destroy(image);
		return err;
	}
	*out = image;
	return 0;
}

void steer_image_close(struct steer_bpf *image)
{
	steer_bpf__destroy(image);
}

struct bpf_object *steer_image_object(const struct steer_bpf *image)
{
	return image->obj;
}

int steer_image_load(struct steer_bpf *image)
{
	int err = steer_bpf__load(image);

	return err ? err : bpf_program__fd(image->progs.visor_steer);
}

bool steer_image_current(const struct steer_maps *maps, bool frags, __u32 program_id)
{
	struct bpf_prog_info have, want = { 0 };
	__u32 size = sizeof(want);
	struct steer_bpf *image;
	bool same = false;
	int fd;

	if (steer_program_info(program_id, &have, NULL, 0) || steer_image_open(&image, maps, frags))
		return false;
	fd = steer_image_load(image);
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &want, &size))
		same = memcmp(have.tag, want.tag, sizeof(have.tag)) == 0;
	steer_image_close(image);
	return same;
}
