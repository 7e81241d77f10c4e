/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static routes of the configuration: kept in the RIB as links and addresses come and go. A route
 * names an interface, or only a next hop, whose interface is then found through the connected
 * routes. Control thread.
 */
#ifndef VISOR_STATIC_ROUTE_H
#define VISOR_STATIC_ROUTE_H

#include "config.h"
#include "rib.h"

struct static_routes;

int static_routes_new(struct static_routes **routes, struct rib *rib);
void static_routes_free(struct static_routes *routes);

/* Make the RIB's static routes those of `config`, as far as their next hops can be reached now;
 * called again whenever links or addresses have changed. */
int static_routes_apply(struct static_routes *routes, const struct config *config);

#endif
