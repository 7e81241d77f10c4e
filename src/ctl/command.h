/* SPDX-License-Identifier: Apache-2.0 */
/* visorctl's commands as a table: from it come the finding of a command, its help, and what the
 * shell completes. */
#ifndef VISORCTL_COMMAND_H
#define VISORCTL_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "request.h"
#include "view.h"

/* What the user gave; an option that a command does not take is refused before it sees this. */
struct options {
	const char *socket;
	bool json, human, help, version, list, all, firewall_only;
	double watch_s; /* 0: once */
	int family;	/* 0: both, 4, 6 */
	long limit;	/* -1: not given */
};

/* A command's words, as they were typed after the command itself. */
struct operands {
	int n;
	char *const *word;
};

struct command {
	const char *words;    /* "show ports"; this is also what the daemon is asked */
	const char *operands; /* "[PORT]", "ADDRESS", or "" */
	int min, max;	      /* how many operands */
	const char *options;  /* letters of the options that it takes besides the global ones */
	const char *summary;  /* one line */
	const char *help;     /* what the answer means */
	const char *examples; /* a line each */
	view *view;
	/* Operands and options as "args" for the daemon; false after a word on stderr. */
	bool (*arguments)(const struct options *options, const struct operands *operands,
			  json_t *args);
	const char *list;   /* where the answer is long: its list, "routes", asked for in pages */
	const char *filter; /* an operand picks the objects of this "name" in the list of that key,
			     * "" where the answer itself is the list; NULL: not so */
	const char *family; /* -4 and -6 pick the objects of that list by their address; or NULL */
	void (*words_print)(FILE *out); /* what operands may begin with, for the shell; or NULL */
	/* A command that asks no daemon: it does all by itself; the rest above is not looked at. */
	enum outcome (*local)(const struct options *options, const struct operands *operands,
			      FILE *out);
	bool once; /* it changes something: --watch is refused */
};

struct option_help {
	char letter;
	const char *name;  /* long */
	const char *value; /* "SECONDS", or NULL */
	const char *doc;
	bool global;
};

extern const struct command commands[];		/* ends with words == NULL */
extern const struct option_help option_helps[]; /* ends with letter == 0 */

/* Find the command that `words` start with; each may be shortened as long as that is unique. The
 * number of words that it took goes to *used. NULL where there is none, after a word on stderr. */
const struct command *command_find(char *const *words, int n, int *used);

/* Does the command take that option? Those about the daemon are for commands that ask one. */
bool command_takes(const struct command *command, const struct option_help *option);

/* Help for everything, or for the commands that the words lead to; false where they lead nowhere,
 * after a word on stderr. */
bool command_help(char *const *words, int n, FILE *out);
/* Each command, its options and words of its operands, for the shell's completion. */
void command_list(FILE *out);

#endif
