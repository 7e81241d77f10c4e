/* SPDX-License-Identifier: Apache-2.0 */
/* What rules with `log` say of a packet: a line of the log, made by the control thread. */
#ifndef FIREWALL_LOG_PACKET_H
#define FIREWALL_LOG_PACKET_H

struct datapath;
struct firewall_decision;
struct firewall_packet;
struct firewall_rule;

/* `decision` NULL: the rule only counts. Within the rule's limit; the others are counted. worker. */
void firewall_log_packet(struct datapath *dp, const struct firewall_rule *rule,
			 const struct firewall_packet *packet,
			 const struct firewall_decision *decision);

#endif
