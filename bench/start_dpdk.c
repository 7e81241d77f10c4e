/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK is not to lose by running without hugetlb pages: its memory is advised to be transparent huge
 * pages, as ours is, and it is allowed the 512-bit vectors that it would not use without being told to.
 */
#include "start_dpdk.h"

#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <stdio.h>
#include <sys/mman.h>

static int advise_huge(const struct rte_memseg_list *list, void *arg)
{
	(void)arg;
	(void)madvise(list->base_va, list->len, MADV_HUGEPAGE);
	return 0;
}

int start_dpdk(const char *program, unsigned megabytes, bool huge_pages)
{
	char name[32], memory[16];
	char *argv[] = { name,
			 "--no-huge",
			 "--no-pci",
			 "--no-telemetry",
			 "--no-shconf",
			 "--log-level=lib.*:error",
			 "-m",
			 memory,
			 "-l",
			 "0",
			 "--force-max-simd-bitwidth=512",
			 NULL };
	int argc = (int)(sizeof(argv) / sizeof(*argv)) - 1;

	snprintf(name, sizeof(name), "%s", program);
	snprintf(memory, sizeof(memory), "%u", megabytes);
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "%s: DPDK does not start: %s\n", program, rte_strerror(rte_errno));
		return -EIO;
	}
	if (huge_pages)
		rte_memseg_list_walk(advise_huge, NULL);
	return 0;
}
