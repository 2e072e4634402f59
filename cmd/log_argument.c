/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/log_argument.h"

#include <errno.h>
#include <stdlib.h>

enum option_key { OPTION_PID = 768 }; /* beyond those of the commands */

static const struct argp_option process_rows[] = {
	{"pid", OPTION_PID, "PID", 0, "Only the process PID of the tree", 0},
	{0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct log_argument *log = state->input;
	char *end;
	switch (key) {
	case OPTION_PID:
		errno = 0;
		log->pid = strtoull(argument, &end, 10);
		if (errno || end == argument || *end || log->pid == 0)
			argp_error(state, "'%s' is not a process id", argument);
		return 0;
	case ARGP_KEY_ARG:
		if (log->path)
			argp_error(state, "one log at a time: what is '%s'?", argument);
		log->path = argument;
		return 0;
	case ARGP_KEY_END:
		if (!log->path)
			argp_error(state, "a log is missing");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp log_argument_argp = {.parser = parse};
const struct argp log_process_argp = {.options = process_rows, .parser = parse};
