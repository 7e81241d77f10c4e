/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two files that read libconfig's tree; nobody else includes it. */
#ifndef VISOR_CONF_READER_H
#define VISOR_CONF_READER_H

#include <libconfig.h>

#include "conf_impl.h"

struct conf_reader {
	const struct conf_text *text; /* NULL: defaults only */
	struct conf_arena *arena;
	struct conf_errors *errors;
};

/* The object that is being read. */
struct conf_object {
	const struct conf_schema *schema;
	void *out;
	char label[128]; /* `port "wan"`; "" for the whole file */
};

struct conf_where conf_setting_where(const struct conf_reader *r, const config_setting_t *setting);

/* conf_read_value.c: a key that is neither a group nor a list. */
void conf_value_read(struct conf_reader *r, const struct conf_object *object,
		     const struct conf_key *key, const config_setting_t *setting, void *member);
/* "expected …, found …" */
void conf_wrong_type(struct conf_reader *r, const struct conf_object *object,
		     const struct conf_key *key, const config_setting_t *setting);
/* Are `n` values or groups as many as the key takes? An error where not. */
bool conf_count_fits(struct conf_reader *r, const struct conf_object *object,
		     const struct conf_key *key, const config_setting_t *setting, unsigned n);

#endif
