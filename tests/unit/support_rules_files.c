/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClassBench's files. A rule: @src/len dst/len sport : sport dport : dport proto/mask flags/mask; TCP
 * flags are not for the classifier and left out. A header: src dst sport dport proto …, in decimal.
 */
#include "support_rules_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support_rules.h"

static FILE *file_open(const char *path)
{
	char command[4200];

	if (strchr(path, '\'') || access(path, R_OK))
		return NULL;
	snprintf(command, sizeof(command), "gzip -dcf '%s'", path);
	return popen(command, "r");
}

static uint32_t addr_masked(const unsigned int part[5])
{
	uint32_t addr = part[0] << 24 | part[1] << 16 | part[2] << 8 | part[3];

	return part[4] ? addr & UINT32_MAX << (32 - part[4]) : 0;
}

static bool entry_parse(const char *line, struct classifier_entry *e, uint32_t priority)
{
	unsigned int s[5], d[5], sp[2], dp[2], proto, mask;

	if (sscanf(line, "@%u.%u.%u.%u/%u %u.%u.%u.%u/%u %u : %u %u : %u %x/%x", &s[0], &s[1],
		   &s[2], &s[3], &s[4], &d[0], &d[1], &d[2], &d[3], &d[4], &sp[0], &sp[1], &dp[0],
		   &dp[1], &proto, &mask) != 16)
		return false;
	*e = rules_entry_any(priority);
	e->src_len = (uint8_t)s[4];
	e->dst_len = (uint8_t)d[4];
	e->src.v4 = addr_masked(s);
	e->dst.v4 = addr_masked(d);
	e->sport_lo = (uint16_t)sp[0];
	e->sport_hi = (uint16_t)sp[1];
	e->dport_lo = (uint16_t)dp[0];
	e->dport_hi = (uint16_t)dp[1];
	e->proto = mask ? (uint16_t)proto : CLASSIFIER_ANY_PROTO;
	return classifier_entry_valid(4, e);
}

static void *grown(void *list, size_t n, size_t size)
{
	if (n % 1024)
		return list;
	list = realloc(list, (n + 1024) * size);
	if (!list)
		abort();
	return list;
}

int rules_read(const char *path, struct rules *r)
{
	FILE *f = file_open(path);
	char line[512];

	*r = (struct rules){ 0 };
	if (!f)
		return -ENOENT;
	while (fgets(line, sizeof(line), f)) {
		r->entry = grown(r->entry, r->n, sizeof(*r->entry));
		r->n += entry_parse(line, &r->entry[r->n], (uint32_t)r->n);
	}
	return pclose(f) || !r->n ? -EINVAL : 0;
}

int rules_trace_read(const char *path, struct classifier_key **key, size_t *n)
{
	FILE *f = file_open(path);
	char line[512];

	*key = NULL;
	*n = 0;
	if (!f)
		return -ENOENT;
	while (fgets(line, sizeof(line), f)) {
		unsigned int src, dst, sport, dport, proto;

		if (sscanf(line, "%u %u %u %u %u", &src, &dst, &sport, &dport, &proto) != 5)
			continue;
		*key = grown(*key, *n, sizeof(**key));
		(*key)[(*n)++] = (struct classifier_key){ .src.v4 = src,
							  .dst.v4 = dst,
							  .sport = (uint16_t)sport,
							  .dport = (uint16_t)dport,
							  .proto = (uint8_t)proto,
							  .has_ports = true };
	}
	return pclose(f) || !*n ? -EINVAL : 0;
}
