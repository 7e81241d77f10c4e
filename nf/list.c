/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that are built in: one line each. */
#include "nf/nf.h"

#include <string.h>

extern const struct nf_ops firewall_ops;
extern const struct nf_ops router_ops;

const struct nf_ops *const nf_list[] = {
	&firewall_ops,
	&router_ops,
	NULL,
};

const struct nf_ops *nf_find(const char *name)
{
	for (const struct nf_ops *const *ops = nf_list; *ops; ops++)
		if (!strcmp((*ops)->name, name))
			return *ops;
	return NULL;
}
