/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of the whole process: CLOCK_MONOTONIC in nanoseconds. Any thread. */
#ifndef VISOR_CLOCK_H
#define VISOR_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SECOND_NS 1000000000ull

static inline uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

#endif
