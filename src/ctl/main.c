/* SPDX-License-Identifier: Apache-2.0 */
/*
 * visorctl: asks the running daemon over its control socket and shows the answer.
 *
 * The command line is read in two steps: options of all commands first, wherever they stand, then
 * the words; an option that is not the command's is refused. See command.h for the commands,
 * request.h for the exit codes.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "filter.h"
#include "page.h"
#include "request.h"
#include "version.h"

enum { OPTION_LIST = 256 };

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "human", no_argument, NULL, 'H' },
	{ "watch", required_argument, NULL, 'w' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "all", no_argument, NULL, 'a' },
	{ "ipv4", no_argument, NULL, '4' },
	{ "ipv6", no_argument, NULL, '6' },
	{ "limit", required_argument, NULL, 'n' },
	{ "firewall-only", no_argument, NULL, 'f' },
	{ "list-commands", no_argument, NULL, OPTION_LIST },
	{ NULL, 0, NULL, 0 },
};

static bool read_watch(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	if (end != text && !*end && *seconds >= 0.1 && *seconds <= 86400)
		return true;
	fprintf(stderr, "visorctl: --watch %s: 0.1 to 86400 seconds were expected\n", text);
	return false;
}

static bool read_limit(const char *text, long *limit)
{
	char *end;

	errno = 0;
	*limit = strtol(text, &end, 10);
	if (end != text && !*end && !errno && *limit >= 1 && *limit <= 100000)
		return true;
	fprintf(stderr, "visorctl: --limit %s: 1 to 100000 was expected; --all is for every one\n",
		text);
	return false;
}

static bool read_family(int family, struct options *options)
{
	if (options->family && options->family != family) {
		fputs("visorctl: either -4 or -6; both are shown when neither is given\n", stderr);
		return false;
	}
	options->family = family;
	return true;
}

static bool read_option(int letter, struct options *options)
{
	switch (letter) {
	case 's': options->socket = optarg; return true;
	case 'j': options->json = true; return true;
	case 'H': options->human = true; return true;
	case 'w': return read_watch(optarg, &options->watch_s);
	case 'h': options->help = true; return true;
	case 'V': options->version = true; return true;
	case 'a': options->all = true; return true;
	case '4': return read_family(4, options);
	case '6': return read_family(6, options);
	case 'n': return read_limit(optarg, &options->limit);
	case 'f': options->firewall_only = true; return true;
	case OPTION_LIST: options->list = true; return true;
	default: fputs("visorctl: see visorctl --help\n", stderr); return false;
	}
}

/* Which of the options that are not every command's were given, as letters. */
static bool read_options(int argc, char **argv, struct options *options, char given[16])
{
	int letter;

	while ((letter = getopt_long(argc, argv, "s:jHw:hVa46n:f", long_options, NULL)) != -1) {
		if (!read_option(letter, options))
			return false;
		if (letter < 256 && strchr("a46nfsjH", letter) && !strchr(given, letter))
			given[strlen(given)] = (char)letter;
	}
	return true;
}

static bool check_use(const struct command *command, const struct options *options,
		      const char *given, const struct operands *operands)
{
	for (; *given; given++) {
		const struct option_help *help = option_helps;

		while (help->letter != *given)
			help++;
		if (command_takes(command, help))
			continue;
		fprintf(stderr,
			"visorctl: '%s' takes no option -%c (--%s); see visorctl %s --help\n",
			command->words, *given, help->name, command->words);
		return false;
	}
	if (options->watch_s > 0 && command->once) {
		fprintf(stderr, "visorctl: '%s' is not for --watch\n", command->words);
		return false;
	}
	if (operands->n > command->max) {
		fprintf(stderr, "visorctl: '%s': '%s' is one word too many\n", command->words,
			operands->word[command->max]);
		return false;
	}
	if (operands->n < command->min) {
		fprintf(stderr, "visorctl: '%s' needs %s; see visorctl %s --help\n", command->words,
			command->operands, command->words);
		return false;
	}
	return true;
}

static enum outcome ask(const struct command *command, const struct options *options,
			const struct operands *operands, json_t *args, const struct style *style,
			FILE *out)
{
	enum outcome outcome;
	json_t *result;

	if (command->local)
		return command->local(options, operands, out);
	if (command->list && options->all)
		return page_all(command, options, args, style, out);
	outcome = request_run(options->socket, command->words, args, &result);
	if (outcome == OUTCOME_OK && command->family && options->family)
		filter_family(json_object_get(result, command->family), options->family);
	if (outcome == OUTCOME_OK && command->filter && operands->n)
		outcome = filter_name(*command->filter ? json_object_get(result, command->filter) :
							 result,
				      operands->word[0]);
	if (outcome == OUTCOME_OK && options->json) {
		json_dumpf(result, out, JSON_INDENT(2) | JSON_ENCODE_ANY);
		fputc('\n', out);
	} else if (outcome == OUTCOME_OK) {
		command->view(result, style, out);
	}
	json_decref(result);
	return outcome;
}

static enum outcome finish(enum outcome outcome)
{
	if (fflush(stdout) || ferror(stdout)) {
		if (errno != EPIPE) /* `| head` has seen enough */
			warn("standard output");
		return outcome ? outcome : OUTCOME_REFUSED;
	}
	return outcome;
}

static void on_interrupt(int number)
{
	_exit(0);
}

static void print_heading(const struct command *command, double seconds, const struct style *style)
{
	char clock[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	printf("%svisorctl %s   %s, every %g s, Ctrl-C ends%s\n\n", style_on(style, COLOUR_DIM),
	       command->words, clock, seconds, style_off(style, COLOUR_DIM));
}

/* Each picture is made first and shown at once, so that it does not flicker. A daemon that goes
 * away is waited for: it may just be restarting. */
static enum outcome watch(const struct command *command, const struct options *options,
			  const struct operands *operands, json_t *args, const struct style *style)
{
	const struct timespec pause = {
		.tv_sec = (time_t)options->watch_s,
		.tv_nsec = (long)(fmod(options->watch_s, 1) * 1e9),
	};
	const bool terminal = isatty(STDOUT_FILENO);

	signal(SIGINT, on_interrupt);
	for (bool first = true;; first = false) {
		char *picture = NULL;
		size_t len;
		FILE *out = open_memstream(&picture, &len);
		enum outcome outcome;

		if (!out)
			err(OUTCOME_REFUSED, "watch");
		outcome = ask(command, options, operands, args, style, out);
		fclose(out);
		if (outcome && (first || outcome != OUTCOME_UNREACHABLE)) {
			free(picture);
			return outcome;
		}
		if (terminal && !outcome) {
			fputs("\033[H\033[2J", stdout);
			print_heading(command, options->watch_s, style);
		}
		fwrite(picture, 1, len, stdout);
		if (!terminal && !options->json && !outcome)
			fputc('\n', stdout);
		free(picture);
		outcome = finish(OUTCOME_OK);
		if (outcome)
			return outcome;
		nanosleep(&pause, NULL);
	}
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !(terminal && !strcmp(terminal, "dumb"));
}

static enum outcome run(const struct command *command, const struct options *options,
			const struct operands *operands)
{
	const struct style style = {
		.colour = !options->json && wants_colour(),
		.human = options->human,
		.all = options->all,
	};
	json_t *args = json_object();
	enum outcome outcome = OUTCOME_USAGE;

	if (!command->arguments || command->arguments(options, operands, args))
		outcome = options->watch_s > 0 ?
				  watch(command, options, operands, args, &style) :
				  finish(ask(command, options, operands, args, &style, stdout));
	json_decref(args);
	return outcome;
}

int main(int argc, char **argv)
{
	struct options options = { .socket = REQUEST_SOCKET, .limit = -1 };
	const struct command *command;
	struct operands operands;
	char given[16] = "";
	char **words;
	int n, used;

	signal(SIGPIPE, SIG_IGN);
	if (!read_options(argc, argv, &options, given))
		return OUTCOME_USAGE;
	words = argv + optind;
	n = argc - optind;
	if (options.version) {
		printf("visorctl %s\n", VISOR_VERSION);
		return finish(OUTCOME_OK);
	}
	if (options.list) {
		command_list(stdout);
		return finish(OUTCOME_OK);
	}
	if (n && !strcmp(words[0], "help")) {
		options.help = true;
		words++;
		n--;
	}
	if (options.help)
		return finish(command_help(words, n, stdout) ? OUTCOME_OK : OUTCOME_USAGE);
	if (!n) {
		command_help(words, 0, stderr);
		return OUTCOME_USAGE;
	}
	command = command_find(words, n, &used);
	if (!command)
		return OUTCOME_USAGE;
	operands = (struct operands){ .n = n - used, .word = words + used };
	if (!check_use(command, &options, given, &operands))
		return OUTCOME_USAGE;
	return run(command, &options, &operands);
}
