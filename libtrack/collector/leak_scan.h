/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A leak scan of one process, on a thread of its own, so that the collector serves the other
 * processes meanwhile.
 */
#ifndef MEMTRACE_COLLECTOR_LEAK_SCAN_H
#define MEMTRACE_COLLECTOR_LEAK_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/leak_marks.h"
#include "common/log/recording.h"
#include "common/segment.h"

struct leak_scan;

/* What is wanted to be known of the blocks that a scan finds. */
struct leak_interest {
	uint32_t summed; /* kinds, 1 << enum leak_kind, of which the sums are enough ... */
	uint32_t failed; /* ... unless there are blocks of these */
};

/*
 * Begins a scan. All events of the image must be encoded, but for the allocations of `blocks`: its
 * live blocks are taken down.
 *
 * blocks    [block_count] what was deferred, not in the recording yet
 * slot      of the image, whose turn is LEAK_SCAN_TURN_ASKED
 * doorbell  rung when the scan is over
 * words     of the ring that the process named, which must be empty
 * interest  what marks are made of; LEAK_SCAN_HAS_SUMS in their flags: not of all blocks
 * returns   NULL: no memory
 */
struct leak_scan *leak_scan_start(const struct recorded_image *image,
				  const struct deferred_block *blocks, size_t block_count,
				  struct image_slot *slot, _Atomic uint32_t *doorbell,
				  uint64_t *words, struct leak_interest interest);

/* The process is gone: the scan is to end soon. */
void leak_scan_cancel(struct leak_scan *scan);

bool leak_scan_is_over(const struct leak_scan *scan);

/*
 * Joins the thread of a scan that is over and frees the scan.
 * returns  what was found, to be released, its stack traces as those of live_blocks.h;
 *          LEAK_SCAN_INCOMPLETE in its flags: there is no verdict
 */
struct leak_marks leak_scan_finish(struct leak_scan *taken_scan);

#endif
