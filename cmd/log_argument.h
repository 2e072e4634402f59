/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log that a command reads, and which of its processes: children for the parsers of commands.
 */
#ifndef MEMTRACE_CMD_LOG_ARGUMENT_H
#define MEMTRACE_CMD_LOG_ARGUMENT_H

#include <argp.h>
#include <stdint.h>

struct log_argument {
	const char *path;
	uint64_t pid; /* 0: all */
};

/* Their input is a zeroed struct log_argument. */
extern const struct argp log_argument_argp; /* LOG */
extern const struct argp log_process_argp;  /* LOG and --pid */

#endif
