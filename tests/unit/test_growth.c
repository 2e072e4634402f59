/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which stack traces keep growing. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "reader/growth.h"
#include "tests/support/log_builder.h"

#define ROUNDS 1000u
#define ROUND_US 1000u

enum path {
	GROWS,
	FILLED_ONCE,
	COMES_AND_GOES,
	GREW_AND_SHRANK,
	STARTS_AND_RESTS,
	COMES_AT_ONCE,
	PATH_COUNT
};

static const uint64_t paths[PATH_COUNT][3] = {
	{0x1000, 0x2000, 0}, {0x1000, 0x3000, 0}, {0x1000, 0x4000, 0},
	{0x1000, 0x5000, 0}, {0x1000, 0x6000, 0}, {0x1000, 0x7000, 0},
};

struct course {
	struct log_builder builder;
	uint32_t image;
	uint32_t stacks[PATH_COUNT];
};

static void put(struct course *course, enum event_operation operation, enum path path,
		uint64_t round, uint64_t number)
{
	log_builder_event(&course->builder, course->image,
			  &(struct builder_event){
				  .operation = operation,
				  .time_us = round * ROUND_US,
				  .address = ((uint64_t)path + 1) << 32 | number << 8,
				  .size_bytes = 100,
				  .stack = course->stacks[path],
			  });
}

static void build(struct course *course)
{
	log_builder_init(&course->builder);
	course->image = log_builder_image(&course->builder, 100, -1);
	log_builder_module(&course->builder, course->image, "/bin/prog");
	log_builder_thread(&course->builder, course->image, 0, "main");
	for (unsigned i = 0; i < PATH_COUNT; i++)
		course->stacks[i] = log_builder_stack(&course->builder, course->image, paths[i]);
	/* Blocks of a pool, in the middle of the others, are in no row of the heap. */
	put(course, EVENT_ALLOCATE, COMES_AND_GOES, 0, 2);
	for (uint64_t i = 0; i < 2; i++)
		log_builder_event(&course->builder, course->image,
				  &(struct builder_event){
					  .operation = EVENT_ALLOCATE,
					  .kind = ALLOCATION_POOL,
					  .address = 1ull << 40 | i << 8,
					  .size_bytes = 24 << i,
					  .stack = course->stacks[i],
				  });
	for (uint64_t round = 0; round < ROUNDS; round++) {
		put(course, EVENT_ALLOCATE, GROWS, round, round);
		if (round < ROUNDS / 10)
			put(course, EVENT_ALLOCATE, FILLED_ONCE, round, round);
		if (round % 2 == 0)
			put(course, EVENT_ALLOCATE, COMES_AND_GOES, round, 1);
		else
			put(course, EVENT_RELEASE, COMES_AND_GOES, round, 1);
		if (round < ROUNDS * 3 / 4)
			put(course, EVENT_ALLOCATE, GREW_AND_SHRANK, round, round);
		else
			for (uint64_t i = 0; i < 2; i++)
				put(course, EVENT_RELEASE, GREW_AND_SHRANK, round,
				    (round - ROUNDS * 3 / 4) * 2 + i);
		if (round == ROUNDS * 5 / 8)
			for (uint64_t i = 0; i < 20; i++)
				put(course, EVENT_ALLOCATE, COMES_AT_ONCE, round, i);
		if (round < ROUNDS / 2)
			put(course, EVENT_ALLOCATE, STARTS_AND_RESTS, round, round);
	}
	for (uint64_t i = 0; i < ROUNDS; i++)
		put(course, EVENT_RELEASE, GROWS, ROUNDS, i);
	log_builder_commit(&course->builder);
	log_builder_image_end(&course->builder, course->image, ROUNDS * ROUND_US);
	log_builder_end(&course->builder, ROUNDS * ROUND_US, 0);
	log_builder_close(&course->builder);
}

/* The item of a path, by the address of its innermost frame. */
static const struct growth_item *item_of(const struct growth *growth, const struct profile *profile,
					 enum path path)
{
	for (uint32_t node = 1; node < profile->node_count; node++) {
		const struct profile_frame *frame = &profile->frames[profile->nodes[node].frame];
		char name[32];
		(void)snprintf(name, sizeof(name), "prog+0x%llx",
			       (unsigned long long)paths[path][1]);
		if (strcmp(profile_text(profile, frame->function), name) == 0)
			return growth_find(growth, node);
	}
	return NULL;
}

static void only_what_goes_on_to_the_end_keeps_growing(void **state)
{
	struct course course;
	struct loaded_log log;
	struct profile *profile = NULL;
	struct growth growth;
	struct mt_error error;
	(void)state;
	build(&course);
	assert_int_equal(loaded_log_read(&log, course.builder.path, NULL, &error), MT_OK);
	assert_true(log.replay.has_details);
	assert_int_equal(profile_new(&log, &profile, &error), MT_OK);
	assert_int_equal(growth_gather(&growth, profile, &error), MT_OK);
	const struct growth_item *grows = item_of(&growth, profile, GROWS);
	assert_non_null(grows);
	assert_ptr_equal(grows, &growth.items[0]);
	/* From a quarter of the way to nearly its end: within two pieces of time. */
	assert_in_range(grows->growth_bytes, 65000, 72000);
	assert_int_equal(grows->live_bytes[GROWTH_INSTANTS - 1], grows->live_blocks * 100);
	assert_in_range(grows->mean_age_us, 450000, 490000);
	assert_int_equal(grows->allocated_bytes, ROUNDS * 100);
	for (size_t i = 1; i < growth.count; i++)
		assert_int_equal(growth.items[i].growth_bytes, 0);
	const struct growth_item *filled = item_of(&growth, profile, FILLED_ONCE);
	assert_non_null(filled);
	assert_int_equal(filled->live_bytes[GROWTH_INSTANTS - 1], ROUNDS / 10 * 100);
	growth_release(&growth);
	profile_free(profile);
	loaded_log_release(&log);
	log_builder_remove(&course.builder);
}

static void of_an_empty_recording_nothing_grows(void **state)
{
	struct log_builder builder;
	struct loaded_log log;
	struct profile *profile = NULL;
	struct growth growth;
	struct mt_error error;
	(void)state;
	log_builder_init(&builder);
	log_builder_end(&builder, 0, 0);
	log_builder_close(&builder);
	assert_int_equal(loaded_log_read(&log, builder.path, NULL, &error), MT_OK);
	assert_int_equal(profile_new(&log, &profile, &error), MT_OK);
	assert_int_equal(growth_gather(&growth, profile, &error), MT_OK);
	assert_int_equal(growth.count, 0);
	growth_release(&growth);
	profile_free(profile);
	loaded_log_release(&log);
	log_builder_remove(&builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_goes_on_to_the_end_keeps_growing),
		cmocka_unit_test(of_an_empty_recording_nothing_grows),
	};
	return cmocka_run_group_tests_name("growth", tests, NULL, NULL);
}
