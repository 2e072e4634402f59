/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector's side of common/deferred.h: makes the file, and reads what processes have left in
 * it.
 */
#ifndef MEMTRACE_COLLECTOR_DEFERRED_FILE_H
#define MEMTRACE_COLLECTOR_DEFERRED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/deferred.h"
#include "common/log/recording.h"
#include "common/segment.h"
#include "common/status.h"

/* What was done about a region's pages ahead of time. */
struct deferred_view {
	uint32_t made_end; /* behind the last one that was made for its owner */
	uint32_t grown_pages;
	uint8_t mapped[DEFERRED_REGION_PAGES / 8]; /* bits of its owner's pages, like `ready` */
};

struct deferred_file {
	int fd; /* -1: there is none */
	struct deferred_header *header;
	struct deferred_region *regions[DEFERRED_REGIONS]; /* those that were looked at */
	struct deferred_view views[DEFERRED_REGIONS];
	size_t grown_pages; /* pages that heaps have grown by, as far as was seen */
};

/*
 * Makes the file and says in the segment where it is. Where that can't be, processes tell of every
 * event, as they do without it.
 */
void deferred_file_create(struct deferred_file *deferred, struct segment_header *segment);
void deferred_file_release(struct deferred_file *deferred);

/*
 * Maps what processes have written to so far, so that it is at hand when it is to be taken, and
 * makes the pages that they will need next. To be called often.
 */
void deferred_file_look_ahead(struct deferred_file *deferred);
/*
 * Takes what an image has deferred out of the file. The image's threads are parked, or gone.
 *
 * ret_blocks  set to [*ret_count] by ascending address, for free(); NULL: nothing
 * returns     false: no memory
 */
bool deferred_file_take(struct deferred_file *deferred, const struct recorded_image *image,
			struct deferred_block **ret_blocks, size_t *ret_count) MT_MUST_CHECK;

/* Sorts them by time; those of one time stay in their order. returns false: no memory */
bool deferred_blocks_sort(struct deferred_block *blocks, size_t count) MT_MUST_CHECK;

/*
 * Takes it into the recording; what the image has published is decoded.
 * returns  MT_ERR_IO, MT_ERR_NO_MEMORY: the log can't be written
 */
enum mt_status deferred_file_collect(struct deferred_file *deferred, struct recording *recording,
				     struct recorded_image *image,
				     struct mt_error *error) MT_MUST_CHECK;

/* The image is gone: its regions are somebody else's. */
void deferred_file_give_back(struct deferred_file *deferred, uint64_t image_serial);

#endif
