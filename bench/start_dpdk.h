/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK's environment for a benchmark's peer: without privileges and without hugetlb pages. */
#ifndef BENCH_START_DPDK_H
#define BENCH_START_DPDK_H

#include <stdbool.h>

/* Once; its memory in transparent huge pages (as ours is), or in small ones. 0 or -errno, with the
 * reason printed. */
int start_dpdk(const char *program, unsigned megabytes, bool huge_pages);

#endif
