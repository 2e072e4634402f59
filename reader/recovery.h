/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a dead collector had not yet put into the log: taken from the segment, in memory.
 */
#ifndef MEMTRACE_READER_RECOVERY_H
#define MEMTRACE_READER_RECOVERY_H

#include <stdbool.h>

#include "common/status.h"
#include "reader/loaded_log.h"

/*
 * Continues `log`, read up to its last commit, with what its segment holds.
 *
 * ret_is_found  set if there is a segment of this recording
 * returns       MT_ERR_IO, MT_ERR_NO_MEMORY, MT_ERR_CORRUPT: the segment is not used
 */
enum mt_status recovery_read(struct loaded_log *log, bool *ret_is_found,
			     struct mt_error *error) MT_MUST_CHECK;

/* Says whether a process that may still write to the log's segment is alive. */
bool recovery_has_writers(const struct loaded_log *log);

/* Removes the log's segment: the log holds all of it now. */
void recovery_remove_segment(const struct loaded_log *log);

/* There is a file where the log's segment would be. */
bool recovery_has_segment(const struct loaded_log *log);

#endif
