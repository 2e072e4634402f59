/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memtrace dump: every block and event of a log, for people and programs that look closely. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/command.h"
#include "cmd/log_argument.h"
#include "reporters/log_dump.h"

struct dump_options {
	struct log_argument log;
	bool is_json;
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "Print one JSON object a line", 0},
	{0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct dump_options *dump_options = state->input;
	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &dump_options->log;
		return 0;
	case 'j':
		dump_options->is_json = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {{&log_argument_argp, 0, NULL, 0}, {0}};

static const struct argp parser = {
	.options = options,
	.parser = parse,
	.args_doc = "LOG",
	.doc = "Print the blocks and events of a log, in order.",
	.children = children,
};

static int run(int argument_count, char **arguments)
{
	struct dump_options dump_options = {0};
	struct mt_error error = {0};
	argp_err_exit_status = EXIT_USAGE;
	(void)argp_parse(&parser, argument_count, arguments, 0, NULL, &dump_options);
	if (log_dump(dump_options.log.path, dump_options.is_json, stdout, &error) == MT_OK)
		return EXIT_SUCCESS;
	print_error("%s", error.message);
	return EXIT_FILE;
}

const struct command command_dump = {
	.name = "dump",
	.summary = "print the blocks and events of a log",
	.run = run,
};
