/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/slack.h"

#include <stdatomic.h>

#include "libtrack/preload/real.h"
#include "libtrack/preload/tracker.h"

static void add(_Atomic uint64_t *sum, uint64_t value)
{
	atomic_fetch_add_explicit(sum, value, memory_order_relaxed);
}

void slack_measure(void *block, size_t size_bytes)
{
	struct image_slot *image = &tracker.segment->images[tracker.image_index];
	uint64_t weight = 1;
	if (size_bytes < SLACK_LARGE_BYTES) {
		thread_self.until_slack = SLACK_STRIDE - 1;
		weight = SLACK_STRIDE;
	}
	if (!tracker_records() || !real.malloc_usable_size)
		return;
	add(&image->slack_measured, 1);
	add(&image->slack_requested_bytes, weight * size_bytes);
	add(&image->slack_usable_bytes, weight * real.malloc_usable_size(block));
}
