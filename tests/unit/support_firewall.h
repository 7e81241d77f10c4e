/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A firewall between support_packet.h's two interfaces, from the text of its section. What it says of
 * a packet: NULL where it lets it in, else the name of the drop counter.
 */
#ifndef VISOR_SUPPORT_FIREWALL_H
#define VISOR_SUPPORT_FIREWALL_H

#include "nf/nf.h"
#include "support_packet.h"

struct wall {
	struct support *s;
	struct nf nf;
	void *conf;
	struct flow_open open;	   /* of the last question */
	const struct packet *last; /* the packet of it */
};

struct asked {
	struct probe probe;
	uint16_t iface;
	enum flow_class class;
	uint8_t tcp_flags; /* 0: SYN */
	uint8_t icmp_code, tos;
	bool again;
};

int wall_start(void **state); /* of a group of tests */
int wall_stop(void **state);

struct wall *wall_new(const char *format, ...) __attribute__((format(printf, 1, 2)));
void wall_free(struct wall *wall);
/* The same instance by another text, as a reload does it. */
void wall_reload(struct wall *wall, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As its `stateful` says: the first packet of a flow, or a packet in a burst. */
const char *wall_ask(struct wall *wall, const struct asked *asked);
/* The flow of the last question has ended. */
void wall_close(struct wall *wall);

#endif
