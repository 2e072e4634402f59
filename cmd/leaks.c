/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memtrace leaks: what was not freed in a recording, and the verdict on it. */
#include "cmd/leaks.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/leak_judge.h"
#include "cmd/log_argument.h"

enum option_key { OPTION_GROWTH = 512 };

struct leaks_options {
	struct leak_options shared;
	struct log_argument log;
};

static const struct argp_option rows[] = {
	{"growth", OPTION_GROWTH, NULL, 0,
	 "List stack traces whose live bytes keep growing over the run, also if they are freed at "
	 "its end, instead of leaks",
	 0},
	{0},
};

/* Growth is a ranking, not a verdict. */
static void check_growth(const struct leak_options *shared, const struct argp_state *state)
{
	if (!shared->shows_growth)
		return;
	if (shared->has_limits || shared->baseline_path || shared->suppression_count ||
	    shared->prints_suppressions)
		argp_error(state, "--growth goes with --format and --pid only");
	if (strcmp(shared->format->name, "text") != 0 && strcmp(shared->format->name, "json") != 0)
		argp_error(state, "--growth has the formats text and json");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct leaks_options *options = state->input;
	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->shared;
		state->child_inputs[1] = &options->log;
		return 0;
	case OPTION_GROWTH:
		options->shared.shows_growth = true;
		return 0;
	case ARGP_KEY_END:
		check_growth(&options->shared, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {
	{&leak_argp, 0, NULL, 0}, {&log_process_argp, 0, NULL, 0}, {0}};

static const struct argp parser = {
	.options = rows,
	.parser = parse,
	.args_doc = "LOG",
	.doc = "List what was never freed, by stack trace, and judge it.\v"
	       "The exit status is 0 if all limits are kept, 23 if one is passed, 3 if one was "
	       "asked for and no verdict is possible, 1 if a file can't be read or written, 2 for "
	       "wrong usage.",
	.children = children,
};

static FILE *to_stdout(void *context, enum leak_outcome outcome)
{
	(void)context;
	(void)outcome;
	return stdout;
}

static int status_of(const struct leak_options *options, enum leak_outcome outcome)
{
	if (options->prints_suppressions || options->shows_growth)
		return EXIT_SUCCESS; /* that is no judgement */
	switch (outcome) {
	case LEAKS_FAILED:
		return options->failed_status;
	case LEAKS_UNJUDGED:
		/* A log that was recorded without a scan is merely listed. */
		return options->has_limits ? EXIT_NO_VERDICT : EXIT_SUCCESS;
	case LEAKS_PASSED:
		break;
	}
	return EXIT_SUCCESS;
}

int leaks_report(const struct leak_options *options, const char *log_path, uint64_t pid)
{
	struct leak_judge judge;
	struct mt_error error = {0};
	enum leak_outcome outcome = LEAKS_UNJUDGED;
	enum mt_status status = leak_judge_init(&judge, options, &error);
	if (status == MT_OK) {
		judge.tells_incomplete = true;
		status = leak_judge_log(&judge, log_path, pid, to_stdout, NULL, &outcome, &error);
		leak_judge_release(&judge);
	}
	if (status == MT_OK)
		return status_of(options, outcome);
	print_error("%s", error.message);
	return status == MT_ERR_USAGE ? EXIT_USAGE : EXIT_FILE;
}

static int run(int argument_count, char **arguments)
{
	struct leaks_options options = {0};
	argp_err_exit_status = EXIT_USAGE;
	(void)argp_parse(&parser, argument_count, arguments, 0, NULL, &options);
	int status = leaks_report(&options.shared, options.log.path, options.log.pid);
	leak_options_release(&options.shared);
	return status;
}

const struct command command_leaks = {
	.name = "leaks",
	.summary = "list what was never freed, by stack trace, and judge it",
	.run = run,
};
