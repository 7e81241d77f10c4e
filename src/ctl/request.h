/* SPDX-License-Identifier: Apache-2.0 */
/* A question to the daemon, and what to tell the user where there is no good answer. */
#ifndef VISORCTL_REQUEST_H
#define VISORCTL_REQUEST_H

#include <jansson.h>

#define REQUEST_SOCKET "/run/visor/visor.sock"

/* visorctl's exit codes. */
enum outcome {
	OUTCOME_OK = 0,
	OUTCOME_REFUSED = 1, /* the daemon said no, or the output could not be written */
	OUTCOME_USAGE = 2,
	OUTCOME_UNREACHABLE = 3, /* no daemon, or none that answers sensibly */
	OUTCOME_PARTIAL = 4,	 /* done, but for what was named on stderr */
};

/* Ask; `args` may be NULL and stays the caller's. OUTCOME_OK gives a new reference in *result;
 * anything else has been explained on stderr. */
enum outcome request_run(const char *path, const char *command, json_t *args, json_t **result);

#endif
