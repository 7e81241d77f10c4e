/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for a terminal: columns as wide as their widest cell, numbers to the right. Out of
 * memory ends the program: a command line tool has nothing better to do.
 */
#ifndef VISORCTL_TABLE_H
#define VISORCTL_TABLE_H

#include <stdbool.h>
#include <stdio.h>

enum colour { COLOUR_NONE, COLOUR_GOOD, COLOUR_WARN, COLOUR_BAD, COLOUR_DIM, COLOUR_TITLE };

/* How to show; the user's choice and the terminal's abilities. */
struct style {
	bool colour;
	bool human; /* 1.2 M, 3.4 GiB */
	bool all;   /* rows and columns without news as well */
};

enum column_flag {
	COLUMN_RIGHT = 1,    /* numbers */
	COLUMN_OPTIONAL = 2, /* left out where no row has anything but "-" or "0" */
	COLUMN_DETAIL = 4,   /* only where all is to be shown */
};

struct column {
	const char *title;
	unsigned flags;
};

struct table;

struct table *table_new(const struct column *columns, unsigned n);
void table_free(struct table *table);
/* The next cell, row by row from the left. Control characters and bytes that would move the cursor
 * become '?'. */
void table_cell(struct table *table, enum colour colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Titles and rows, or only rows where `titles` is false; nothing where there are no rows. */
void table_print(const struct table *table, const struct style *style, bool titles, FILE *out);

/* The terminal's codes around a text; "" where there is no colour. */
const char *style_on(const struct style *style, enum colour colour);
const char *style_off(const struct style *style, enum colour colour);

#endif
