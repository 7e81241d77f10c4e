/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which flows `visorctl show flows` and `flush flows` mean. A filter is a JSON object; each member
 * that is there must match:
 *
 *   "family"        4 or 6
 *   "src", "dst"    an address or prefix: as the packets that opened the flow came in, or as they
 *                   leave after translation
 *   "host"          either of them
 *   "sport", "dport", "port"    80 or "8000-8999", likewise
 *   "proto"         "tcp", "udp", "icmp" … or a number
 *   "state"         "established", or a list of such; of whichever protocol has a state of that name
 *   "rule"          "web", or "firewall:edge/web" where several functions have one of that name
 *   "in"            the interface that the flow's first packet came in by
 *
 * What costs least is looked at first: most flows are ruled out by the line that the scan has read
 * anyhow. A rule's name is compared once for each label, not for each flow.
 */
#ifndef VISOR_FLOW_FILTER_H
#define VISOR_FLOW_FILTER_H

#include <jansson.h>

#include "conf.h"
#include "fib.h"
#include "flow_label.h"
#include "flow_table.h"

struct flow_filter_ports {
	bool set;
	uint16_t low, high;
};

struct flow_filter_net {
	uint8_t family;		    /* 0: not asked for */
	uint32_t mask4, value4;	    /* of an IPv4 address */
	uint64_t mask[2], value[2]; /* of the address, IPv4 as mapped, in the wire's order */
};

struct flow_filter {
	uint8_t family;
	int protocol;	 /* -1: any */
	uint32_t states; /* a bit each; 0: any */
	bool narrows;	 /* anything is asked for */
	bool ends;	 /* addresses or ports are */
	struct flow_filter_net source, destination, host;
	struct flow_filter_ports sport, dport, port;
	int iface;	 /* slot; -1: any */
	char *rule;	 /* NULL: any */
	uint8_t *labels; /* by label: 0 not compared yet */
};

/* Read the members of `args` that are a filter's; others are the caller's. 0, or -EINVAL with
 * *error set (malloc'ed). control. */
int flow_filter_read(struct flow_filter *filter, const json_t *args, const struct fib *fib,
		     char **error);
void flow_filter_free(struct flow_filter *filter);

/* Is `name` a filter's member? */
bool flow_filter_knows(const char *name);

/* control. */
bool flow_filter_matches(const struct flow_filter *filter, const struct flow_table *table,
			 uint32_t handle);

/* "tcp", or NULL where the protocol has no name here. */
const char *flow_protocol_name(unsigned protocol);

#endif
