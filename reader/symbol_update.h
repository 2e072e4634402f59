/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adds names to a finished log, or completes those it has: `memtrace symbolize`. A log that was not
 * finished is finished. The log is written anew and replaced at once, never changed in place.
 */
#ifndef MEMTRACE_READER_SYMBOL_UPDATE_H
#define MEMTRACE_READER_SYMBOL_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "reader/symbolize_log.h"

struct symbol_update_result {
	struct symbolize_result symbols;
	uint64_t addresses; /* of the log that are in a module */
	uint64_t with_line; /* of these: file and line are known */
	uint64_t with_name; /* only the function is */
	bool is_written;
	bool has_hint;
	char hint[4608]; /* see symbol_hint.h */
};

/*
 * returns  as loaded_log_read; MT_ERR_IO: the log can't be written; MT_ERR_USAGE: it is still being
 *          recorded
 */
enum mt_status symbol_update(const char *path, const struct symbolize_options *options,
			     struct symbol_update_result *ret_result,
			     struct mt_error *error) MT_MUST_CHECK;

#endif
