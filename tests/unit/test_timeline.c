/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "reader/timeline.h"

static void points_stay_bounded_and_keep_the_largest(void **state)
{
	static struct timeline timeline;
	(void)state;
	memset(&timeline, 0, sizeof(timeline));
	for (uint64_t i = 0; i < 100000; i++)
		timeline_add(&timeline, i * 10, i, i == 54321 ? 1u << 30 : i);
	assert_true(timeline.count <= TIMELINE_POINTS);
	assert_true(timeline.count >= TIMELINE_POINTS / 4);
	uint64_t largest = 0;
	for (size_t i = 0; i < timeline.count; i++) {
		const struct timeline_point *point = &timeline.points[i];
		assert_true(point->max_bytes >= point->live_bytes);
		if (i > 0)
			assert_true(point->time_us > timeline.points[i - 1].time_us);
		if (point->max_bytes > largest)
			largest = point->max_bytes;
	}
	assert_int_equal(largest, 1u << 30);
	assert_int_equal(timeline.points[timeline.count - 1].time_us, 99999 * 10);
	assert_int_equal(timeline.points[timeline.count - 1].live_bytes, 99999);
}

static void few_points_are_kept_as_they_are(void **state)
{
	static struct timeline timeline;
	(void)state;
	memset(&timeline, 0, sizeof(timeline));
	for (uint64_t i = 0; i < 100; i++)
		timeline_add(&timeline, i * i, i, i * 2);
	assert_int_equal(timeline.count, 100);
	assert_int_equal(timeline.points[50].time_us, 2500);
	assert_int_equal(timeline.points[50].max_bytes, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_stay_bounded_and_keep_the_largest),
		cmocka_unit_test(few_points_are_kept_as_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
