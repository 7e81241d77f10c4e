/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding commands and explaining them. See command.h.
 *
 * Words are matched from the left; at each position the commands still possible are narrowed by an
 * exact match where there is one, else by the prefix. No command is the beginning of another, so
 * the first that has all its words is the one.
 */
#include "command.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "suggest.h"

#define WORD_MAX 32

/* Commands that are still possible, by their place in the table. */
typedef uint32_t command_set;

static command_set all_commands(void)
{
	command_set set = 0;

	for (unsigned i = 0; commands[i].words; i++)
		set |= 1u << i;
	return set;
}

/* Word `position` of a command, "" where it has no such. */
static const char *word_of(const struct command *command, int position, char word[WORD_MAX])
{
	const char *start = command->words;
	size_t len;

	for (; position && start; position--)
		if ((start = strchr(start, ' ')))
			start++;
	len = start ? strcspn(start, " ") : 0;
	memcpy(word, start ? start : "", len);
	word[len] = '\0';
	return word;
}

static command_set narrow(command_set set, int position, const char *token, bool exact)
{
	command_set found = 0;
	char word[WORD_MAX];

	for (unsigned i = 0; commands[i].words; i++) {
		if (!(set & 1u << i) || !*word_of(&commands[i], position, word))
			continue;
		if (exact ? !strcmp(word, token) : !strncmp(word, token, strlen(token)))
			found |= 1u << i;
	}
	return found;
}

/* The different words at a position. */
struct candidates {
	unsigned n;
	char word[32][WORD_MAX];
};

static void candidates_collect(struct candidates *found, command_set set, int position)
{
	char word[WORD_MAX];

	found->n = 0;
	for (unsigned i = 0; commands[i].words; i++) {
		bool repeated = false;

		if (!(set & 1u << i))
			continue;
		word_of(&commands[i], position, word);
		for (unsigned j = 0; j < found->n; j++)
			repeated = repeated || !strcmp(found->word[j], word);
		if (!repeated)
			strcpy(found->word[found->n++], word);
	}
}

static void candidates_print(const struct candidates *candidates, FILE *out)
{
	for (unsigned i = 0; i < candidates->n; i++)
		fprintf(out, "%s%s", i ? ", " : "", candidates->word[i]);
	fputc('\n', out);
}

enum match { MATCH_ONE, MATCH_INCOMPLETE, MATCH_AMBIGUOUS, MATCH_UNKNOWN };

struct finding {
	command_set set; /* what was possible where the search ended */
	int position;	 /* of the word where it ended */
	const struct command *command;
};

static bool has_word(const struct command *command, int position)
{
	char word[WORD_MAX];

	return *word_of(command, position, word);
}

static enum match find(char *const *words, int n, struct finding *found)
{
	*found = (struct finding){ .set = all_commands() };
	for (;; found->position++) {
		struct candidates candidates;
		command_set narrowed;

		found->command = &commands[__builtin_ctz(found->set)];
		if (!has_word(found->command, found->position))
			return MATCH_ONE;
		if (found->position == n)
			return MATCH_INCOMPLETE;
		narrowed = narrow(found->set, found->position, words[found->position], true);
		if (!narrowed)
			narrowed =
				narrow(found->set, found->position, words[found->position], false);
		if (!narrowed)
			return MATCH_UNKNOWN;
		candidates_collect(&candidates, narrowed, found->position);
		if (candidates.n > 1) {
			found->set = narrowed;
			return MATCH_AMBIGUOUS;
		}
		found->set = narrowed;
	}
}

static void explain(enum match match, const struct finding *found, const char *token)
{
	struct candidates candidates;
	const char *list[33] = { NULL }, *meant;

	candidates_collect(&candidates, found->set, found->position);
	if (match == MATCH_AMBIGUOUS) {
		fprintf(stderr, "visorctl: '%s' is ambiguous: ", token);
		candidates_print(&candidates, stderr);
		return;
	}
	if (match == MATCH_UNKNOWN) {
		for (unsigned i = 0; i < candidates.n; i++)
			list[i] = candidates.word[i];
		meant = suggest_word(token, list);
		fprintf(stderr, "visorctl: unknown command '%s'", token);
		if (meant)
			fprintf(stderr, "; did you mean '%s'?", meant);
		fputs("\nvisorctl: expected one of: ", stderr);
	} else {
		fputs("visorctl: the command is not complete; expected one of: ", stderr);
	}
	candidates_print(&candidates, stderr);
}

const struct command *command_find(char *const *words, int n, int *used)
{
	struct finding found;
	enum match match = find(words, n, &found);

	*used = found.position;
	if (match == MATCH_ONE)
		return found.command;
	explain(match, &found, found.position < n ? words[found.position] : "");
	return NULL;
}

bool command_takes(const struct command *command, const struct option_help *option)
{
	return strchr(command->options, option->letter) ||
	       (option->global && !(command->local && strchr("sjHw", option->letter)));
}

static void print_option(const struct option_help *option, FILE *out)
{
	char text[64];

	snprintf(text, sizeof(text), "-%c, --%s%s%s", option->letter, option->name,
		 option->value ? " " : "", option->value ? option->value : "");
	fprintf(out, "  %-24s %s\n", text, option->doc);
}

static void print_summaries(command_set set, FILE *out)
{
	char text[80];

	for (unsigned i = 0; commands[i].words; i++) {
		const struct command *command = &commands[i];

		if (!(set & 1u << i))
			continue;
		snprintf(text, sizeof(text), "%s%s%s", command->words,
			 *command->operands ? " " : "", command->operands);
		fprintf(out, "  %-28s %s\n", text, command->summary);
	}
}

static void print_indented(const char *lines, FILE *out)
{
	while (*lines) {
		int len = (int)strcspn(lines, "\n");

		fprintf(out, "  %.*s\n", len, lines);
		lines += len + (lines[len] == '\n');
	}
}

static void general_help(FILE *out)
{
	fputs("usage: visorctl [OPTIONS] COMMAND [ARGUMENTS]\n\n"
	      "Shows what the running visord does, and steers it. Words may be shortened as long as\n"
	      "they are unique: `visorctl sh po` shows the ports.\n\n"
	      "Commands:\n",
	      out);
	print_summaries(all_commands(), out);
	fputs("  help [COMMAND]               help for a command\n\nOptions:\n", out);
	for (const struct option_help *option = option_helps; option->letter; option++)
		if (option->global)
			print_option(option, out);
	fputs("\nExamples:\n"
	      "  visorctl show ports                 are both ports up, and what passed them?\n"
	      "  visorctl show drops --watch 1       what is dropped right now, and why?\n"
	      "  visorctl route get 192.0.2.1        where would a packet go?\n"
	      "  visorctl --json show workers        the same for a script\n"
	      "\nExit codes: 0 done; 1 the daemon refused, its reasons are on stderr; 2 the command\n"
	      "line is wrong; 3 the daemon cannot be reached; 4 an import that is not complete.\n"
	      "NO_COLOR in the environment switches colours off.\n",
	      out);
}

static void one_help(const struct command *command, FILE *out)
{
	fprintf(out, "usage: visorctl [OPTIONS] %s%s%s\n\n%s.\n%s", command->words,
		*command->operands ? " " : "", command->operands, command->summary, command->help);
	fputs("\n\nOptions:\n", out);
	for (const struct option_help *option = option_helps; option->letter; option++)
		if (command_takes(command, option))
			print_option(option, out);
	fputs("\nExamples:\n", out);
	print_indented(command->examples, out);
}

bool command_help(char *const *words, int n, FILE *out)
{
	struct finding found;
	enum match match = find(words, n, &found);

	if (match == MATCH_ONE) {
		one_help(found.command, out);
	} else if (!n) {
		general_help(out);
	} else if (match == MATCH_INCOMPLETE || match == MATCH_AMBIGUOUS) {
		fputs("usage: visorctl [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n", out);
		print_summaries(found.set, out);
	} else {
		explain(match, &found, words[found.position]);
		return false;
	}
	return true;
}

void command_list(FILE *out)
{
	for (const struct command *command = commands; command->words; command++) {
		fprintf(out, "%s\t", command->words);
		for (const struct option_help *option = option_helps; option->letter; option++)
			if (command_takes(command, option))
				fprintf(out, "-%c --%s ", option->letter, option->name);
		if (command->words_print) {
			fputc('\t', out);
			command->words_print(out);
		}
		fputc('\n', out);
	}
}
