/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generation of the policy: it grows when anything has changed that open() decides by. A flow
 * remembers the one that it was last asked under; a later one makes its next packet ask again.
 *
 * Order: first publish the change (RCU pointer, table entry), then flow_policy_changed(). A worker
 * reads the generation before it reads any policy, so what it stamps a flow with is never newer
 * than what it asked.
 */
#ifndef VISOR_FLOW_POLICY_H
#define VISOR_FLOW_POLICY_H

#include <stdint.h>

/* control */
void flow_policy_changed(void);
/* Any thread. Never 0. */
uint32_t flow_policy_generation(void);

#endif
