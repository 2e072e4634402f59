/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The columns of a flamegraph page: docs/page_data.md, "Columns". */
#ifndef MEMTRACE_REPORTERS_PAGE_COLUMNS_H
#define MEMTRACE_REPORTERS_PAGE_COLUMNS_H

#include <cjson/cJSON.h>

#include "common/log/buffer.h"
#include "reader/profile.h"
#include "reporters/page_sources.h"
#include "reporters/page_tree.h"

/* Threads of one name in one process are one entry in the page. */
struct page_thread {
	uint32_t process;
	const char *name;
};

struct page_threads {
	struct page_thread *items; /* [count] */
	size_t count;
	uint32_t **of_process;  /* [process_count] by thread index: number of the entry */
	uint32_t *known_counts; /* [process_count] threads that are in of_process */
	uint32_t process_count;
};

/* returns  false if there is no memory */
bool page_threads_gather(struct page_threads *threads, const struct profile *profile);
void page_threads_release(struct page_threads *threads);

/* Number of the entry of a thread of a process. */
uint32_t page_threads_entry(const struct page_threads *threads, uint32_t process, uint32_t thread);

/* The log has what a page needs to answer questions about a time: docs/page_data.md, "windows". */
static inline bool page_has_windows(const struct profile *profile)
{
	return profile->log->replay.has_details && profile->log->replay.generations.piece_count > 0;
}

/* Appends the columns to `columns` and their descriptions to `list`. Check columns->failed. */
void page_columns_write(const struct profile *profile, const struct page_tree *tree,
			const struct page_sources *sources, cJSON *list, struct buffer *columns);

#endif
