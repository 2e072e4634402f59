/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "common/log/event_batch.h"

static void changes_are_kept_where_they_happen(void **state)
{
	struct event_changes changes = {0};
	uint32_t next = 0;
	uint64_t value = 99;
	(void)state;
	assert_true(event_changes_add(&changes, 0, 5));
	assert_true(event_changes_add(&changes, 3, 6));
	assert_true(event_changes_add(&changes, 3, 7)); /* the last one at an event counts */
	assert_int_equal(changes.count, 2);
	assert_true(event_changes_follow(&changes, 0, &next, &value));
	assert_int_equal(value, 5);
	assert_false(event_changes_follow(&changes, 2, &next, &value));
	assert_true(event_changes_follow(&changes, 9, &next, &value));
	assert_int_equal(value, 7);
	assert_false(event_changes_follow(&changes, 10, &next, &value));
	free(changes.items);
}

static void a_time_is_rounded_to_what_the_clock_tells(void **state)
{
	(void)state;
	assert_int_equal(event_time(0), 0);
	assert_int_equal(event_time(63), 63);
	assert_int_equal(event_time(1000001), 1000001 / 1024 * 1024);
	for (uint64_t time_us = 0; time_us < 200000; time_us++) {
		uint64_t rounded = event_time(time_us);
		assert_in_range(rounded, time_us - time_us / 32, time_us);
		assert_true(time_us - rounded < 1024);
		assert_true(time_us == 0 || rounded >= event_time(time_us - 1));
	}
}

static void a_change_of_the_time_comes_early_only_among_many_events(void **state)
{
	static const struct {
		uint32_t distance;
		uint64_t step_us;
	} changes[] = {
		{31, 1024}, {100, 1024}, {999, 1024}, {1000, 5000}, {100001, 2048}, {1, 1024},
	};
	struct event_batch batch = {0};
	uint64_t time_us = 7;
	(void)state;
	assert_true(event_batch_add_time(&batch, time_us));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		batch.event_count += changes[i].distance;
		time_us += changes[i].step_us;
		uint32_t noted = batch.times.items[i].first;
		assert_true(event_batch_add_time(&batch, time_us));
		assert_int_equal(batch.times.count, i + 2);
		assert_int_equal(batch.times.items[i + 1].value, time_us);
		assert_in_range(batch.times.items[i + 1].first, noted + 1, batch.event_count);
		assert_true(changes[i].step_us <= 2048 ||
			    batch.times.items[i + 1].first == batch.event_count);
		uint32_t early = batch.event_count - batch.times.items[i + 1].first;
		assert_true(early <= (batch.event_count - noted) / 16);
	}
	event_batch_release(&batch);
}

static void a_batch_keeps_its_events_when_it_grows(void **state)
{
	struct event_batch batch = {0};
	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		if (batch.event_count == batch.capacity)
			assert_true(event_batch_reserve(&batch, batch.capacity * 2 + 16));
		batch.codes[i] = EVENT_CODE(i % 5, i % 7);
		batch.addresses[i] = i;
		batch.event_count++;
	}
	assert_true(event_batch_reserve(&batch, 10)); /* never smaller */
	assert_true(batch.capacity >= 5000);
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(EVENT_CODE_OPERATION(batch.codes[i]), i % 5);
		assert_int_equal(EVENT_CODE_KIND(batch.codes[i]), i % 7);
		assert_int_equal(batch.addresses[i], i);
	}
	event_batch_clear(&batch);
	assert_int_equal(batch.event_count, 0);
	assert_true(batch.capacity >= 5000);
	event_batch_release(&batch);
	assert_null(batch.codes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_kept_where_they_happen),
		cmocka_unit_test(a_time_is_rounded_to_what_the_clock_tells),
		cmocka_unit_test(a_change_of_the_time_comes_early_only_among_many_events),
		cmocka_unit_test(a_batch_keeps_its_events_when_it_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
