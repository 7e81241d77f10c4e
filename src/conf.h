/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration language as data: tables of keys, from which come the checking of a libconfig
 * file, the filling of C structs, `visord --check`, `visorctl show config` and the manual page's
 * list of keys. All: control thread.
 *
 * A schema describes one group `{ … }` and the C struct that it fills. Each key names its type,
 * the struct member, range, default and one line of documentation. What is not in a table is an
 * error with a suggestion; what is out of range is an error that says the range; nothing falls
 * back to a default silently. All mistakes of a file are reported in one go.
 */
#ifndef VISOR_CONF_H
#define VISOR_CONF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fib.h"

/* Where something stands in the file; the first member of every struct that a schema fills. A
 * group that the file does not have, and that holds its defaults, has file NULL and line 0. */
struct conf_where {
	const char *file;
	int line;
};

struct conf_prefix {
	struct ip_addr addr; /* host bits are zero, or the file is refused */
	uint8_t len;	     /* in its own family: 0..32, 0..128 */
};

enum conf_type {
	CONF_BOOL,    /* bool */
	CONF_INT,     /* int64_t, min..max */
	CONF_STRING,  /* const char *, 1..max bytes; may be NULL where there is no default */
	CONF_NAME,    /* const char *, an object's name: [A-Za-z0-9_.-]{1,31} */
	CONF_ENUM,    /* int: index into `choices` */
	CONF_ADDRESS, /* struct ip_addr */
	CONF_PREFIX,  /* struct conf_prefix; a bare address is /32 or /128 */
	CONF_INTS,    /* struct conf_ints: one int or an array of them */
	CONF_STRINGS, /* struct conf_strings: one string or an array of them */
	CONF_WORDS,   /* struct conf_strings: strings and integers (as their decimal text), mixed */
	CONF_GROUP,   /* the sub-schema's struct, embedded: { … } */
	CONF_LIST, /* struct conf_list of the sub-schema's struct: ( { … }, … ); also one { … } */
};

struct conf_ints {
	unsigned n;
	int64_t *value;
};

struct conf_strings {
	unsigned n;
	const char **value;
};

struct conf_list {
	unsigned n;
	void *item; /* n structs of sub->size bytes */
};

struct conf_schema;

struct conf_key {
	const char *name;
	enum conf_type type;
	bool required;
	bool unique;   /* CONF_NAME: within its list */
	size_t offset; /* of the member */
	/* CONF_INT, CONF_INTS: of a value; CONF_STRING: bytes; CONF_STRINGS, CONF_WORDS, CONF_LIST: how many
	 * (max 0: no limit) */
	int64_t min, max;
	const char *dflt;	    /* "64", "adaptive", "true"; arrays: "1, 2"; NULL: none, zero */
	const char *const *choices; /* CONF_ENUM, NULL-terminated */
	const struct conf_schema *sub; /* CONF_GROUP, CONF_LIST */
	const char *doc;	       /* one line, for the manual page */
	const char *unit;	       /* "ms", "bytes" … or NULL */
};

struct conf_schema {
	const char *name;	     /* for messages: "port", "worker settings" */
	size_t size;		     /* of the struct; its first member is struct conf_where */
	const struct conf_key *keys; /* ends with name == NULL */
};

struct conf_errors; /* a growing list of "FILE:LINE: message" */

/* Add an error. `where` may be NULL (no place in a file). Printf-like: what is wrong, what was
 * expected. */
void conf_error(struct conf_errors *errors, const struct conf_where *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same about one member of a struct (or one element of its arrays): where that key stands, or
 * where the object does when the member holds its default. During a check only. */
void conf_error_at(struct conf_errors *errors, const struct conf_where *object, const void *member,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Was anything wrong in this struct, or below it, when it was read? */
bool conf_errors_marked(const struct conf_errors *errors, const void *filled);
unsigned conf_errors_count(const struct conf_errors *errors);
/* With those that the list, which is bounded, had no room for; its last line says how many. */
unsigned conf_errors_total(const struct conf_errors *errors);
/* In the order of file and line; NULL past the end. */
const char *conf_errors_get(const struct conf_errors *errors, unsigned i);
struct conf_errors *conf_errors_new(void);
void conf_errors_free(struct conf_errors *errors);

/* Do two structs hold the same values? Where they stand in a file does not count. */
bool conf_equal(const struct conf_schema *schema, const void *a, const void *b);
/* The name of the first key whose value differs, NULL where none does. */
const char *conf_changed_key(const struct conf_schema *schema, const void *a, const void *b);

/* One struct from the text of a group without its braces, for tests and tools: "" gives the
 * defaults. NULL where there is any error. */
void *conf_struct_parse(const struct conf_schema *schema, const char *text,
			struct conf_errors *errors);
void conf_struct_free(void *filled);

#endif
