/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration with the functions that are built in: what visord calls. */
#include <stdio.h>

#include "config.h"
#include "nf/nf.h"

struct config *conf_read(const char *path, struct conf_errors *errors)
{
	return conf_read_with(path, nf_list, errors);
}

char *conf_reference(bool troff)
{
	return conf_reference_with(nf_list, troff);
}

int conf_check_main(const char *path)
{
	struct conf_errors *errors = conf_errors_new();
	struct config *config;
	unsigned n;

	if (!errors) {
		fprintf(stderr, "%s: out of memory\n", path);
		return 1;
	}
	config = conf_read(path, errors);
	n = conf_errors_total(errors);
	for (unsigned i = 0; i < conf_errors_count(errors); i++)
		fprintf(stderr, "%s\n", conf_errors_get(errors, i));
	if (config)
		printf("%s: ok\n", path);
	else
		fprintf(stderr, "%s: %u mistake%s\n", path, n, n == 1 ? "" : "s");
	conf_free(config);
	conf_errors_free(errors);
	return config ? 0 : 1;
}
