/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that appears, whole, at the end: what fails in between leaves nothing, and an existing
 * file as it was. Devices and pipes are written to directly.
 */
#ifndef MEMTRACE_CMD_OUTPUT_FILE_H
#define MEMTRACE_CMD_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "common/status.h"

struct output_file {
	FILE *stream;
	const char *path; /* borrowed */
	char *draft;      /* where it is written until it is whole */
	bool is_special;
};

/* returns  MT_ERR_IO if the file exists and may not be overwritten, or its place can't be written
 *          to; else MT_OK */
enum mt_status output_file_check(const char *path, bool overwrites,
				 struct mt_error *error) MT_MUST_CHECK;

/* returns  as output_file_check; MT_ERR_IO: it can't be written; MT_ERR_NO_MEMORY */
enum mt_status output_file_open(struct output_file *file, const char *path, bool overwrites,
				struct mt_error *error) MT_MUST_CHECK;

/*
 * Puts the file in its place, or takes away what was begun if `status` is not MT_OK.
 * returns  `status`, or MT_ERR_IO
 */
enum mt_status output_file_close(struct output_file *file, enum mt_status status,
				 struct mt_error *error) MT_MUST_CHECK;

#endif
