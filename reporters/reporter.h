/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a report is. Every reporter is a subcommand as well: `memtrace NAME LOG`.
 *
 * A reporter is a pure function from a profile to a stream. Its options are rows for argp and a
 * function that puts each into a struct of its own, which starts out zeroed.
 */
#ifndef MEMTRACE_REPORTERS_REPORTER_H
#define MEMTRACE_REPORTERS_REPORTER_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/status.h"
#include "reader/profile.h"

struct reporter {
	const char *name;      /* "flamegraph": `memtrace flamegraph LOG` */
	const char *summary;   /* one line of `memtrace --help` */
	const char *doc;       /* the rest of `memtrace NAME --help`; NULL: none */
	const char *extension; /* of the file that it writes; NULL: to standard output */
	const struct argp_option *options; /* ends with a zeroed row; NULL: none */
	size_t options_bytes;              /* of the struct that `parse` fills and `render` gets */
	/* Takes one option. returns false if the argument makes no sense */
	bool (*parse)(int key, const char *argument, void *options);
	/* Says what else is wanted of the log; NULL: nothing */
	void (*prepare)(const void *options, struct loaded_log_options *ret_load);
	enum mt_status (*render)(const struct profile *profile, const void *options, FILE *output,
				 struct mt_error *error);
};

/* THE table of reports; ends with NULL. */
extern const struct reporter *const reporters[];

#endif
