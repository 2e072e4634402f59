/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of the segment for the addresses of live blocks.
 *
 * The log says which block a release is of, but not where in memory it was; the collector's map
 * from addresses to blocks needs that. It is kept in the segment, so that after a crash of the
 * collector what is still in the rings can be matched.
 */
#ifndef MEMTRACE_COLLECTOR_ADDRESS_PAGES_H
#define MEMTRACE_COLLECTOR_ADDRESS_PAGES_H

#include <stdint.h>

#include "common/log/block_map.h"
#include "libtrack/collector/segment_file.h"

struct address_pages {
	struct block_map_pages source; /* for block maps; its context is this struct */
	struct segment_file *segment;
	struct extent_entry **free_entries; /* [free_count] */
	uint64_t **free_pages;              /* [free_count] the pages of these entries */
	uint32_t free_count;
	uint32_t free_capacity;
	struct mt_error failure; /* why the last page could not be had */
};

void address_pages_init(struct address_pages *pages, struct segment_file *segment);

/* Gives back the pages of an image that has ended. */
void address_pages_give_back(struct address_pages *pages, uint64_t image_serial);

void address_pages_release(struct address_pages *pages);

#endif
