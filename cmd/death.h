/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a program died, when memory had to do with it, and who held the most of it. */
#ifndef MEMTRACE_CMD_DEATH_H
#define MEMTRACE_CMD_DEATH_H

#include "cmd/launcher.h"
#include "cmd/memory_limit.h"

/*
 * Prints an explanation to standard error if the program was killed, or failed after malloc had
 * returned NULL; else nothing.
 *
 * before  read before the program began
 */
void death_explain(const struct launch_result *result, const struct memory_limit *before);

#endif
