/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Excerpts of the source files of a page's frames.
 *
 * A log is not trusted, and a page may be passed on: only files that look like source code by their
 * names are read, at absolute paths, none that look like secrets, and none that were changed after
 * the recording, since their lines may have moved.
 */
#ifndef MEMTRACE_REPORTERS_PAGE_SOURCES_H
#define MEMTRACE_REPORTERS_PAGE_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reporters/page_tree.h"

struct page_source {
	uint32_t file; /* string of the tree */
	uint32_t first_line;
	uint32_t text; /* string of the tree: lines, with newlines between them */
};

struct page_sources {
	struct page_source *items; /* [count] */
	size_t count;
};

/*
 * Adds the texts to the tree's strings.
 *
 * recorded_s  since 1970: files changed later are left out
 * returns     false if there is no memory
 */
bool page_sources_gather(struct page_sources *sources, struct page_tree *tree, int64_t recorded_s);
void page_sources_release(struct page_sources *sources);

/* Whether a file with this path may be shown. */
bool page_source_is_allowed(const char *path);

#endif
