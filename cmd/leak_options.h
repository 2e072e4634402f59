/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options that `leaks` and `check` share: limits, suppressions, baseline, format. */
#ifndef MEMTRACE_CMD_LEAK_OPTIONS_H
#define MEMTRACE_CMD_LEAK_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "reporters/leak_report.h"

struct leak_options {
	struct leak_limits limits;
	bool has_limits; /* one was asked for, as against the default */
	const struct leak_format *format;
	const char **suppression_paths; /* [suppression_count] */
	size_t suppression_count;
	const char *baseline_path;
	bool writes_baseline;
	int failed_status; /* exit status when a limit is passed */
	bool shows_holders;
	bool shows_growth; /* instead of leaks; `leaks` only */
	bool prints_suppressions;
	enum suppression_syntax syntax; /* to print them in */
};

/* A child for argp; its input is a struct leak_options, which it fills with defaults first. */
extern const struct argp leak_argp;

void leak_options_release(struct leak_options *options);

#endif
