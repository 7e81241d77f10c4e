/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static routes of the configuration. The RIB itself finds and follows their interfaces, by name
 * or by the subnet of the next hop. Control thread.
 */
#ifndef VISOR_STATIC_ROUTE_H
#define VISOR_STATIC_ROUTE_H

#include "config.h"
#include "rib.h"

/* Remove those of `old` that `next` (may be NULL) does not have; before their interfaces go. */
void static_routes_remove(struct rib *rib, const struct config *old, const struct config *next);

/* Set those of `config`. 0 or -errno. */
int static_routes_set(struct rib *rib, const struct config *config);

#endif
