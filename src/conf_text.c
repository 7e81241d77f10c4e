/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration file and what it includes, as one text for libconfig.
 *
 * Why libconfig does not read the files itself: it stops at the first mistake and calls most of
 * them "syntax error"; its 1.5 cuts integers to 32 bits without a word and leaves the process when
 * an include is a folder; it resolves includes against one folder for all files. So this pass,
 * which understands tokens but not meaning, puts the text together and keeps a map from its lines
 * to those of the files. On the way it
 *   - finds unclosed strings, comments and brackets and says where they were opened,
 *   - finds words without quotes and reads on as if they had them,
 *   - finds keys that stand twice in a group and renames the second (CONF_DUPLICATE_PREFIX), so
 *     that libconfig reads on,
 *   - marks each integer as 64 bits wide, or refuses it,
 *   - makes a list of an array that mixes strings and numbers: libconfig's arrays do not,
 *   - takes out commas before a closing bracket, which only newer libconfigs accept,
 *   - puts a bracket that follows a string on that string's line: libconfig notes the line of the
 *     token after a string in an array as the string's own.
 * Comments are left out.
 *
 * Bounded: bytes in all, depth of includes and of brackets, keys of one group.
 */
#include "conf_impl.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (64u << 20)
#define INCLUDE_DEPTH_MAX 10
#define NEST_MAX 64
#define GROUP_KEYS_MAX 4096

enum token { TOKEN_KEY, TOKEN_EQUALS, TOKEN_OTHER };

struct source { /* a file that is being read */
	const char *name;
	const char *p, *end;
	const char *moved; /* this character has been written already, */
	size_t moved_to;   /* there in the text */
	int line;
	bool line_start;
	const struct source *parent;
	unsigned depth;
};

struct opened {
	char bracket;
	struct conf_where where;
	unsigned first_key;
	size_t at;	      /* in the text */
	bool strings, others; /* what is inside */
};

struct key_seen {
	size_t at, len; /* in the text */
	struct conf_where where;
};

struct scan {
	struct conf_text *text;
	struct conf_arena *arena;
	struct conf_errors *errors;
	struct opened nest[NEST_MAX];
	unsigned depth;
	struct key_seen *keys; /* of all open groups, innermost last */
	unsigned n_keys, keys_room;
	enum token last;
	bool hopeless; /* libconfig would only complain about the consequences */
	bool stop;     /* and so would the rest of the text */
};

static void scan_file(struct scan *s, const char *path, const struct source *parent,
		      const struct conf_where *from);

static struct conf_where here(const struct source *src)
{
	return (struct conf_where){ src->name, src->line };
}

static void emit(struct scan *s, const char *data, size_t n)
{
	struct conf_text *text = s->text;
	size_t room = text->room ? text->room : 4096;
	char *grown;

	while (text->len + n + 1 > room)
		room *= 2;
	if (room != text->room) {
		grown = realloc(text->data, room);
		if (!grown) {
			s->hopeless = true;
			return;
		}
		text->data = grown;
		text->room = room;
	}
	memcpy(text->data + text->len, data, n);
	text->len += n;
	text->data[text->len] = '\0';
}

static void emit_newline(struct scan *s, struct source *src)
{
	struct conf_text *text = s->text;
	unsigned room = text->lines_room ? 2 * text->lines_room : 256;
	struct conf_where *lines;

	emit(s, "\n", 1);
	if (text->n_lines == text->lines_room) {
		lines = realloc(text->lines, room * sizeof(*lines));
		if (!lines) {
			s->hopeless = true;
			return;
		}
		text->lines = lines;
		text->lines_room = room;
	}
	text->lines[text->n_lines++] = here(src);
	src->line++;
	src->line_start = true;
}

static bool starts(const struct source *src, const char *p, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(src->end - p) >= n && !memcmp(p, what, n);
}

/* Past a comment that begins at p, or p itself. An unclosed one reaches to the end. */
static const char *after_comment(const struct source *src, const char *p)
{
	const char *end;

	if (*p == '#' || starts(src, p, "//")) {
		end = memchr(p, '\n', (size_t)(src->end - p));
		return end ? end : src->end;
	}
	if (starts(src, p, "/*")) {
		end = memmem(p + 2, (size_t)(src->end - p - 2), "*/", 2);
		return end ? end + 2 : src->end;
	}
	return p;
}

static void skip_comment(struct scan *s, struct source *src, const char *end)
{
	struct conf_where opened = here(src);
	bool block = src->p[1] == '*' && *src->p == '/';

	if (block && (end - src->p < 4 || memcmp(end - 2, "*/", 2))) {
		conf_error(s->errors, &opened, "the comment that begins here is never closed");
		s->hopeless = true;
	}
	for (; src->p < end; src->p++)
		if (*src->p == '\n')
			emit_newline(s, src);
	if (block)
		emit(s, " ", 1);
}

/* The next character that is neither space nor comment, from p on; the end where there is none. */
static const char *next_token(const struct source *src, const char *p)
{
	const char *after;

	while (p < src->end) {
		after = isspace((unsigned char)*p) ? p + 1 : after_comment(src, p);
		if (after == p)
			return p;
		p = after;
	}
	return p;
}

static bool in(const struct scan *s, const char *brackets)
{
	return s->depth && strchr(brackets, s->nest[s->depth - 1].bracket);
}

/* A value stands here: what is the array made of? */
static void note_value(struct scan *s, bool string)
{
	struct opened *opened = s->depth ? &s->nest[s->depth - 1] : NULL;

	if (opened && string)
		opened->strings = true;
	else if (opened)
		opened->others = true;
}

static bool value_expected(const struct scan *s)
{
	return s->last == TOKEN_EQUALS || in(s, "([");
}

/* Is the comma at p the last thing before a closing bracket? */
static bool closes_next(const struct source *src, const char *p)
{
	const char *next = next_token(src, p + 1);

	return next < src->end && strchr("])", *next);
}

/* Read on as if it had been closed before the first semicolon, or else at the end of the line. */
static void unclosed_string(struct scan *s, struct source *src, const char *start,
			    const struct conf_where *where)
{
	size_t n = (size_t)(src->p - start);
	const char *semicolon = memchr(start, ';', n);

	conf_error(s->errors, where, "a string is not closed on its line: %.*s",
		   (int)(n > 40 ? 40 : n), start);
	src->p = semicolon ? semicolon : src->p;
	n = (size_t)(src->p - start);
	emit(s, start, memchr(start, '\\', n) ? 1 : n);
	emit(s, "\"", 1);
}

static void scan_string(struct scan *s, struct source *src)
{
	const char *start = src->p++, *next;
	struct conf_where where = here(src);

	while (src->p < src->end && *src->p != '"' && *src->p != '\n')
		src->p += *src->p == '\\' && src->p + 1 < src->end && src->p[1] != '\n' ? 2 : 1;
	s->last = TOKEN_OTHER;
	if (src->p >= src->end || *src->p == '\n') {
		unclosed_string(s, src, start, &where);
		return;
	}
	note_value(s, true);
	emit(s, start, (size_t)(++src->p - start));
	next = next_token(src, src->p);
	if (in(s, "([") && next < src->end && *next == ',' && closes_next(src, next))
		next = next_token(src, next + 1); /* the comma will be left out */
	if (in(s, "([") && next < src->end && strchr(",])", *next)) {
		src->moved_to = s->text->len;
		src->moved = next;
		emit(s, next, 1);
	}
}

/* Does `word` look like one of libconfig's floating point numbers? */
static bool is_float(const char *word, size_t n)
{
	char copy[64], *end;

	if (n >= sizeof(copy) || !memchr("+-.0123456789", *word, 13) || memchr(word, 'x', n) ||
	    memchr(word, 'X', n))
		return false;
	memcpy(copy, word, n);
	copy[n] = '\0';
	strtod(copy, &end);
	return !*end && strpbrk(copy, "0123456789") && strpbrk(copy, ".eE");
}

/* An integer with its L; false: not an integer. One that does not fit is an error, and read as the
 * largest that does. */
static bool emit_integer(struct scan *s, const char *word, size_t n, const struct conf_where *where)
{
	char copy[64], *end;
	bool hex;

	while (n && word[n - 1] == 'L')
		n--;
	if (!n || n >= sizeof(copy) || !memchr("+-0123456789", *word, 12))
		return false;
	memcpy(copy, word, n);
	copy[n] = '\0';
	hex = n > 2 && copy[0] == '0' && toupper((unsigned char)copy[1]) == 'X';
	errno = 0;
	strtoll(copy, &end, hex ? 16 : 10);
	if (end == copy || *end)
		return false;
	if (errno) {
		conf_error(s->errors, where, "%s does not fit into 64 bits", copy);
		strcpy(copy, *copy == '-' ? "-9223372036854775807" : "9223372036854775807");
	}
	emit(s, copy, strlen(copy));
	emit(s, "L", 1);
	return true;
}

static void unquoted(struct scan *s, const char *word, size_t n, const struct conf_where *where)
{
	int shown = n > 64 ? 64 : (int)n;

	conf_error(
		s->errors, where,
		"%.*s is neither a number nor true or false; a string stands in quotes: \"%.*s\"",
		shown, word, shown, word);
	emit(s, "\"", 1);
	if (!memchr(word, '\\', n))
		emit(s, word, n);
	emit(s, "\"", 1);
}

/* Anything that is not a string where a value belongs. */
static void scan_value(struct scan *s, struct source *src)
{
	const char *word = src->p;
	struct conf_where where = here(src);
	size_t n;

	while (src->p < src->end && !isspace((unsigned char)*src->p) &&
	       !strchr(",;()[]{}\"#=", *src->p) && after_comment(src, src->p) == src->p)
		src->p++;
	n = (size_t)(src->p - word);
	s->last = TOKEN_OTHER;
	note_value(s, false);
	if ((n == 4 && !strncasecmp(word, "true", n)) ||
	    (n == 5 && !strncasecmp(word, "false", n)) || is_float(word, n)) {
		emit(s, word, n);
	} else if (!emit_integer(s, word, n, &where)) {
		unquoted(s, word, n, &where);
	}
}

static bool remember_key(struct scan *s, const char *name, size_t len,
			 const struct conf_where *where)
{
	unsigned first = s->depth ? s->nest[s->depth - 1].first_key : 0;
	unsigned room = s->keys_room ? 2 * s->keys_room : 64;
	struct key_seen *keys;

	for (unsigned i = first; i < s->n_keys; i++) {
		const struct key_seen *seen = &s->keys[i];

		if (seen->len != len || memcmp(s->text->data + seen->at, name, len))
			continue;
		conf_error(s->errors, where, "\"%.*s\" stands twice%s; first on line %d%s%s",
			   (int)(len > 64 ? 64 : len), name, s->depth ? " in this group" : "",
			   seen->where.line, seen->where.file == where->file ? "" : " of ",
			   seen->where.file == where->file ? "" : seen->where.file);
		return false;
	}
	if (s->n_keys - first == GROUP_KEYS_MAX) {
		conf_error(s->errors, where, "more than %u keys in one group", GROUP_KEYS_MAX);
		s->hopeless = true;
	}
	if (s->n_keys == s->keys_room) {
		keys = s->hopeless ? NULL : realloc(s->keys, room * sizeof(*keys));
		if (!keys) {
			s->hopeless = true;
			return true;
		}
		s->keys = keys;
		s->keys_room = room;
	}
	s->keys[s->n_keys++] = (struct key_seen){ s->text->len, len, *where };
	return true;
}

static void scan_key(struct scan *s, struct source *src)
{
	const char *name = src->p;
	struct conf_where where = here(src);
	char alias[48];
	size_t len;

	while (src->p < src->end && (isalnum((unsigned char)*src->p) || strchr("-_*", *src->p)))
		src->p++;
	len = (size_t)(src->p - name);
	s->last = TOKEN_KEY;
	if (remember_key(s, name, len, &where)) {
		emit(s, name, len);
		return;
	}
	snprintf(alias, sizeof(alias), CONF_DUPLICATE_PREFIX "%zu", s->text->len);
	emit(s, alias, strlen(alias));
}

static void bracket_open(struct scan *s, struct source *src)
{
	struct conf_where where = here(src);

	if (s->depth == NEST_MAX) {
		conf_error(s->errors, &where, "brackets are nested more than %u deep", NEST_MAX);
		s->hopeless = s->stop = true;
		return;
	}
	s->nest[s->depth++] = (struct opened){
		.bracket = *src->p, .where = where, .first_key = s->n_keys, .at = s->text->len
	};
	s->last = TOKEN_OTHER;
	emit(s, src->p++, 1);
}

/* After the first bracket that does not match, all others would be guesses. */
static void bracket_close(struct scan *s, struct source *src)
{
	struct conf_where where = here(src);
	const struct opened *opened = s->depth ? &s->nest[s->depth - 1] : NULL;
	static const char pairs[] = "(){}[]";

	if (!opened || *src->p != strchr(pairs, opened->bracket)[1]) {
		if (opened)
			conf_error(s->errors, &where, "\"%c\" does not close the \"%c\" of line %d",
				   *src->p, opened->bracket, opened->where.line);
		else
			conf_error(s->errors, &where, "\"%c\" closes nothing", *src->p);
		s->hopeless = s->stop = true;
		return;
	}
	if (src->p != src->moved) {
		src->moved_to = s->text->len;
		emit(s, src->p, 1);
	}
	if (*src->p == ']' && opened->strings && opened->others && !s->hopeless) {
		s->text->data[opened->at] = '(';
		s->text->data[src->moved_to] = ')';
	}
	s->n_keys = opened->first_key;
	s->depth--;
	s->last = TOKEN_OTHER;
	src->p++;
}

static void scan_comma(struct scan *s, struct source *src)
{
	if (src->p != src->moved && !(in(s, "([") && closes_next(src, src->p)))
		emit(s, ",", 1);
	src->p++;
	s->last = TOKEN_OTHER;
}

static void include_all(struct scan *s, const char *pattern, const struct source *src,
			const struct conf_where *where)
{
	glob_t found;

	if (!strpbrk(pattern, "*?[")) {
		scan_file(s, pattern, src, where);
		return;
	}
	if (!glob(pattern, 0, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc; i++)
			scan_file(s, found.gl_pathv[i], src, where);
	globfree(&found);
}

/* @include "path": relative to the folder of the file in which it stands; a pattern stands for all
 * files that it matches, in their order, also for none. */
static void scan_include(struct scan *s, struct source *src)
{
	struct conf_where where = here(src);
	const char *p = src->p + strlen("@include"), *quote, *slash;
	char *path = NULL;
	int folder;

	while (p < src->end && (*p == ' ' || *p == '\t'))
		p++;
	quote = p < src->end && *p == '"' ? memchr(p + 1, '"', (size_t)(src->end - p - 1)) : NULL;
	if (!src->line_start || !quote || quote == p + 1 || memchr(p, '\n', (size_t)(quote - p))) {
		conf_error(s->errors, &where, "expected @include \"FILE\" on a line of its own");
		s->hopeless = true;
		p = memchr(src->p, '\n', (size_t)(src->end - src->p));
		src->p = p ? p : src->end;
		return;
	}
	slash = strrchr(src->name, '/');
	folder = p[1] == '/' || !slash ? 0 : (int)(slash + 1 - src->name);
	if (asprintf(&path, "%.*s%.*s", folder, src->name, (int)(quote - p - 1), p + 1) < 0) {
		s->hopeless = true;
		return;
	}
	src->p = quote + 1;
	include_all(s, path, src, &where);
	free(path);
}

static void scan_token(struct scan *s, struct source *src)
{
	const char c = *src->p;

	if (c == '@' && starts(src, src->p, "@include")) {
		scan_include(s, src);
	} else if (c == '"') {
		scan_string(s, src);
	} else if (strchr("([{", c)) {
		bracket_open(s, src);
	} else if (strchr(")]}", c)) {
		bracket_close(s, src);
	} else if (c == ',') {
		scan_comma(s, src);
	} else if (c == ';' || ((c == '=' || c == ':') && !value_expected(s))) {
		s->last = c == ';' ? TOKEN_OTHER : TOKEN_EQUALS;
		emit(s, src->p++, 1);
	} else if (value_expected(s) && c != '=') {
		scan_value(s, src);
	} else if (isalpha((unsigned char)c) || c == '*') {
		scan_key(s, src);
	} else { /* libconfig will say so */
		emit(s, src->p++, 1);
	}
	src->line_start = false;
}

static void scan_source(struct scan *s, struct source *src)
{
	const char *after;

	while (src->p < src->end && !s->stop) {
		after = after_comment(src, src->p);
		if (after != src->p) {
			skip_comment(s, src, after);
		} else if (*src->p == '\n') {
			emit_newline(s, src);
			src->p++;
		} else if (isspace((unsigned char)*src->p)) {
			emit(s, " ", 1);
			src->p++;
		} else {
			scan_token(s, src);
		}
	}
	emit_newline(s, src);
}

static bool has_nul(struct scan *s, const struct source *src, size_t len)
{
	const char *nul = memchr(src->p, '\0', len);
	struct conf_where where = here(src);

	if (!nul)
		return false;
	for (const char *p = src->p; p < nul; p++)
		where.line += *p == '\n';
	conf_error(s->errors, &where, "a NUL byte; this is no text file");
	s->hopeless = true;
	return true;
}

static bool may_include(struct scan *s, const char *path, const struct source *parent,
			const struct conf_where *from)
{
	for (const struct source *above = parent; above; above = above->parent) {
		if (!strcmp(above->name, path)) {
			conf_error(s->errors, from, "@include \"%s\": the file includes itself",
				   path);
			return false;
		}
	}
	if (parent && parent->depth == INCLUDE_DEPTH_MAX) {
		conf_error(s->errors, from, "@include \"%s\": more than %u files deep", path,
			   INCLUDE_DEPTH_MAX);
		return false;
	}
	return true;
}

static void scan_file(struct scan *s, const char *path, const struct source *parent,
		      const struct conf_where *from)
{
	struct source src = { .line = 1, .line_start = true, .parent = parent };
	const char *why;
	char *data;
	size_t len;

	if (!may_include(s, path, parent, from)) {
		s->hopeless = true;
		return;
	}
	data = conf_file_read(path, TEXT_MAX - s->text->bytes_read, &len, &why);
	src.name = conf_arena_strdup(s->arena, path);
	if (!data || !src.name) {
		if (parent)
			conf_error(s->errors, from, "@include \"%s\": cannot read it: %s", path,
				   why);
		else
			conf_error(s->errors, from, "cannot read it: %s", why);
		s->hopeless |= !parent;
		free(data);
		return;
	}
	conf_errors_file(s->errors, src.name);
	s->text->bytes_read += len;
	src.depth = parent ? parent->depth + 1 : 0;
	src.p = data;
	src.end = data + len;
	if (starts(&src, data, "\xef\xbb\xbf"))
		src.p += 3;
	if (!has_nul(s, &src, (size_t)(src.end - src.p)))
		scan_source(s, &src);
	free(data);
}

static bool scan_end(struct scan *s)
{
	for (unsigned i = s->stop ? 0 : s->depth; i-- > 0; s->hopeless = true)
		conf_error(s->errors, &s->nest[i].where,
			   "the \"%c\" that stands here is never closed", s->nest[i].bracket);
	free(s->keys);
	return !s->hopeless;
}

bool conf_text_load(struct conf_text *text, const char *path, struct conf_arena *arena,
		    struct conf_errors *errors)
{
	struct scan s = { .text = text, .arena = arena, .errors = errors, .last = TOKEN_OTHER };
	struct conf_where whole = { path, 0 };

	memset(text, 0, sizeof(*text));
	scan_file(&s, path, NULL, &whole);
	return scan_end(&s);
}

bool conf_text_set(struct conf_text *text, const char *name, const char *string,
		   struct conf_arena *arena, struct conf_errors *errors)
{
	struct scan s = { .text = text, .arena = arena, .errors = errors, .last = TOKEN_OTHER };
	struct source src = { .name = conf_arena_strdup(arena, name),
			      .line = 1,
			      .line_start = true,
			      .p = string,
			      .end = string + strlen(string) };

	memset(text, 0, sizeof(*text));
	if (!src.name)
		return false;
	scan_source(&s, &src);
	return scan_end(&s);
}

void conf_text_free(struct conf_text *text)
{
	free(text->data);
	free(text->lines);
}

/* libconfig may name the line after the last. */
const struct conf_where *conf_text_where(const struct conf_text *text, unsigned line)
{
	if (!text->n_lines)
		return NULL;
	if (line > text->n_lines)
		line = text->n_lines;
	return &text->lines[line ? line - 1 : 0];
}
