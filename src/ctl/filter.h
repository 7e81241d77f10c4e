/* SPDX-License-Identifier: Apache-2.0 */
/* Less of an answer, where the daemon sends all because it is short. */
#ifndef VISORCTL_FILTER_H
#define VISORCTL_FILTER_H

#include <jansson.h>

#include "request.h"

/* Keep the object of that "name"; where there is none, say which there are. */
enum outcome filter_name(json_t *list, const char *name);
/* Keep the objects whose "address" (or "dst") is of the family, 4 or 6. */
void filter_family(json_t *list, int family);

#endif
