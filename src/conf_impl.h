/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the configuration language share among themselves; nobody else includes it.
 *
 *   conf_text.c   files and their includes → one text for libconfig, with a map of its lines
 *   conf_file.c   one file
 *   conf_read.c   libconfig's tree + tables → structs
 *   conf_value.c  one value from its text and back
 *   conf_print.c  structs + tables → libconfig text, JSON
 *   conf_errors.c the list of mistakes
 *
 * Everything that a reading allocates lives in one arena and goes with it. Control thread.
 */
#ifndef VISOR_CONF_IMPL_H
#define VISOR_CONF_IMPL_H

#include <stdio.h>

#include "conf.h"

/* The arena. alloc gives zeroed memory or NULL, and remembers that it once gave NULL. */
struct conf_arena;
struct conf_arena *conf_arena_new(void);
void conf_arena_free(struct conf_arena *arena);
bool conf_arena_failed(const struct conf_arena *arena);
void *conf_arena_alloc(struct conf_arena *arena, size_t size);
char *conf_arena_strdup(struct conf_arena *arena, const char *s);

/* The errors' memory of where each member was set, for conf_error_at(). */
void conf_errors_place(struct conf_errors *errors, const void *member,
		       const struct conf_where *where);
void conf_errors_forget_places(struct conf_errors *errors);
const struct conf_where *conf_errors_place_of(const struct conf_errors *errors, const void *member);
/* Structs in which something was wrong, or below: rules that span keys leave them alone. */
void conf_errors_mark(struct conf_errors *errors, const void *filled);
/* Files are reported in the order in which they were announced. */
void conf_errors_file(struct conf_errors *errors, const char *file);

/* A whole file of at most `room` bytes, malloc'ed; NULL and *why where it cannot be had. */
char *conf_file_read(const char *path, size_t room, size_t *len, const char **why);

struct conf_text {
	char *data; /* NUL-terminated */
	size_t len, room;
	struct conf_where *lines; /* of line i + 1; the names are the arena's */
	unsigned n_lines, lines_room;
	size_t bytes_read;
};

/* Fill `text` from a file, or from a string that is called `name`. False where libconfig need not
 * be asked any more; mistakes are in `errors` in either case. Free it in either case. */
bool conf_text_load(struct conf_text *text, const char *path, struct conf_arena *arena,
		    struct conf_errors *errors);
bool conf_text_set(struct conf_text *text, const char *name, const char *string,
		   struct conf_arena *arena, struct conf_errors *errors);
void conf_text_free(struct conf_text *text);
const struct conf_where *conf_text_where(const struct conf_text *text, unsigned line);

/* Keys that stand twice in a group reach libconfig under a name that begins so. */
#define CONF_DUPLICATE_PREFIX "**"

/* Lists have room for this many more items than the file has. */
#define CONF_LIST_SPARE 1

/* Parse `text` and fill `out` by `schema`; false where libconfig refused the text. */
bool conf_text_read(const struct conf_text *text, const struct conf_schema *schema, void *out,
		    struct conf_arena *arena, struct conf_errors *errors);
/* Fill `out` with defaults as if an empty group stood at `where`; missing keys are errors. */
void conf_defaults_read(const struct conf_schema *schema, const struct conf_where *where, void *out,
			struct conf_arena *arena, struct conf_errors *errors);

/* One value from text, "" included; false where it is not one. */
bool conf_bool_parse(const char *text, bool *value);
bool conf_int_parse(const char *text, int64_t *value);
bool conf_enum_parse(const char *const *choices, const char *text, int *value);
bool conf_address_parse(const char *text, struct ip_addr *addr);
/* With host bits set the prefix is filled, masked, and *host_bits true. */
bool conf_prefix_parse(const char *text, struct conf_prefix *prefix, bool *host_bits);
bool conf_name_valid(const char *text);

#define CONF_VALUE_TEXT 64 /* bytes that hold any address or prefix */
const char *conf_address_text(const struct ip_addr *addr, char text[CONF_VALUE_TEXT]);
const char *conf_prefix_text(const struct conf_prefix *prefix, char text[CONF_VALUE_TEXT]);

/* A value in a few words, for messages. */
const char *conf_key_text(const struct conf_key *key, const void *member, char *text, size_t size);
/* Is there a value, or is it absent (NULL, no family)? */
bool conf_key_present(const struct conf_key *key, const void *member);
bool conf_key_equal(const struct conf_key *key, const void *a, const void *b);

/* The key by which objects of this schema are told apart, NULL none. */
const struct conf_key *conf_schema_name_key(const struct conf_schema *schema);

void conf_struct_print(FILE *out, const struct conf_schema *schema, const void *filled,
		       unsigned depth);
json_t *conf_struct_json(const struct conf_schema *schema, const void *filled);
/* The keys' reference: troff or plain text. */
void conf_schema_reference(FILE *out, const struct conf_schema *schema, bool troff);

static inline const void *conf_member(const struct conf_key *key, const void *filled)
{
	return (const char *)filled + key->offset;
}

#endif
