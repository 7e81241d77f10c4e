/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of a configuration's mistakes, kept in the order of file and line. Messages can quote
 * what stands in a file: control characters are replaced, so that a file cannot play with the
 * terminal or forge a line of the log, and so is what is not UTF-8, since messages travel in JSON.
 * A file of nothing but mistakes fills a bounded list.
 */
#include "conf_impl.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_MAX 1000

struct mistake {
	char *text;
	unsigned file; /* rank */
	int line;
};

struct place {
	const void *member;
	struct conf_where where;
};

struct conf_errors {
	struct mistake *list;
	unsigned n, room;
	unsigned lost; /* beyond the list's bound, or out of memory */
	char lost_text[64];
	char **files;
	unsigned n_files;
	struct place *places;
	unsigned n_places, places_room;
	const void **marked;
	unsigned n_marked, marked_room;
};

struct conf_errors *conf_errors_new(void)
{
	return calloc(1, sizeof(struct conf_errors));
}

void conf_errors_free(struct conf_errors *errors)
{
	if (!errors)
		return;
	for (unsigned i = 0; i < errors->n; i++)
		free(errors->list[i].text);
	for (unsigned i = 0; i < errors->n_files; i++)
		free(errors->files[i]);
	free(errors->list);
	free(errors->files);
	free(errors->places);
	free(errors->marked);
	free(errors);
}

unsigned conf_errors_count(const struct conf_errors *errors)
{
	return errors->n + !!errors->lost;
}

unsigned conf_errors_total(const struct conf_errors *errors)
{
	return errors->n + errors->lost;
}

const char *conf_errors_get(const struct conf_errors *errors, unsigned i)
{
	if (i < errors->n)
		return errors->list[i].text;
	return i == errors->n && errors->lost ? errors->lost_text : NULL;
}

static unsigned file_rank(struct conf_errors *errors, const char *file)
{
	char **files;
	unsigned i;

	if (!file)
		return 0;
	for (i = 0; i < errors->n_files; i++)
		if (!strcmp(errors->files[i], file))
			return i;
	files = realloc(errors->files, (i + 1) * sizeof(*files));
	if (!files)
		return i;
	errors->files = files;
	files[i] = strdup(file);
	if (files[i])
		errors->n_files++;
	return i;
}

void conf_errors_file(struct conf_errors *errors, const char *file)
{
	file_rank(errors, file);
}

/* Bytes of the UTF-8 sequence at s (RFC 3629), 0: there is none. The second test takes out what is
 * overlong, a surrogate, or beyond U+10FFFF. */
static unsigned utf8_length(const unsigned char *s)
{
	unsigned n = s[0] < 0x80 ? 1 :
		     s[0] < 0xc2 ? 0 :
		     s[0] < 0xe0 ? 2 :
		     s[0] < 0xf0 ? 3 :
		     s[0] < 0xf5 ? 4 :
				   0;

	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void make_harmless(char *text)
{
	unsigned char *c = (unsigned char *)text;
	unsigned n;

	for (; *c; c += n) {
		n = utf8_length(c);
		if (!n || *c < 0x20 || *c == 0x7f) {
			*c = '?';
			n = 1;
		}
	}
}

static char *message(const struct conf_where *where, const char *format, va_list args)
{
	char *text = NULL, *line = NULL;
	int n;

	if (vasprintf(&text, format, args) < 0)
		return NULL;
	if (where && where->file && where->line > 0)
		n = asprintf(&line, "%s:%d: %s", where->file, where->line, text);
	else if (where && where->file)
		n = asprintf(&line, "%s: %s", where->file, text);
	else
		n = asprintf(&line, "%s", text);
	free(text);
	if (n < 0)
		return NULL;
	make_harmless(line);
	return line;
}

static void count_lost(struct conf_errors *errors)
{
	errors->lost++;
	snprintf(errors->lost_text, sizeof(errors->lost_text), "%u more mistakes, not shown",
		 errors->lost);
}

static bool make_room(struct conf_errors *errors)
{
	unsigned room = errors->room ? 2 * errors->room : 16;
	struct mistake *list;

	if (errors->n == ERRORS_MAX)
		return false;
	if (errors->n < errors->room)
		return true;
	list = realloc(errors->list, room * sizeof(*list));
	if (!list)
		return false;
	errors->list = list;
	errors->room = room;
	return true;
}

static void add(struct conf_errors *errors, const struct conf_where *where, const char *format,
		va_list args)
{
	struct mistake new = { .line = where ? where->line : 0 };
	unsigned i;

	new.file = file_rank(errors, where ? where->file : NULL);
	new.text = make_room(errors) ? message(where, format, args) : NULL;
	if (!new.text) {
		count_lost(errors);
		return;
	}
	for (i = errors->n++; i > 0; i--) {
		const struct mistake *before = &errors->list[i - 1];

		if (before->file < new.file ||
		    (before->file == new.file && before->line <= new.line))
			break;
		errors->list[i] = *before;
	}
	errors->list[i] = new;
}

void conf_error(struct conf_errors *errors, const struct conf_where *where, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(errors, where, format, args);
	va_end(args);
}

void conf_error_at(struct conf_errors *errors, const struct conf_where *object, const void *member,
		   const char *format, ...)
{
	const struct conf_where *where = NULL;
	va_list args;

	if (errors->n < ERRORS_MAX)
		where = conf_errors_place_of(errors, member);

	va_start(args, format);
	add(errors, where ? where : object, format, args);
	va_end(args);
}

/* Without memory for a place the message names the object's line: good enough. */
void conf_errors_place(struct conf_errors *errors, const void *member,
		       const struct conf_where *where)
{
	unsigned room = errors->places_room ? 2 * errors->places_room : 64;
	struct place *places;

	if (errors->n_places == errors->places_room) {
		places = realloc(errors->places, room * sizeof(*places));
		if (!places)
			return;
		errors->places = places;
		errors->places_room = room;
	}
	errors->places[errors->n_places++] = (struct place){ member, *where };
}

void conf_errors_forget_places(struct conf_errors *errors)
{
	errors->n_places = 0;
	errors->n_marked = 0;
}

void conf_errors_mark(struct conf_errors *errors, const void *filled)
{
	unsigned room = errors->marked_room ? 2 * errors->marked_room : 16;
	const void **marked;

	if (errors->n_marked == errors->marked_room) {
		marked = realloc(errors->marked, room * sizeof(*marked));
		if (!marked)
			return;
		errors->marked = marked;
		errors->marked_room = room;
	}
	errors->marked[errors->n_marked++] = filled;
}

bool conf_errors_marked(const struct conf_errors *errors, const void *filled)
{
	for (unsigned i = 0; i < errors->n_marked; i++)
		if (errors->marked[i] == filled)
			return true;
	return false;
}

const struct conf_where *conf_errors_place_of(const struct conf_errors *errors, const void *member)
{
	for (unsigned i = errors->n_places; i-- > 0;)
		if (errors->places[i].member == member)
			return &errors->places[i].where;
	return NULL;
}
