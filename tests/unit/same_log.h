/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two ways to read a log come to the same. */
#ifndef MEMTRACE_TESTS_UNIT_SAME_LOG_H
#define MEMTRACE_TESTS_UNIT_SAME_LOG_H

#include "tests/unit/unit.h"

#include "reader/loaded_log.h"

/* Both are the same but for how long a piece of time is. */
static inline void check_same_log(const struct loaded_log *followed, const struct loaded_log *whole)
{
	assert_int_equal(followed->good_end, whole->good_end);
	assert_int_equal(followed->events_end, whole->events_end);
	assert_int_equal(followed->size_bytes, whole->size_bytes);
	assert_int_equal(followed->info.end_us, whole->info.end_us);
	assert_int_equal(followed->replay.peak_bytes, whole->replay.peak_bytes);
	assert_int_equal(followed->replay.peak_us, whole->replay.peak_us);
	assert_int_equal(followed->replay.last_us, whole->replay.last_us);
	assert_int_equal(followed->replay.event_count, whole->replay.event_count);
	assert_int_equal(followed->replay.image_count, whole->replay.image_count);
	assert_int_equal(followed->replay.timeline.count, whole->replay.timeline.count);
	assert_memory_equal(followed->replay.timeline.points, whole->replay.timeline.points,
			    whole->replay.timeline.count * sizeof(struct timeline_point));
	for (uint32_t i = 0; i < whole->replay.image_count; i++) {
		const struct replay_image *mine = followed->replay.images[i];
		const struct replay_image *other = whole->replay.images[i];
		assert_memory_equal(&mine->totals, &other->totals, sizeof(mine->totals));
		assert_int_equal(mine->costs.count, other->costs.count);
		assert_memory_equal(mine->costs.items, other->costs.items,
				    other->costs.count * sizeof(*other->costs.items));
		assert_int_equal(mine->lifetimes.histogram_count, other->lifetimes.histogram_count);
		assert_memory_equal(mine->lifetimes.histograms, other->lifetimes.histograms,
				    other->lifetimes.histogram_count *
					    sizeof(*other->lifetimes.histograms));
		assert_int_equal(mine->trie.node_count, other->trie.node_count);
	}
}

#endif
