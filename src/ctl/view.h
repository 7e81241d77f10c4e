/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each command's answer looks like to a person. Each takes the "result" of an answer, and
 * shows what it finds there; what is missing is "-".
 */
#ifndef VISORCTL_VIEW_H
#define VISORCTL_VIEW_H

#include <jansson.h>
#include <stdio.h>

#include "table.h"

typedef void view(const json_t *result, const struct style *style, FILE *out);

view view_ports, view_workers, view_drops;				  /* view_counters.c */
view view_routes, view_route, view_neighbours, view_interfaces;		  /* view_tables.c */
view view_firewall, view_set, view_set_change;				  /* view_firewall.c */
view view_flows, view_flush;						  /* view_flows.c */
view view_config, view_fields, view_functions, view_reload, view_version; /* view_fields.c */

#endif
