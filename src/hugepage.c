/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reserved huge pages (hugetlb) first, as they are what an administrator sets aside for this; else
 * small pages, aligned so that the kernel can make transparent huge pages of them, and populated by
 * one call, many times faster than a page fault for each.
 *
 * Linux promises memory that it does not have and ends the process when that is touched, so what
 * small pages need is compared with what is available before.
 */
#include "hugepage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* Bytes that can be had without swapping; SIZE_MAX where the kernel does not say. */
static size_t memory_available(void)
{
	unsigned long long kib = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	bool found = false;
	char line[128];

	if (!file)
		return SIZE_MAX;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "MemAvailable: %llu kB", &kib) == 1;
	fclose(file);
	return found ? (size_t)kib << 10 : SIZE_MAX;
}

static bool map_reserved(struct hugepage_area *area, size_t bytes)
{
	bytes = round_up(bytes, HUGEPAGE_BYTES);
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_HUGETLB, -1, 0);

	if (base == MAP_FAILED)
		return false;
	area->base = base;
	area->bytes = bytes;
	area->huge = true;
	snprintf(area->pages, sizeof(area->pages), "%zu huge pages of 2 MiB",
		 bytes / HUGEPAGE_BYTES);
	return true;
}

/* Addresses whose start is aligned to a huge page. */
static uint8_t *map_aligned(size_t bytes)
{
	uint8_t *start = mmap(NULL, bytes + HUGEPAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t head;

	if (start == MAP_FAILED)
		return NULL;
	head = round_up((uintptr_t)start, HUGEPAGE_BYTES) - (uintptr_t)start;
	if (head)
		munmap(start, head);
	if (HUGEPAGE_BYTES - head)
		munmap(start + head + bytes, HUGEPAGE_BYTES - head);
	return start + head;
}

static int map_small(struct hugepage_area *area, size_t bytes, bool advise, const char *what,
		     char *why)
{
	size_t available = memory_available();

	bytes = round_up(bytes, (size_t)sysconf(_SC_PAGESIZE));
	if (bytes > available) {
		snprintf(why, 256, "memory: %zu MiB for %s, but only %zu MiB are available",
			 bytes >> 20, what, available >> 20);
		return -ENOMEM;
	}
	area->base = map_aligned(bytes);
	if (!area->base) {
		snprintf(why, 256, "memory: %zu bytes for %s: %s", bytes, what, strerror(errno));
		return -ENOMEM;
	}
	area->bytes = bytes;
	advise = advise && madvise(area->base, bytes, MADV_HUGEPAGE) == 0;
	madvise(area->base, bytes, MADV_POPULATE_WRITE);
	snprintf(area->pages, sizeof(area->pages), "%zu KiB in 4 KiB pages%s", bytes >> 10,
		 advise ? ", transparent huge pages asked for" : "");
	return 0;
}

int hugepage_map(struct hugepage_area *area, size_t bytes, enum hugepages pages, const char *what,
		 char *why)
{
	size_t count = (bytes + HUGEPAGE_BYTES - 1) / HUGEPAGE_BYTES;

	memset(area, 0, sizeof(*area));
	if (pages != HUGEPAGES_OFF && map_reserved(area, bytes))
		return 0;
	if (pages != HUGEPAGES_REQUIRE)
		return map_small(area, bytes, pages != HUGEPAGES_OFF, what, why);
	snprintf(why, 256,
		 "memory: %zu huge pages of 2 MiB for %s are required and not free; "
		 "reserve them with sysctl vm.nr_hugepages=%zu",
		 count, what, count);
	return -ENOMEM;
}

void hugepage_unmap(struct hugepage_area *area)
{
	if (area->base)
		munmap(area->base, area->bytes);
	memset(area, 0, sizeof(*area));
}
