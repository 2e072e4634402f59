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

/*
 * Begins a scan. All events of the image must be encoded, but for the allocations of `blocks`: its
 * live blocks are taken down.
 *
 * blocks    [block_count] what was deferred, not in the recording yet
 * slot      of the image, whose turn is LEAK_SCAN_TURN_ASKED
 * doorbell  rung when the scan is over
 * words     of the ring that the process named, which must be empty
 * returns   NULL: no memory
 */
struct leak_scan *leak_scan_start(struct recorded_image *image, const struct deferred_block *blocks,
				  size_t block_count, struct image_slot *slot,
				  _Atomic uint32_t *doorbell, uint64_t *words);

/* The process is gone: the scan is to end soon. */
void leak_scan_cancel(struct leak_scan *scan);

bool leak_scan_is_over(const struct leak_scan *scan);

/*
 * Joins the thread of a scan that is over and frees the scan.
 * returns  what was found, to be released; LEAK_SCAN_INCOMPLETE in its flags: there is no verdict
 */
struct leak_marks leak_scan_finish(struct leak_scan *taken_scan);

#endif
