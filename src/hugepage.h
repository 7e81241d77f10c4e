/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that the data path touches at random: one mapping, huge pages under it where there are any,
 * all of it present from the start. A page fault costs a packet more than everything else together,
 * and a machine without room for the memory is to say so before it carries traffic, not after.
 */
#ifndef VISOR_HUGEPAGE_H
#define VISOR_HUGEPAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define HUGEPAGE_BYTES (2u << 20)

struct hugepage_area {
	uint8_t *base; /* aligned to HUGEPAGE_BYTES, all zero at first */
	size_t bytes;
	bool huge;	/* from the reserved huge pages */
	char pages[96]; /* what it is made of, for people */
};

/* Map `bytes` (rounded up to whole pages) with the huge pages that `pages` asks for. `what` names the
 * contents: "65536 frames". -ENOMEM: `why` (256 bytes) says what to change. control. */
int hugepage_map(struct hugepage_area *area, size_t bytes, enum hugepages pages, const char *what,
		 char *why);
void hugepage_unmap(struct hugepage_area *area); /* control; an area of zeros is none */

#endif
