/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memtrace symbolize: adds names to a log that has none, or better ones to a log that has some. */
#include <argp.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/log_argument.h"
#include "reader/symbol_update.h"
#include "reporters/text.h"

enum option_key { OPTION_SYSROOT = 256, OPTION_DEBUG_PATH, OPTION_DEBUGINFOD };

#define PROGRESS_AFTER_S 1 /* what is done by then needs no progress */

struct symbolize_command {
	struct log_argument log;
	bool is_quiet;
	struct symbolize_options options;
	time_t started_s;
	bool shows_progress; /* standard error is a terminal */
	bool has_line;       /* with progress on it */
};

static const struct argp_option option_rows[] = {
	{"sysroot", OPTION_SYSROOT, "DIR", 0,
	 "Look for the program's files and their debug files in DIR first, as if it were /", 0},
	{"debug-path", OPTION_DEBUG_PATH, "DIR[:DIR...]", 0,
	 "Directories of separate debug files (default: /usr/lib/debug)", 0},
	{"debuginfod", OPTION_DEBUGINFOD, NULL, 0,
	 "Ask the servers of DEBUGINFOD_URLS for what is not here", 0},
	{"quiet", 'q', NULL, 0, "Print nothing but errors", 0},
	{0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct symbolize_command *command = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &command->log;
		return 0;
	case OPTION_SYSROOT:
		command->options.symbolizer.sysroot = argument;
		return 0;
	case OPTION_DEBUG_PATH:
		command->options.symbolizer.debug_path = argument;
		return 0;
	case OPTION_DEBUGINFOD:
		command->options.symbolizer.uses_debuginfod = true;
		return 0;
	case 'q':
		command->is_quiet = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {{&log_argument_argp, 0, NULL, 0}, {0}};

static const struct argp parser = {
	.options = option_rows,
	.parser = parse,
	.args_doc = "LOG",
	.doc = "Look up the names of functions, files and lines that LOG does not have yet, in the "
	       "program's files and their debug information, and put them into it.\v"
	       "What is found out better than before replaces what LOG had. A file is only used if "
	       "its build-id is the recorded one. LOG is replaced at once when all is done; "
	       "whatever fails leaves it as it was.",
	.children = children,
};

static void clear_line(struct symbolize_command *command)
{
	if (command->has_line)
		(void)fputs("\r\033[K", stderr); /* a terminal: nothing to do about a failure */
	command->has_line = false;
}

static bool is_time_for_progress(const struct symbolize_command *command)
{
	return command->shows_progress && time(NULL) - command->started_s >= PROGRESS_AFTER_S;
}

static void show_progress(void *context, uint64_t done, uint64_t total)
{
	struct symbolize_command *command = context;
	if (!is_time_for_progress(command) || total == 0)
		return;
	clear_line(command);
	(void)fprintf(stderr, "memtrace: looking up names: %.0f %%", percent_of(done, total));
	command->has_line = true;
}

static void show_fetching(void *context, const char *path)
{
	struct symbolize_command *command = context;
	if (!command->shows_progress)
		return;
	clear_line(command);
	(void)fprintf(stderr, "memtrace: asking for %s", path);
	command->has_line = true;
}

/* returns  0, or an exit status after saying what keeps it from working */
static int check_options(const struct symbolize_options *options)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct stat status;
	const char *sysroot = options->symbolizer.sysroot;
	if (sysroot && (stat(sysroot, &status) != 0 || !S_ISDIR(status.st_mode))) {
		print_error("%s: not a directory", sysroot);
		return EXIT_USAGE;
	}
	if (!options->symbolizer.uses_debuginfod)
		return 0;
	if (!urls || !*urls) {
		print_error("--debuginfod: DEBUGINFOD_URLS names no server");
		return EXIT_USAGE;
	}
	void *client = dlopen("libdebuginfod.so.1", RTLD_LAZY);
	if (!client) {
		print_error("--debuginfod: its client library is not installed (libdebuginfod1)");
		return EXIT_FILE;
	}
	(void)dlclose(client); /* elfutils loads it itself */
	return 0;
}

static void print_result(const struct symbolize_command *command,
			 const struct symbol_update_result *result)
{
	char all[TEXT_FIGURE_BYTES];
	char with_line[TEXT_FIGURE_BYTES];
	char with_name[TEXT_FIGURE_BYTES];
	char changed[TEXT_FIGURE_BYTES];
	print_error("%s: %s names are new or better; of %s addresses %s have file and line, %s "
		    "the function only",
		    command->log.path, text_of_count(result->symbols.changed, changed),
		    text_of_count(result->addresses, all),
		    text_of_count(result->with_line, with_line),
		    text_of_count(result->with_name, with_name));
	if (result->symbols.missing > 0)
		print_error("%s: %s names are missing: their files could not be read to the end",
			    command->log.path, text_of_count(result->symbols.missing, all));
	if (result->has_hint)
		print_error("hint: %s", result->hint);
}

static int run(int argument_count, char **arguments)
{
	struct symbolize_command command = {
		.options.improves = true,
		.options.progress = show_progress,
		.options.fetching = show_fetching,
		.options.context = &command,
	};
	struct symbol_update_result result;
	struct mt_error error = {0};
	argp_err_exit_status = EXIT_USAGE;
	(void)argp_parse(&parser, argument_count, arguments, 0, NULL, &command);
	int failure = check_options(&command.options);
	if (failure)
		return failure;
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like any other */
	command.started_s = time(NULL);
	command.shows_progress = !command.is_quiet && isatty(STDERR_FILENO);
	enum mt_status status = symbol_update(command.log.path, &command.options, &result, &error);
	clear_line(&command);
	if (status != MT_OK) {
		print_error("%s", error.message);
		return EXIT_FILE;
	}
	if (!command.is_quiet)
		print_result(&command, &result);
	return EXIT_SUCCESS;
}

const struct command command_symbolize = {
	.name = "symbolize",
	.summary = "add names to a log, also on another machine",
	.run = run,
};
