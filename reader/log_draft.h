/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A log that is being written anew beside the old one, and takes its place, whole, at the end:
 * whatever goes wrong in between leaves the old one as it was.
 */
#ifndef MEMTRACE_READER_LOG_DRAFT_H
#define MEMTRACE_READER_LOG_DRAFT_H

#include "common/status.h"

struct log_draft {
	char *target; /* the old log, links followed */
	char *path;
	int fd;
};

/*
 * Makes an empty file beside the log at `path`.
 * returns  MT_ERR_IO, MT_ERR_NO_MEMORY
 */
enum mt_status log_draft_open(struct log_draft *draft, const char *path,
			      struct mt_error *error) MT_MUST_CHECK;

/* Puts the draft, written to the disk, in the place of the log, with its owner and rights. */
enum mt_status log_draft_commit(struct log_draft *draft, struct mt_error *error) MT_MUST_CHECK;

/* Ends it; a draft that was not committed is removed. */
void log_draft_close(struct log_draft *draft);

#endif
