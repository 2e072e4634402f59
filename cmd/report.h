/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MEMTRACE_CMD_REPORT_H
#define MEMTRACE_CMD_REPORT_H

#include "reporters/reporter.h"

/* Runs a reporter as a subcommand. returns an exit status of cmd/command.h */
int report_run(const struct reporter *reporter, int argument_count, char **arguments);

#endif
