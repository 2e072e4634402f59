/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/segment.h"
#include "libtrack/collector/sampling_control.h"

#define LIMIT (1u << 20)

struct rig {
	struct segment_header *segment;
	struct sampling_control control;
};

static int set_up(void **state)
{
	static struct rig rig;
	const struct sampling_options options = {.max_log_bytes = LIMIT};
	rig.segment = calloc(1, sizeof(*rig.segment));
	assert_non_null(rig.segment);
	sampling_control_init(&rig.control, &options, rig.segment);
	*state = &rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	free(rig->segment);
	return 0;
}

static uint64_t interval_at(struct rig *rig, uint64_t log_bytes)
{
	sampling_control_limit_log(&rig->control, log_bytes);
	return atomic_load(&rig->segment->interval_bytes);
}

static void everything_is_recorded_up_to_half_of_the_limit(void **state)
{
	assert_int_equal(interval_at(*state, LIMIT / 2), 0);
	assert_int_equal(interval_at(*state, LIMIT / 2 + 1), 4096);
}

/* What was under way when the interval was raised says nothing of the new one. */
static void a_log_that_grows_at_once_raises_the_interval_once(void **state)
{
	assert_int_equal(interval_at(*state, LIMIT * 10), 4096);
	assert_int_equal(interval_at(*state, LIMIT * 10), 4096);
	assert_int_equal(interval_at(*state, LIMIT * 11), 4 * 4096);
}

static void the_interval_grows_with_the_log(void **state)
{
	uint64_t last = 0;
	for (uint64_t bytes = LIMIT * 3 / 4; bytes < LIMIT + LIMIT / 2; bytes += LIMIT / 16) {
		uint64_t interval = interval_at(*state, bytes);
		assert_true(interval >= last && interval <= (last ? last * 4 : 4096));
		last = interval;
	}
	/* Beyond the limit every step raises it. */
	assert_true(last >= 4096u << 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_is_recorded_up_to_half_of_the_limit,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_log_that_grows_at_once_raises_the_interval_once,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_interval_grows_with_the_log, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
