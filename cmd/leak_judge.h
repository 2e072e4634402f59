/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads what a verdict is held against, and makes it: what `leaks` and `check` share. */
#ifndef MEMTRACE_CMD_LEAK_JUDGE_H
#define MEMTRACE_CMD_LEAK_JUDGE_H

#include <stdint.h>
#include <stdio.h>

#include "cmd/leak_options.h"
#include "reporters/leak_baseline.h"

struct loaded_log;

struct leak_judge {
	const struct leak_options *options;
	struct suppressions suppressions;
	struct leak_baseline baseline;
	bool tells_incomplete; /* on stderr, as the other reports do */
	/* Adds names to a log that was read before it is judged. NULL: it is judged as it is */
	void (*find_names)(void *context, struct loaded_log *log);
	void *names_context;
	bool is_silent;            /* there is no report where the outcome is LEAKS_PASSED */
	size_t unclassified_limit; /* so many unclassified groups are listed in text; 0: all */
};

/*
 * Reads suppressions and baseline, or looks whether it can be written, so that a mistake in them
 * shows before anything else happens.
 *
 * options  borrowed
 * returns  MT_ERR_IO, MT_ERR_USAGE (malformed), MT_ERR_LIMIT, MT_ERR_NO_MEMORY
 */
enum mt_status leak_judge_init(struct leak_judge *judge, const struct leak_options *options,
			       struct mt_error *error) MT_MUST_CHECK;
void leak_judge_release(struct leak_judge *judge);

/* Where a report goes when its outcome is known. returns NULL: it is not wanted */
typedef FILE *leak_output_function(void *context, enum leak_outcome outcome);

/*
 * Judges a log once, and prints the report; writes the baseline if that was asked for.
 *
 * pid      only this process; 0: all
 * returns  as loaded_log_read; MT_ERR_IO: report or baseline can't be written
 */
enum mt_status leak_judge_log(struct leak_judge *judge, const char *log_path, uint64_t pid,
			      leak_output_function *output, void *context,
			      enum leak_outcome *ret_outcome, struct mt_error *error) MT_MUST_CHECK;

#endif
