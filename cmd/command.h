/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a subcommand is, and the exit statuses that they share.
 *
 * cmd/ is the only code that prints errors and chooses exit statuses. An error is one line on
 * stderr: "memtrace: FILE: what is wrong".
 */
#ifndef MEMTRACE_CMD_COMMAND_H
#define MEMTRACE_CMD_COMMAND_H

#include "common/status.h"

struct command {
	const char *name;
	const char *summary;                              /* one line of `memtrace --help` */
	int (*run)(int argument_count, char **arguments); /* arguments[0]: "memtrace NAME" */
};

extern const struct command command_check;
extern const struct command command_dump;
extern const struct command command_leak_check;
extern const struct command command_leaks;
extern const struct command command_run;
extern const struct command command_symbolize;

/* Of `run` and `check`, as env, nohup and time have them. */
#define EXIT_TRACER_FAILED 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

/* Of `check` and `leaks`: a limit is passed (LeakSanitizer's number), and no verdict is possible.
 */
#define EXIT_LIMIT_PASSED 23
#define EXIT_NO_VERDICT 3

/* Of the reports. */
#define EXIT_FILE 1
#define EXIT_USAGE 2

/* Prints "memtrace: " and the text, in one line. */
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
