/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/timeline.h"

static void halve(struct timeline *timeline)
{
	size_t kept = 0;
	for (size_t i = 0; i + 1 < timeline->count; i += 2) {
		struct timeline_point point = timeline->points[i + 1];
		if (timeline->points[i].max_bytes > point.max_bytes)
			point.max_bytes = timeline->points[i].max_bytes;
		timeline->points[kept++] = point;
	}
	timeline->count = kept;
}

void timeline_add(struct timeline *timeline, uint64_t time_us, uint64_t live_bytes,
		  uint64_t max_bytes)
{
	struct timeline_point *last = timeline->count ? &timeline->points[timeline->count - 1]
						      : NULL;
	struct timeline_point *before = timeline->count > 1 ? last - 1 : NULL;
	/* The last point grows until it is far enough from the one before it. */
	if (last && last->time_us < (before ? before->time_us : 0) + timeline->spacing_us) {
		last->time_us = time_us;
		last->live_bytes = live_bytes;
		if (max_bytes > last->max_bytes)
			last->max_bytes = max_bytes;
		return;
	}
	if (timeline->count == TIMELINE_POINTS) {
		halve(timeline);
		uint64_t span_us = timeline->points[timeline->count - 1].time_us;
		timeline->spacing_us = span_us / (TIMELINE_POINTS / 2) + 1;
	}
	timeline->points[timeline->count++] = (struct timeline_point){
		.time_us = time_us, .live_bytes = live_bytes, .max_bytes = max_bytes};
}
