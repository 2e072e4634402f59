/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `leaks` and `leak-check` share: report and verdict on a log. */
#ifndef MEMTRACE_CMD_LEAKS_H
#define MEMTRACE_CMD_LEAKS_H

#include <stdint.h>

#include "cmd/leak_options.h"

/*
 * Prints the report on a log.
 *
 * pid      only this process; 0: all
 * returns  the exit status
 */
int leaks_report(const struct leak_options *options, const char *log_path, uint64_t pid);

#endif
