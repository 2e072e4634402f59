/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data of a flamegraph page: docs/page_data.md. */
#ifndef MEMTRACE_REPORTERS_PAGE_DATA_H
#define MEMTRACE_REPORTERS_PAGE_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/buffer.h"
#include "reader/profile.h"

struct page_options {
	const struct profile *base; /* to compare with; NULL: none */
	uint32_t max_nodes;         /* what is beyond is folded; 0: no limit */
	uint64_t max_bytes;         /* of the data, packed and in base64; 0: no limit */
	bool has_no_sources;        /* leave excerpts of source files out */
};

/*
 * Puts the data of a profile into `text`, packed and in base64.
 * returns  MT_ERR_NO_MEMORY; MT_ERR_LIMIT: it does not fit into max_bytes, however few nodes it has
 */
enum mt_status page_data_write(const struct profile *profile, const struct page_options *options,
			       struct buffer *text, struct mt_error *error) MT_MUST_CHECK;

#endif
