/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recording a program into a finished log: what `run` and `check` share. */
#ifndef MEMTRACE_CMD_RECORD_PROGRAM_H
#define MEMTRACE_CMD_RECORD_PROGRAM_H

#include <stddef.h>

#include "cmd/launcher.h"

/* Symbols take as long as this at the end of a run; the rest is for `memtrace symbolize`. */
#define SYMBOLS_LIMIT_MS 10000

/*
 * Finds the file to execute.
 *
 * path     [capacity] set on success
 * returns  0, or an exit status after printing why the program can't be run
 */
int record_find_program(const char *name, char *path, size_t capacity);

/*
 * Runs the program and finishes its log, unless processes go on that it left behind.
 *
 * closing  [capacity] set to what became of the recording, if there is one
 */
void record_program(const struct launch_options *options, struct launch_result *ret_result,
		    char *closing, size_t capacity);

#endif
