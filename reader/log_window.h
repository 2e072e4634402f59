/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers about a part of a recording's time: what was allocated in it, what of that is still live
 * at its end, and what is live then in all.
 *
 * The log's events are replayed again, from the last checkpoint before the window, or from the
 * beginning where there is none, up to the window's end.
 *
 * An event's time is the latest that the log has shown up to it, over all processes. An event
 * belongs to the window from..to if from <= time <= to. A process that has ended is gone with all
 * its blocks, but for those that the recording ends with: their blocks were live to the last.
 */
#ifndef MEMTRACE_READER_LOG_WINDOW_H
#define MEMTRACE_READER_LOG_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "reader/loaded_log.h"

/* Of a cost, in the window. Of sampled blocks: what they stand for. */
struct window_cost {
	uint64_t allocations;
	uint64_t allocated_bytes;
	uint64_t surviving_blocks; /* allocated in it and live at its end */
	uint64_t surviving_bytes;
	uint64_t live_blocks; /* at its end, whenever allocated */
	uint64_t live_bytes;
};

struct log_window {
	struct window_cost *costs; /* those of image 0 first, by their index in the image's costs */
	size_t cost_count;
	size_t *firsts; /* [image_count] where an image's costs begin */
	uint64_t replayed_events;
};

/*
 * log      borrowed; its costs are those that the window's belong to. It is read again.
 * from_us, to_us  UINT64_MAX: to the end
 * returns  MT_ERR_USAGE: the window ends before it begins; MT_ERR_IO; MT_ERR_CORRUPT: the log was
 *          changed meanwhile; MT_ERR_NO_MEMORY
 */
enum mt_status log_window_read(struct log_window *window, const struct loaded_log *log,
			       uint64_t from_us, uint64_t to_us,
			       struct mt_error *error) MT_MUST_CHECK;

void log_window_release(struct log_window *window);

#endif
