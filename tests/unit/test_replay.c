/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The replay against a slow, obvious model, on random events; and its corner cases. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "reader/loaded_log.h"
#include "tests/support/log_builder.h"

#define PLACES 64u
#define THREADS 4u
#define STACKS 8u
#define EVENTS 4000u

static uint32_t random_state;

static uint32_t next_random(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

/* What is known of a place in memory: at most one block. */
struct model_block {
	bool is_live;
	uint64_t size_bytes;
	uint32_t stack;
	uint64_t number; /* of the allocation */
};

struct model {
	struct model_block places[PLACES];
	uint64_t last_number[THREADS]; /* of the thread's last allocation; 0: none, or freed */
	uint64_t allocations, deallocations, reallocations, allocated_bytes, temporary;
	uint64_t live_bytes, live_blocks, peak_bytes, overwritten, unmatched;
	uint64_t live_of[STACKS], peak_of[STACKS], total_of[STACKS];
};

static void model_note_peak(struct model *model)
{
	if (model->live_bytes <= model->peak_bytes)
		return;
	model->peak_bytes = model->live_bytes;
	memcpy(model->peak_of, model->live_of, sizeof(model->peak_of));
}

static void model_drop(struct model *model, uint32_t place)
{
	struct model_block *block = &model->places[place];
	model->live_bytes -= block->size_bytes;
	model->live_of[block->stack] -= block->size_bytes;
	model->live_blocks--;
	block->is_live = false;
}

static void model_make(struct model *model, uint32_t place, const struct model_block *block)
{
	if (model->places[place].is_live) {
		model_drop(model, place);
		model->overwritten++;
	}
	model->places[place] = *block;
	model->live_bytes += block->size_bytes;
	model->live_of[block->stack] += block->size_bytes;
	model->live_blocks++;
	model_note_peak(model);
}

struct world {
	struct log_builder builder;
	struct model model;
	uint32_t image;
	uint32_t stacks[STACKS];
	uint64_t time_us;
};

static uint64_t address_of(uint32_t place)
{
	return 0x10000 + (uint64_t)place * 32;
}

static void emit(struct world *world, enum event_operation operation, uint32_t thread,
		 uint32_t place, uint64_t size_bytes, uint32_t stack)
{
	world->time_us += next_random(3);
	log_builder_event(&world->builder, world->image,
			  &(struct builder_event){
				  .operation = operation,
				  .thread = thread,
				  .time_us = world->time_us,
				  .address = address_of(place),
				  .size_bytes = size_bytes,
				  .stack = world->stacks[stack],
			  });
}

static void allocate(struct world *world, enum event_operation operation, uint32_t thread,
		     uint32_t place)
{
	struct model *model = &world->model;
	struct model_block block = {true, next_random(1000), next_random(STACKS),
				    model->allocations + 1};
	emit(world, operation, thread, place, block.size_bytes, block.stack);
	model->allocations++;
	model->allocated_bytes += block.size_bytes;
	model->total_of[block.stack] += block.size_bytes;
	model->last_number[thread] = block.number;
	model_make(model, place, &block);
}

static void release(struct world *world, uint32_t thread, uint32_t place)
{
	struct model *model = &world->model;
	emit(world, EVENT_RELEASE, thread, place, 0, 0);
	if (!model->places[place].is_live) {
		model->unmatched++;
		return;
	}
	model_drop(model, place);
	model->deallocations++;
	if (model->last_number[thread] == model->places[place].number) {
		model->temporary++;
		model->last_number[thread] = 0;
	}
}

static void reallocate(struct world *world, uint32_t thread, uint32_t place)
{
	struct model *model = &world->model;
	struct model_block before = model->places[place];
	emit(world, EVENT_MOVE_BEGIN, thread, place, 0, 0);
	if (before.is_live)
		model_drop(model, place);
	else
		model->unmatched++;
	if (next_random(4) == 0) {
		emit(world, EVENT_MOVE_FAILED, thread, place, 0, 0);
		if (before.is_live)
			model_make(model, place, &before);
		return;
	}
	if (before.is_live) {
		model->deallocations++;
		model->reallocations++;
	}
	if (next_random(5) > 0)
		allocate(world, EVENT_MOVE_END, thread,
			 next_random(2) ? place : next_random(PLACES));
}

static void step(struct world *world)
{
	uint32_t thread = next_random(THREADS);
	uint32_t place = next_random(PLACES);
	switch (next_random(8)) {
	case 0:
	case 1:
	case 2:
		/* Mostly onto free places, as an allocator does; at times not, as a lost release
		 * looks. */
		if (world->model.places[place].is_live && next_random(50))
			release(world, thread, place);
		else
			allocate(world, EVENT_ALLOCATE, thread, place);
		break;
	case 3:
	case 4:
	case 5:
		if (world->model.places[place].is_live || next_random(50) == 0)
			release(world, thread, place);
		break;
	case 6:
		if (world->model.places[place].is_live)
			reallocate(world, thread, place);
		break;
	default:
		if (next_random(200) == 0)
			log_builder_commit(&world->builder);
	}
}

static void compare(const struct world *world, const struct loaded_log *log)
{
	const struct model *model = &world->model;
	const struct replay_image *image = log->replay.images[0];
	const struct replay_totals *totals = &image->totals;
	assert_int_equal(totals->allocations, model->allocations);
	assert_int_equal(totals->deallocations, model->deallocations);
	assert_int_equal(totals->reallocations, model->reallocations);
	assert_int_equal(totals->allocated_bytes, model->allocated_bytes);
	assert_int_equal(totals->temporary, model->temporary);
	assert_int_equal(totals->live_bytes, model->live_bytes);
	assert_int_equal(totals->live_blocks, model->live_blocks);
	assert_int_equal(totals->peak_bytes, model->peak_bytes);
	assert_int_equal(log->replay.peak_bytes, model->peak_bytes);
	assert_int_equal(totals->overwritten, model->overwritten);
	assert_int_equal(totals->unmatched_frees, model->unmatched);
	for (uint32_t s = 0; s < STACKS; s++) {
		uint64_t peak = 0;
		uint64_t live = 0;
		uint64_t total = 0;
		for (uint32_t c = 0; c < image->costs.count; c++) {
			const struct stack_cost *cost = &image->costs.items[c];
			if (cost->stack != world->stacks[s])
				continue;
			peak += cost->peak_bytes;
			live += cost->live_bytes;
			total += cost->allocated_bytes;
		}
		assert_int_equal(peak, model->peak_of[s]);
		assert_int_equal(live, model->live_of[s]);
		assert_int_equal(total, model->total_of[s]);
	}
}

static void run_world(uint32_t seed)
{
	static struct world world;
	struct loaded_log log;
	struct mt_error error;
	memset(&world, 0, sizeof(world));
	random_state = seed;
	log_builder_init(&world.builder);
	world.image = log_builder_image(&world.builder, 100, -1);
	for (uint64_t s = 0; s < STACKS; s++)
		world.stacks[s] = log_builder_stack(
			&world.builder, world.image,
			(const uint64_t[]){0x100, 0x200 + s / 3, 0x300 + s, 0});
	for (uint32_t i = 0; i < EVENTS; i++)
		step(&world);
	log_builder_commit(&world.builder);
	log_builder_close(&world.builder);
	assert_int_equal(loaded_log_read(&log, world.builder.path, NULL, &error), MT_OK);
	compare(&world, &log);
	loaded_log_release(&log);
	log_builder_remove(&world.builder);
}

static void agrees_with_a_model_on_random_events(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 100; seed++)
		run_world(seed);
}

static void a_trees_peak_is_over_processes_alive_together(void **state)
{
	struct log_builder builder;
	struct loaded_log log;
	struct mt_error error;
	(void)state;
	log_builder_init(&builder);
	uint32_t parent = log_builder_image(&builder, 100, -1);
	uint32_t first = log_builder_image(&builder, 101, (int)parent);
	uint32_t second = log_builder_image(&builder, 102, (int)parent);
	log_builder_event(&builder, parent,
			  &(struct builder_event){.address = 16, .size_bytes = 10, .time_us = 1});
	log_builder_event(&builder, first,
			  &(struct builder_event){.address = 16, .size_bytes = 100, .time_us = 5});
	log_builder_commit(&builder);
	log_builder_image_end(&builder, first, 9);
	log_builder_event(&builder, second,
			  &(struct builder_event){.address = 16, .size_bytes = 90, .time_us = 12});
	log_builder_event(&builder, parent,
			  &(struct builder_event){.address = 48, .size_bytes = 5, .time_us = 11});
	/* Inherited: neither an anomaly nor the child's. */
	log_builder_event(
		&builder, second,
		&(struct builder_event){.operation = EVENT_RELEASE, .address = 800, .time_us = 13});
	log_builder_commit(&builder);
	log_builder_image_end(&builder, second, 20);
	log_builder_end(&builder, 30, 0);
	log_builder_close(&builder);
	assert_int_equal(loaded_log_read(&log, builder.path, NULL, &error), MT_OK);
	assert_int_equal(log.replay.peak_bytes, 110);
	assert_int_equal(log.replay.peak_us, 5);
	assert_int_equal(log.replay.images[0]->costs.items[0].peak_bytes, 10);
	assert_int_equal(log.replay.images[1]->costs.items[0].peak_bytes, 100);
	assert_int_equal(log.replay.images[2]->costs.items[0].peak_bytes, 0);
	assert_int_equal(log.replay.images[1]->totals.live_bytes, 100);
	assert_int_equal(log.replay.images[2]->totals.inherited_frees, 1);
	assert_int_equal(log.replay.images[2]->totals.unmatched_frees, 0);
	loaded_log_release(&log);
	/* One process alone has its own peak. */
	struct loaded_log_options options = {.pid = 102};
	assert_int_equal(loaded_log_read(&log, builder.path, &options, &error), MT_OK);
	assert_int_equal(log.replay.peak_bytes, 90);
	loaded_log_release(&log);
	log_builder_remove(&builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_model_on_random_events),
		cmocka_unit_test(a_trees_peak_is_over_processes_alive_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
