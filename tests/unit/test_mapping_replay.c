/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "reader/mapping_replay.h"

#define MAP(at, size, from, by, when)                                                              \
	{                                                                                          \
		.operation = MAPPING_MAP, .address = at, .size_bytes = size, .source = from,       \
		.stack = by, .time_us = when                                                       \
	}
#define UNMAP(at, size, when)                                                                      \
	{                                                                                          \
		.operation = MAPPING_UNMAP, .address = at, .size_bytes = size, .time_us = when     \
	}

static void replay_events(struct mapping_replay *replay, uint32_t image,
			  const struct mapping_event *events, size_t count)
{
	struct mapping_batch batch = {0};
	struct mt_error error;
	for (size_t i = 0; i < count; i++)
		mapping_batch_add(&batch, &events[i]);
	struct log_block block = {
		.kind = LOG_BLOCK_MAPPINGS, .image = image, .first_us = batch.first_us};
	struct byte_reader payload = byte_reader_over(batch.payload.bytes,
						      batch.payload.size_bytes);
	assert_int_equal(mapping_replay_add(replay, &block, &payload, &error), MT_OK);
	mapping_batch_release(&batch);
}

static void run(struct mapping_replay *replay)
{
	struct mt_error error;
	assert_int_equal(mapping_replay_run(replay, &error), MT_OK);
}

static const struct stack_cost *cost_of(const struct mapping_replay *replay, uint32_t image,
					uint32_t stack)
{
	const struct stack_costs *costs = &replay->images[image]->costs;
	for (uint32_t i = 0; i < costs->count; i++)
		if (costs->items[i].stack == stack)
			return &costs->items[i];
	fail_msg("no mapping of stack %u", stack);
	return NULL;
}

static void parts_are_taken_from_those_who_mapped_them(void **state)
{
	(void)state;
	struct mapping_replay replay = {0};
	const struct mapping_event events[] = {
		MAP(0x10000, 0x4000, MAPPING_ANONYMOUS, 1, 10),
		MAP(0x14000, 0x4000, MAPPING_FILE, 2, 20),
		UNMAP(0x13000, 0x2000, 30),                   /* one page of each */
		MAP(0x11000, 0x1000, MAPPING_RESERVED, 3, 40) /* over the first one */
	};
	replay_events(&replay, 0, events, 4);
	run(&replay);
	mapping_replay_finish(&replay);
	const struct mapping_totals *totals = &replay.images[0]->totals;
	assert_int_equal(cost_of(&replay, 0, 1)->live_bytes, 0x2000);
	assert_int_equal(cost_of(&replay, 0, 1)->live_blocks, 2);
	assert_int_equal(cost_of(&replay, 0, 2)->live_bytes, 0x3000);
	assert_int_equal(cost_of(&replay, 0, 3)->live_bytes, 0x1000);
	assert_int_equal(cost_of(&replay, 0, 1)->peak_bytes, 0x4000);
	assert_int_equal(cost_of(&replay, 0, 3)->peak_bytes, 0);
	assert_int_equal(totals->live_bytes, 0x6000);
	assert_int_equal(totals->live_ranges, 4);
	assert_int_equal(totals->mapped, 3);
	assert_int_equal(totals->unmapped, 1);
	assert_int_equal(replay.peak_bytes, 0x8000);
	assert_int_equal(replay.peak_us, 20);
	mapping_replay_release(&replay);
}

static void a_moved_mapping_stays_what_it_was(void **state)
{
	(void)state;
	struct mapping_replay replay = {0};
	const struct mapping_event events[] = {
		MAP(0x10000, 0x4000, MAPPING_FILE, 1, 10), UNMAP(0x10000, 0x4000, 20),
		MAP(0x50000, 0x8000, MAPPING_MOVED, 2, 20),
		MAP(0x90000, 0x1000, MAPPING_MOVED, 3, 20), /* of what is not known */
	};
	replay_events(&replay, 0, events, 4);
	run(&replay);
	assert_int_equal(cost_of(&replay, 0, 2)->kind, MAPPING_FILE);
	assert_int_equal(cost_of(&replay, 0, 2)->live_bytes, 0x8000);
	assert_int_equal(cost_of(&replay, 0, 1)->live_bytes, 0);
	mapping_replay_release(&replay);
}

static void what_failed_to_be_unmapped_is_there_again(void **state)
{
	(void)state;
	struct mapping_replay replay = {0};
	const struct mapping_event events[] = {
		MAP(0x10000, 0x4000, MAPPING_ANONYMOUS, 1, 10),
		MAP(0x14000, 0x4000, MAPPING_ANONYMOUS, 2, 10),
		UNMAP(0x11000, 0x4000, 20),
		{.operation = MAPPING_RESTORE, .time_us = 30},
		{.operation = MAPPING_RESTORE, .time_us = 30}, /* nothing more to restore */
		UNMAP(0x10000, 0x4000, 40),
	};
	replay_events(&replay, 0, events, 6);
	run(&replay);
	assert_int_equal(cost_of(&replay, 0, 1)->live_bytes, 0);
	assert_int_equal(cost_of(&replay, 0, 1)->live_blocks, 0);
	assert_int_equal(cost_of(&replay, 0, 2)->live_bytes, 0x4000);
	assert_int_equal(replay.images[0]->totals.unmapped, 1);
	mapping_replay_release(&replay);
}

static void the_trees_peak_is_the_largest_sum_at_one_time(void **state)
{
	(void)state;
	struct mapping_replay replay = {0};
	const struct mapping_event parent[] = {MAP(0x10000, 0x1000, 0, 1, 10),
					       UNMAP(0x10000, 0x1000, 30)};
	const struct mapping_event child[] = {MAP(0x10000, 0x3000, 0, 1, 20),
					      MAP(0x20000, 0x500, 0, 2, 40)};
	replay_events(&replay, 0, parent, 2);
	replay_events(&replay, 3, child, 2);
	run(&replay);
	assert_int_equal(replay.peak_bytes, 0x4000);
	assert_int_equal(replay.peak_us, 20);
	mapping_replay_end_image(&replay, 3);
	assert_int_equal(replay.live_bytes, 0);
	mapping_replay_finish(&replay);
	assert_int_equal(cost_of(&replay, 3, 1)->peak_bytes, 0x3000);
	assert_int_equal(cost_of(&replay, 3, 2)->peak_bytes, 0);
	assert_int_equal(cost_of(&replay, 0, 1)->peak_bytes, 0x1000);
	assert_int_equal(replay.images[3]->totals.live_bytes, 0x3500);
	mapping_replay_release(&replay);
}

static void refuses_what_makes_no_sense(void **state)
{
	(void)state;
	static const struct {
		uint8_t bytes[12];
		size_t size;
	} bad[] = {
		{{3, 0, 0, 2, 1}, 5},                      /* no such operation */
		{{7 << 2, 0, 0, 2, 1, 0}, 6},              /* no such source */
		{{0, 0, 0, 2, 0, 0}, 6},                   /* size 0 */
		{{0, 0, 0, 1, 1, 0}, 6},                   /* address below 0 */
		{{0, 0, 0, 2, 1}, 5},                      /* cut off */
		{{1, 0, 0xff, 0xff, 0xff, 0x7f, 2, 1}, 8}, /* no such thread */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mapping_replay replay = {0};
		struct mt_error error;
		struct log_block block = {.kind = LOG_BLOCK_MAPPINGS};
		struct byte_reader payload = byte_reader_over(bad[i].bytes, bad[i].size);
		assert_int_equal(mapping_replay_add(&replay, &block, &payload, &error),
				 MT_ERR_CORRUPT);
		mapping_replay_release(&replay);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_taken_from_those_who_mapped_them),
		cmocka_unit_test(a_moved_mapping_stays_what_it_was),
		cmocka_unit_test(what_failed_to_be_unmapped_is_there_again),
		cmocka_unit_test(the_trees_peak_is_the_largest_sum_at_one_time),
		cmocka_unit_test(refuses_what_makes_no_sense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
