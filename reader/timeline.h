/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Heap over time, in a bounded number of points.
 *
 * When the points run out, every two become one and the spacing doubles; the largest value inside
 * a point is kept, so that a short peak does not vanish.
 */
#ifndef MEMTRACE_READER_TIMELINE_H
#define MEMTRACE_READER_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#define TIMELINE_POINTS 2048u

struct timeline_point {
	uint64_t time_us;    /* end of the interval */
	uint64_t live_bytes; /* then */
	uint64_t max_bytes;  /* during it */
};

struct timeline {
	struct timeline_point points[TIMELINE_POINTS];
	size_t count;
	uint64_t spacing_us; /* least distance of two points */
};

/* Notes that up to `time_us` the heap was at most `max_bytes`, and `live_bytes` at that time. */
void timeline_add(struct timeline *timeline, uint64_t time_us, uint64_t live_bytes,
		  uint64_t max_bytes);

#endif
