/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the kernel's routing tables, as iproute2 keeps them (rt_tables). */
#include "config.h"

#include <errno.h>
#include <glob.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const patterns[] = {
	"/etc/iproute2/rt_tables",	 "/etc/iproute2/rt_tables.d/*.conf",
	"/usr/share/iproute2/rt_tables", "/usr/share/iproute2/rt_tables.d/*.conf",
	"/usr/lib/iproute2/rt_tables",
};

static int parse_number(const char *text, uint32_t *number)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -ENOENT;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (*end || errno || !value || value > UINT32_MAX)
		return -ENOENT;
	*number = (uint32_t)value;
	return 0;
}

/* Lines of "NUMBER NAME", "#" begins a comment. */
static int find_in_file(const char *path, const char *name, uint32_t *number)
{
	FILE *in = fopen(path, "re");
	char line[256], *save, *value, *found;
	int err = -ENOENT;

	if (!in)
		return err;
	while (err && fgets(line, sizeof(line), in)) {
		line[strcspn(line, "#\n")] = '\0';
		value = strtok_r(line, " \t", &save);
		found = value ? strtok_r(NULL, " \t", &save) : NULL;
		if (found && !strcmp(found, name))
			err = parse_number(value, number);
	}
	fclose(in);
	return err;
}

static int find_in_files(const char *pattern, const char *name, uint32_t *number)
{
	glob_t files;
	int err = -ENOENT;

	if (!glob(pattern, 0, NULL, &files))
		for (size_t i = 0; err && i < files.gl_pathc; i++)
			err = find_in_file(files.gl_pathv[i], name, number);
	globfree(&files);
	return err;
}

int conf_table_number(const char *name, uint32_t *number)
{
	static const struct {
		const char *name;
		uint32_t number;
	} always[] = {
		{ "main", RT_TABLE_MAIN },
		{ "local", RT_TABLE_LOCAL },
		{ "default", RT_TABLE_DEFAULT },
	};
	int err;

	for (unsigned i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		if (!strcmp(always[i].name, name)) {
			*number = always[i].number;
			return 0;
		}
	}
	err = parse_number(name, number);
	for (unsigned i = 0; err && i < sizeof(patterns) / sizeof(patterns[0]); i++)
		err = find_in_files(patterns[i], name, number);
	return err;
}
