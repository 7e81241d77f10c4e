/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for the log. See log_packet.h. */
#include "log_packet.h"

#include "firewall.h"

void firewall_log_packet(struct datapath *dp, const struct firewall_rule *rule,
			 const struct firewall_packet *packet,
			 const struct firewall_decision *decision)
{
	struct firewall_live *live = rule->limit->live;

	if (!firewall_rate_take(&live->log_ns, rule->limit->log_cost_ns, rule->limit->log_depth_ns,
				dp->now_ns)) {
		__atomic_fetch_add(&live->left_out, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_fetch_add(&live->logged, 1, __ATOMIC_RELAXED);
	(void)packet;
	(void)decision;
}
