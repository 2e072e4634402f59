/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every block and event of a log, one a line, as it is stored. */
#ifndef MEMTRACE_REPORTERS_LOG_DUMP_H
#define MEMTRACE_REPORTERS_LOG_DUMP_H

#include <stdbool.h>
#include <stdio.h>

#include "common/status.h"

/*
 * Prints a log, with the blocks that its segment holds if its collector died.
 *
 * is_json  one JSON object a line instead of words
 * returns  as loaded_log_read; MT_ERR_IO: the output can't be written
 */
enum mt_status log_dump(const char *path, bool is_json, FILE *output,
			struct mt_error *error) MT_MUST_CHECK;

#endif
