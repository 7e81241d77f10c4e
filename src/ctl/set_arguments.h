/* SPDX-License-Identifier: Apache-2.0 */
/* The operands of `show firewall` and `set …` as arguments for the daemon. See command.h. */
#ifndef VISORCTL_SET_ARGUMENTS_H
#define VISORCTL_SET_ARGUMENTS_H

#include "command.h"

bool instance_arguments(const struct options *options, const struct operands *operands,
			json_t *args);
bool set_arguments(const struct options *options, const struct operands *operands, json_t *args);
bool set_add_arguments(const struct options *options, const struct operands *operands,
		       json_t *args);
bool set_list_arguments(const struct options *options, const struct operands *operands,
			json_t *args);

#endif
