/* SPDX-License-Identifier: Apache-2.0 */
/* Other programs' configurations as ours. No daemon is asked. */
#ifndef VISORCTL_IMPORT_H
#define VISORCTL_IMPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "request.h"

/* What `nft -j list ruleset` prints, from a file or "-"; the configuration goes to `out`, what it
 * does not carry also to stderr. With `firewall_only` no ports and no chains, for an @include.
 * OUTCOME_PARTIAL: something was not carried. */
enum outcome import_nft(const char *path, bool firewall_only, FILE *out);

#endif
