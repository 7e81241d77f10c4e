/* SPDX-License-Identifier: Apache-2.0 */
/* What a rejected sender is told. Resets and ICMP errors share one rate: a flood from forged
 * addresses must not become a flood of answers to them. */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "firewall.h"
#include "icmp.h"
#include "tcp_segment.h"

/* Nothing is said to it, so nothing may be used up for it. */
static bool is_reset(const struct packet *packet)
{
	return !(packet->flags & PKT_L4_COMPLETE) || (packet_l4(packet)[13] & TH_RST);
}

void firewall_reject(struct datapath *dp, const struct packet *packet, uint8_t reject_with)
{
	static const enum icmp_error_kind kinds[] = {
		[FIREWALL_REJECT_AUTO] = ICMP_ERROR_PORT_UNREACHABLE,
		[FIREWALL_REJECT_RESET] = ICMP_ERROR_PORT_UNREACHABLE,
		[FIREWALL_REJECT_PORT] = ICMP_ERROR_PORT_UNREACHABLE,
		[FIREWALL_REJECT_PROHIBITED] = ICMP_ERROR_PROHIBITED,
		[FIREWALL_REJECT_HOST] = ICMP_ERROR_HOST_UNREACHABLE,
		[FIREWALL_REJECT_NET] = ICMP_ERROR_NET_UNREACHABLE,
		[FIREWALL_REJECT_NO_ROUTE] = ICMP_ERROR_NET_UNREACHABLE,
	};

	if (packet->protocol != IPPROTO_TCP || reject_with > FIREWALL_REJECT_RESET)
		icmp_error(dp, packet, kinds[reject_with], 0);
	else if (!is_reset(packet) && icmp_answer_allowed(dp))
		tcp_reset_send(dp, packet);
}
