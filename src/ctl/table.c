/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for a terminal. See table.h. */
#include "table.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

struct cell {
	char *text;
	enum colour colour;
};

struct table {
	const struct column *columns;
	unsigned n_columns;
	size_t n_cells, size;
	struct cell *cells;
};

static const char *const codes[] = {
	[COLOUR_NONE] = "",	   [COLOUR_GOOD] = "\033[32m", [COLOUR_WARN] = "\033[33m",
	[COLOUR_BAD] = "\033[31m", [COLOUR_DIM] = "\033[2m",   [COLOUR_TITLE] = "\033[1m",
};

const char *style_on(const struct style *style, enum colour colour)
{
	return style->colour ? codes[colour] : "";
}

const char *style_off(const struct style *style, enum colour colour)
{
	return style->colour && colour != COLOUR_NONE ? "\033[0m" : "";
}

struct table *table_new(const struct column *columns, unsigned n)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		err(1, "table");
	table->columns = columns;
	table->n_columns = n;
	return table;
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

/* A device's name is another program's choice of bytes. */
static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

void table_cell(struct table *table, enum colour colour, const char *format, ...)
{
	struct cell *cell;
	va_list args;

	if (table->n_cells == table->size) {
		table->size = table->size ? 2 * table->size : 64;
		table->cells = reallocarray(table->cells, table->size, sizeof(*table->cells));
		if (!table->cells)
			err(1, "table");
	}
	cell = &table->cells[table->n_cells++];
	cell->colour = colour;
	va_start(args, format);
	if (vasprintf(&cell->text, format, args) < 0)
		err(1, "table");
	va_end(args);
	clean(cell->text);
}

/* Code points, which is what the names and numbers here take up. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static bool is_empty(const char *text)
{
	return !*text || !strcmp(text, "-") || !strcmp(text, "0");
}

/* The width of a column, or -1 where it is not shown. */
static int column_width(const struct table *table, unsigned column, const struct style *style)
{
	unsigned flags = table->columns[column].flags;
	bool shown = style->all || !(flags & COLUMN_OPTIONAL);
	int widest = width(table->columns[column].title);

	if (flags & COLUMN_DETAIL && !style->all)
		return -1;
	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		int w = width(table->cells[i].text);

		widest = w > widest ? w : widest;
		shown = shown || !is_empty(table->cells[i].text);
	}
	return shown ? widest : -1;
}

static void print_padding(FILE *out, int n)
{
	if (n > 0)
		fprintf(out, "%*s", n, "");
}

/* One row; `pending` collects the blanks so that no line ends in any. */
static void print_row(const struct table *table, const struct cell *row, const int *widths,
		      const struct style *style, FILE *out)
{
	int pending = 0;

	for (unsigned c = 0; c < table->n_columns; c++) {
		const char *text = row ? row[c].text : table->columns[c].title;
		enum colour colour = row ? row[c].colour : COLOUR_TITLE;
		int padding = widths[c] - width(text);

		if (widths[c] < 0)
			continue;
		if (table->columns[c].flags & COLUMN_RIGHT) {
			pending += padding;
			padding = 0;
		}
		if (*text) {
			print_padding(out, pending);
			fprintf(out, "%s%s%s", style_on(style, colour), text,
				style_off(style, colour));
			pending = 0;
		} else {
			pending += width(text);
		}
		pending += padding + GAP;
	}
	fputc('\n', out);
}

void table_print(const struct table *table, const struct style *style, bool titles, FILE *out)
{
	int *widths;

	if (!table->n_cells)
		return;
	widths = calloc(table->n_columns, sizeof(*widths));
	if (!widths)
		err(1, "table");
	for (unsigned c = 0; c < table->n_columns; c++)
		widths[c] = column_width(table, c, style);
	if (titles)
		print_row(table, NULL, widths, style, out);
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_row(table, &table->cells[i], widths, style, out);
	free(widths);
}
