/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of an answer as text. A member may be missing, because the daemon is of another version
 * than we are, or null: that is "-", never an error.
 */
#ifndef VISORCTL_VALUE_H
#define VISORCTL_VALUE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "table.h"

#define VALUE_TEXT 64

/* The string, or "-". */
const char *value_string(const json_t *object, const char *key);
/* 0 where there is none. */
json_int_t value_integer(const json_t *object, const char *key);

/* Any scalar as a cell: strings as they are, numbers and booleans in words, lists joined by a
 * blank. */
void value_cell(struct table *table, enum colour colour, const json_t *object, const char *key);
/* A count or a number of bytes, in the style's units. */
void value_count_cell(struct table *table, const struct style *style, enum colour colour,
		      const json_t *object, const char *key);
void value_bytes_cell(struct table *table, const struct style *style, const json_t *object,
		      const char *key);

/* Into `text`, which is returned. */
char *value_count(char text[VALUE_TEXT], json_int_t count, const struct style *style);
char *value_bytes(char text[VALUE_TEXT], json_int_t bytes, const struct style *style);
char *value_duration(char text[VALUE_TEXT], json_int_t seconds);

/* Any value as malloc'ed text: lists joined by ", ", objects as "key value" pairs. */
char *value_text(const json_t *value);

#endif
