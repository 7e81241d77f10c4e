/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_policy.h"

static uint32_t generation = 1;

void flow_policy_changed(void)
{
	uint32_t next = __atomic_load_n(&generation, __ATOMIC_RELAXED) + 1;

	__atomic_store_n(&generation, next ? next : 1, __ATOMIC_RELEASE);
}

uint32_t flow_policy_generation(void)
{
	return __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
}
