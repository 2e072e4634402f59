/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data of a flamegraph page: docs/page_data.md. */
#ifndef MEMTRACE_REPORTERS_PAGE_DATA_H
#define MEMTRACE_REPORTERS_PAGE_DATA_H

#include "common/log/buffer.h"
#include "reader/profile.h"

/*
 * Appends the data of a profile to `text`, packed and in base64.
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status page_data_write(const struct profile *profile, struct buffer *text,
			       struct mt_error *error) MT_MUST_CHECK;

#endif
