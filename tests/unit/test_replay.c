/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The replay against a slow, obvious model, on random events: the model keeps a list of all blocks
 * that there ever were, and goes through it for every question. And corner cases.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reader/estimate.h"
#include "reader/finish.h"
#include "reader/lifetimes.h"
#include "reader/loaded_log.h"
#include "reader/log_window.h"
#include "tests/support/log_builder.h"

#define PLACES 64u
#define THREADS 4u
#define STACKS 8u
#define EVENTS 4000u
#define IMAGES 3u
#define COMMITS 64u
#define SIZES 40u
#define COMMIT_BLOCK_BYTES (LOG_BLOCK_HEADER_BYTES + 1)

static uint32_t random_state;

static uint32_t next_random(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

/* A block that there was at some time. */
struct model_block {
	uint64_t born_us;
	uint64_t died_us; /* UINT64_MAX: never */
	uint64_t bytes;   /* that it stands for */
	uint64_t count;
	uint32_t image;
	uint32_t thread;
	uint32_t stack;
	uint32_t thread_number; /* of the allocation, among its thread's */
	bool was_lost;
	bool is_temporary;
	uint64_t distance; /* allocations of its thread up to its release by it, counting itself */
};

struct model_image {
	uint32_t places[PLACES]; /* number of the block + 1; 0: none */
	uint32_t thread_numbers[THREADS];
	uint32_t born;
	uint64_t deallocations, reallocations, overwritten, unmatched, inherited;
	uint64_t end_us; /* UINT64_MAX: it lives */
};

struct model {
	struct model_block blocks[EVENTS * 2];
	uint32_t block_count;
	struct model_image images[IMAGES];
	uint64_t live_bytes, peak_bytes;
	uint64_t peak_of[IMAGES][STACKS];
	uint64_t live_of[IMAGES][STACKS];
	uint64_t now_us;
};

struct world {
	struct log_builder builder;
	struct model model;
	uint32_t image_count;
	uint32_t stacks[IMAGES][STACKS];
	uint64_t time_us;
	uint32_t last_image;
	bool is_sampled;
	/* What the model was at each commit, and where its events end in the log. */
	struct model *past[COMMITS];
	uint64_t past_ends[COMMITS];
	uint32_t past_count;
};

static void model_drop(struct model *model, struct model_block *block)
{
	model->live_bytes -= block->bytes;
	model->live_of[block->image][block->stack] -= block->bytes;
	block->died_us = model->now_us;
}

static void model_revive(struct model *model, uint32_t image, uint32_t place, uint32_t number)
{
	struct model_block *block = &model->blocks[number];
	uint32_t *there = &model->images[image].places[place];
	if (*there) {
		struct model_block *lost = &model->blocks[*there - 1];
		model_drop(model, lost);
		lost->was_lost = true;
		model->images[image].overwritten++;
	}
	*there = number + 1;
	block->died_us = UINT64_MAX;
	model->live_bytes += block->bytes;
	model->live_of[image][block->stack] += block->bytes;
	if (model->live_bytes > model->peak_bytes) {
		model->peak_bytes = model->live_bytes;
		memcpy(model->peak_of, model->live_of, sizeof(model->peak_of));
	}
}

static uint64_t address_of(uint32_t place)
{
	return 0x10000 + (uint64_t)place * 32;
}

/* Where an event happens. */
struct actor {
	uint32_t image;
	uint32_t thread;
};

static void emit(struct world *world, const struct actor *actor, enum event_operation operation,
		 uint32_t place, const struct builder_event *block)
{
	/* Of one time, the order over processes is anyone's. */
	world->time_us += next_random(3) + (actor->image != world->last_image);
	world->last_image = actor->image;
	world->model.now_us = world->time_us;
	struct builder_event event = block ? *block : (struct builder_event){0};
	event.operation = operation;
	event.thread = actor->thread;
	event.time_us = world->time_us;
	event.address = address_of(place);
	log_builder_event(&world->builder, actor->image, &event);
}

static void allocate(struct world *world, const struct actor *actor, enum event_operation operation,
		     uint32_t place)
{
	static const uint64_t intervals[] = {0, 64, 4096};
	struct model *model = &world->model;
	struct model_image *image = &model->images[actor->image];
	uint32_t stack = next_random(STACKS);
	uint64_t size_bytes = (uint64_t)next_random(SIZES) * 25;
	uint64_t interval_bytes = world->is_sampled ? intervals[next_random(3)] : 0;
	emit(world, actor, operation, place,
	     &(struct builder_event){.size_bytes = size_bytes,
				     .interval_bytes = interval_bytes,
				     .stack = world->stacks[actor->image][stack]});
	struct sample_weight weight = sample_weight_of(size_bytes, interval_bytes);
	image->born++;
	image->thread_numbers[actor->thread]++;
	model->blocks[model->block_count] = (struct model_block){
		.born_us = world->time_us,
		.bytes = interval_bytes ? sample_weight_bytes(&weight, image->born) : size_bytes,
		.count = interval_bytes ? sample_weight_count(&weight, image->born) : 1,
		.image = actor->image,
		.thread = actor->thread,
		.stack = stack,
		.thread_number = image->thread_numbers[actor->thread],
	};
	model_revive(model, actor->image, place, model->block_count++);
}

static void release(struct world *world, const struct actor *actor, uint32_t place)
{
	struct model *model = &world->model;
	struct model_image *image = &model->images[actor->image];
	emit(world, actor, EVENT_RELEASE, place, NULL);
	if (!image->places[place]) {
		*(actor->image ? &image->inherited : &image->unmatched) += 1;
		return;
	}
	struct model_block *block = &model->blocks[image->places[place] - 1];
	image->places[place] = 0;
	model_drop(model, block);
	image->deallocations += block->count;
	block->is_temporary = block->thread == actor->thread;
	block->distance = image->thread_numbers[actor->thread] - block->thread_number + 1;
}

static void reallocate(struct world *world, const struct actor *actor, uint32_t place)
{
	struct model *model = &world->model;
	struct model_image *image = &model->images[actor->image];
	uint32_t before = image->places[place];
	emit(world, actor, EVENT_MOVE_BEGIN, place, NULL);
	image->places[place] = 0;
	if (before)
		model_drop(model, &model->blocks[before - 1]);
	else
		*(actor->image ? &image->inherited : &image->unmatched) += 1;
	if (next_random(4) == 0) {
		emit(world, actor, EVENT_MOVE_FAILED, place, NULL);
		if (before)
			model_revive(model, actor->image, place, before - 1);
		return;
	}
	if (before) {
		image->deallocations += model->blocks[before - 1].count;
		image->reallocations += model->blocks[before - 1].count;
	}
	if (next_random(5) > 0)
		allocate(world, actor, EVENT_MOVE_END,
			 next_random(2) ? place : next_random(PLACES));
}

static void commit(struct world *world)
{
	struct model *model = malloc(sizeof(*model));
	log_builder_commit(&world->builder);
	assert_non_null(model);
	assert_true(world->past_count < COMMITS);
	*model = world->model;
	world->past[world->past_count] = model;
	world->past_ends[world->past_count++] = log_writer_size(&world->builder.writer) -
						COMMIT_BLOCK_BYTES;
}

static void step(struct world *world)
{
	struct actor actor = {.image = next_random(20) ? world->last_image
						       : next_random(world->image_count),
			      .thread = next_random(THREADS)};
	uint32_t place = next_random(PLACES);
	const struct model_image *image = &world->model.images[actor.image];
	if (image->end_us != UINT64_MAX)
		return;
	switch (next_random(8)) {
	case 0:
	case 1:
	case 2:
		/* Mostly onto free places, as an allocator does; at times not, as a lost release
		 * looks. */
		if (image->places[place] && next_random(50))
			release(world, &actor, place);
		else
			allocate(world, &actor, EVENT_ALLOCATE, place);
		/* Many are released at once. */
		if (image->places[place] && next_random(4) == 0)
			release(world, &actor, place);
		break;
	case 3:
	case 4:
	case 5:
		if (image->places[place] || next_random(50) == 0)
			release(world, &actor, place);
		break;
	case 6:
		if (image->places[place] || next_random(50) == 0)
			reallocate(world, &actor, place);
		break;
	default:
		if (next_random(30) == 0 && world->past_count + 4 < COMMITS)
			commit(world);
	}
}

static void end_image(struct world *world, uint32_t image)
{
	struct model *model = &world->model;
	commit(world);
	world->time_us++;
	log_builder_image_end(&world->builder, image, world->time_us);
	model->now_us = world->time_us;
	model->images[image].end_us = world->time_us;
	for (uint32_t s = 0; s < STACKS; s++) {
		model->live_bytes -= model->live_of[image][s];
		model->live_of[image][s] = 0;
	}
}

/* The time of the last that is known of a recording. */
static uint64_t last_time(const struct world *world, const struct model *model, uint64_t end_us)
{
	bool is_any_living = false;
	for (uint32_t i = 0; i < world->image_count; i++)
		is_any_living |= model->images[i].end_us == UINT64_MAX;
	return is_any_living && end_us > model->now_us ? end_us : model->now_us;
}

static bool is_live_at(const struct model *model, const struct model_block *block, uint64_t time_us,
		       uint64_t last_us)
{
	uint64_t end_us = model->images[block->image].end_us;
	return block->born_us <= time_us && block->died_us > time_us &&
	       (end_us > time_us || end_us == last_us);
}

/* The costs of a stack in a thread, summed up over the kinds of functions. */
struct figures {
	struct stack_cost cost;
	struct window_cost window;
	uint64_t lifetimes[LIFETIME_BUCKETS];
};

static struct figures figures_of(const struct loaded_log *log, const struct log_window *window,
				 uint32_t index, uint32_t stack, uint32_t thread)
{
	const struct replay_image *image = log->replay.images[index];
	struct figures sum = {0};
	for (uint32_t c = 0; c < image->costs.count; c++) {
		const struct stack_cost *cost = &image->costs.items[c];
		if (cost->stack != stack || cost->thread != thread)
			continue;
		sum.cost.allocations += cost->allocations;
		sum.cost.allocated_bytes += cost->allocated_bytes;
		sum.cost.live_blocks += cost->live_blocks;
		sum.cost.live_bytes += cost->live_bytes;
		sum.cost.peak_bytes += cost->peak_bytes;
		sum.cost.temporary += cost->temporary;
		sum.lifetimes[0] += cost->short_lived;
		const struct lifetime_histogram *histogram = lifetimes_find(&image->lifetimes, c);
		for (uint32_t b = 1; histogram && b < LIFETIME_BUCKETS; b++)
			sum.lifetimes[b] += histogram->counts[b];
		if (!window)
			continue;
		const struct window_cost *part = &window->costs[window->firsts[index] + c];
		sum.window.allocations += part->allocations;
		sum.window.allocated_bytes += part->allocated_bytes;
		sum.window.surviving_blocks += part->surviving_blocks;
		sum.window.surviving_bytes += part->surviving_bytes;
		sum.window.live_blocks += part->live_blocks;
		sum.window.live_bytes += part->live_bytes;
	}
	return sum;
}

static bool is_of(const struct model_block *block, uint32_t image, uint32_t stack, uint32_t thread)
{
	return block->image == image && block->stack == stack && block->thread == thread;
}

static void compare_place(const struct world *world, const struct model *model,
			  const struct loaded_log *log, uint32_t temporary_window, uint32_t image,
			  uint32_t stack, uint32_t thread)
{
	struct figures want = {0};
	for (uint32_t i = 0; i < model->block_count; i++) {
		const struct model_block *block = &model->blocks[i];
		if (!is_of(block, image, stack, thread))
			continue;
		want.cost.allocations += block->count;
		want.cost.allocated_bytes += block->bytes;
		if (block->died_us == UINT64_MAX) {
			want.cost.live_blocks += block->count;
			want.cost.live_bytes += block->bytes;
		} else if (!block->was_lost) {
			uint32_t bucket = 0;
			while (bucket < 63 && block->died_us - block->born_us >= 1ull << bucket)
				bucket++;
			want.lifetimes[bucket] += block->count;
		}
		if (block->is_temporary && block->distance <= temporary_window)
			want.cost.temporary += block->count;
	}
	struct figures got = figures_of(log, NULL, image, world->stacks[image][stack], thread);
	assert_int_equal(got.cost.allocations, want.cost.allocations);
	assert_int_equal(got.cost.allocated_bytes, want.cost.allocated_bytes);
	assert_int_equal(got.cost.live_blocks, want.cost.live_blocks);
	assert_int_equal(got.cost.live_bytes, want.cost.live_bytes);
	assert_int_equal(got.cost.temporary, want.cost.temporary);
	for (uint32_t b = 0; b < LIFETIME_BUCKETS; b++)
		assert_int_equal(got.lifetimes[b], want.lifetimes[b]);
}

static void compare_totals(const struct model *model, const struct loaded_log *log, uint32_t image)
{
	const struct replay_totals *totals = &log->replay.images[image]->totals;
	struct stack_cost want = {0};
	for (uint32_t i = 0; i < model->block_count; i++) {
		const struct model_block *block = &model->blocks[i];
		if (block->image != image)
			continue;
		want.allocations += block->count;
		want.allocated_bytes += block->bytes;
		want.live_blocks += block->died_us == UINT64_MAX ? block->count : 0;
		want.live_bytes += block->died_us == UINT64_MAX ? block->bytes : 0;
	}
	assert_int_equal(totals->allocations, want.allocations);
	assert_int_equal(totals->allocated_bytes, want.allocated_bytes);
	assert_int_equal(totals->live_blocks, want.live_blocks);
	assert_int_equal(totals->live_bytes, want.live_bytes);
	assert_int_equal(totals->deallocations, model->images[image].deallocations);
	assert_int_equal(totals->reallocations, model->images[image].reallocations);
	assert_int_equal(totals->overwritten, model->images[image].overwritten);
	assert_int_equal(totals->unmatched_frees, model->images[image].unmatched);
	assert_int_equal(totals->inherited_frees, model->images[image].inherited);
}

static void compare(const struct world *world, const struct model *model,
		    const struct loaded_log *log, uint32_t temporary_window)
{
	uint64_t peak_sum = 0;
	assert_int_equal(log->replay.peak_bytes, model->peak_bytes);
	for (uint32_t i = 0; i < world->image_count; i++) {
		compare_totals(model, log, i);
		for (uint32_t s = 0; s < STACKS; s++) {
			uint64_t peak = 0;
			for (uint32_t t = 0; t < THREADS; t++) {
				compare_place(world, model, log, temporary_window, i, s, t);
				peak += figures_of(log, NULL, i, world->stacks[i][s], t)
						.cost.peak_bytes;
			}
			assert_int_equal(peak, model->peak_of[i][s]);
			peak_sum += peak;
		}
	}
	assert_int_equal(peak_sum, log->replay.peak_bytes);
}

static void compare_window(const struct world *world, const struct model *model,
			   const struct loaded_log *log, uint64_t from_us, uint64_t to_us)
{
	struct log_window window;
	struct mt_error error;
	uint64_t last_us = last_time(world, model, log->info.end_us);
	assert_int_equal(log_window_read(&window, log, from_us, to_us, &error), MT_OK);
	for (uint32_t place = 0; place < world->image_count * STACKS * THREADS; place++) {
		uint32_t image = place / (STACKS * THREADS);
		uint32_t stack = place / THREADS % STACKS;
		uint32_t thread = place % THREADS;
		struct window_cost want = {0};
		for (uint32_t i = 0; i < model->block_count; i++) {
			const struct model_block *block = &model->blocks[i];
			if (!is_of(block, image, stack, thread))
				continue;
			bool is_live = is_live_at(model, block, to_us < last_us ? to_us : last_us,
						  last_us);
			bool is_made = block->born_us >= from_us && block->born_us <= to_us;
			want.allocations += is_made ? block->count : 0;
			want.allocated_bytes += is_made ? block->bytes : 0;
			want.live_blocks += is_live ? block->count : 0;
			want.live_bytes += is_live ? block->bytes : 0;
			want.surviving_blocks += is_made && is_live ? block->count : 0;
			want.surviving_bytes += is_made && is_live ? block->bytes : 0;
		}
		struct figures got = figures_of(log, &window, image, world->stacks[image][stack],
						thread);
		assert_memory_equal(&got.window, &want, sizeof(want));
	}
	log_window_release(&window);
}

static void compare_windows(const struct world *world, const struct model *model,
			    const struct loaded_log *log)
{
	uint64_t end_us = model->now_us + 5;
	compare_window(world, model, log, 0, UINT64_MAX);
	compare_window(world, model, log, 0, 0);
	compare_window(world, model, log, end_us, UINT64_MAX);
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t from_us = next_random((uint32_t)end_us);
		uint64_t to_us = from_us + next_random((uint32_t)end_us);
		compare_window(world, model, log, from_us, next_random(3) ? to_us : from_us);
	}
}

/* Of all pieces of time: what is live at their ends, and what of that was made since a piece. */
static void compare_generations(const struct world *world, const struct model *model,
				const struct loaded_log *log)
{
	const struct generations *generations = &log->replay.generations;
	uint64_t last_us = last_time(world, model, log->info.end_us);
	for (uint32_t w = 0; w < generations->piece_count; w++) {
		uint32_t since = next_random(w + 1);
		uint64_t edge_us = (w + 1) * generations->piece_us - 1;
		uint64_t live_blocks = 0;
		uint64_t young_bytes = 0;
		for (size_t i = 0; i < generations->count; i++) {
			const struct generation *item = &generations->items[i];
			if (item->born > w || item->died <= w)
				continue;
			live_blocks += item->blocks;
			young_bytes += item->born >= since ? item->bytes : 0;
		}
		for (uint32_t i = 0; i < model->block_count; i++) {
			const struct model_block *block = &model->blocks[i];
			if (!is_live_at(model, block, edge_us < last_us ? edge_us : last_us,
					last_us))
				continue;
			live_blocks -= block->count;
			young_bytes -= block->born_us >= since * generations->piece_us
					       ? block->bytes
					       : 0;
		}
		assert_int_equal(live_blocks, 0);
		assert_int_equal(young_bytes, 0);
	}
}

static void make_world(struct world *world, uint32_t seed)
{
	memset(world, 0, sizeof(*world));
	random_state = seed;
	world->image_count = seed % 4 == 3 ? IMAGES : 1;
	world->is_sampled = seed % 3 == 0;
	log_builder_init(&world->builder);
	for (uint32_t i = 0; i < world->image_count; i++) {
		(void)log_builder_image(&world->builder, 100 + i, (int)i - 1);
		world->model.images[i].end_us = UINT64_MAX;
		for (uint64_t s = 0; s < STACKS; s++)
			world->stacks[i][s] = log_builder_stack(
				&world->builder, i,
				(const uint64_t[]){0x100, 0x200 + s / 3, 0x300 + s, 0});
	}
	for (uint32_t i = 0; i < EVENTS; i++) {
		if (world->image_count > 1 && i == EVENTS / 2)
			end_image(world, 1);
		step(world);
	}
	commit(world);
}

static void end_world(struct world *world)
{
	/* The last process ends when the recording does, or is not seen to end. */
	if (next_random(3))
		end_image(world, 0);
	log_builder_end(&world->builder, world->time_us + next_random(2), 0);
	log_builder_close(&world->builder);
}

static void remove_world(struct world *world)
{
	log_builder_remove(&world->builder);
	for (uint32_t i = 0; i < world->past_count; i++)
		free(world->past[i]);
}

static void load(struct loaded_log *log, const struct world *world,
		 const struct loaded_log_options *options)
{
	struct mt_error error = {0};
	assert_int_equal(loaded_log_read(log, world->builder.path, options, &error), MT_OK);
	assert_int_equal(log->damage.status, MT_OK);
}

static struct world world;

static void agrees_with_a_model_on_random_events(void **state)
{
	struct loaded_log log;
	(void)state;
	for (uint32_t seed = 1; seed <= 60; seed++) {
		make_world(&world, seed);
		end_world(&world);
		load(&log, &world, NULL);
		compare(&world, &world.model, &log, 1);
		compare_generations(&world, &world.model, &log);
		compare_windows(&world, &world.model, &log);
		loaded_log_release(&log);
		uint32_t window = 2 + next_random(20);
		load(&log, &world, &(struct loaded_log_options){.temporary_window = window});
		compare(&world, &world.model, &log, window);
		loaded_log_release(&log);
		remove_world(&world);
	}
}

static void late_question_is_answered_from_a_checkpoint(const struct loaded_log *log)
{
	struct log_window window;
	struct mt_error error;
	const struct log_checkpoint *last = &log->places[log->place_count - 1];
	assert_int_equal(log_window_read(&window, log, last->time_us + 1, UINT64_MAX, &error),
			 MT_OK);
	assert_true(window.replayed_events < log->replay.event_count);
	log_window_release(&window);
}

static void agrees_with_the_model_when_the_log_is_finished(void **state)
{
	struct finish_options options = {.has_no_symbols = true};
	struct finish_result result;
	struct loaded_log log;
	struct mt_error error;
	size_t checkpoint_count = 0;
	(void)state;
	for (uint32_t seed = 101; seed <= 140; seed++) {
		make_world(&world, seed);
		end_world(&world);
		options.checkpoint_events = 1 + next_random(900);
		assert_int_equal(finish_log(world.builder.path, &options, &result, &error), MT_OK);
		for (uint32_t round = 0; round < 2; round++) {
			load(&log, &world, NULL);
			assert_true(log.has_profile);
			checkpoint_count += log.place_count;
			compare(&world, &world.model, &log, 1);
			compare_generations(&world, &world.model, &log);
			compare_windows(&world, &world.model, &log);
			if (log.place_count > 0)
				late_question_is_answered_from_a_checkpoint(&log);
			loaded_log_release(&log);
			/* Written anew, as when names are added later. */
			assert_int_equal(finish_log(world.builder.path, &options, &result, &error),
					 MT_OK);
		}
		remove_world(&world);
	}
	assert_true(checkpoint_count > 200);
}

/* The events of a commit count when their block is whole, whether the COMMIT block is or not. */
static void agrees_with_the_model_up_to_where_the_log_is_cut_off(void **state)
{
	struct loaded_log log;
	struct mt_error error;
	(void)state;
	for (uint32_t seed = 201; seed <= 260; seed++) {
		make_world(&world, seed);
		uint32_t last = world.past_count - 1;
		log_builder_close(&world.builder);
		if (world.image_count == 1 && last > 0) {
			uint64_t begin = world.past_ends[0];
			uint64_t end = world.past_ends[last] + COMMIT_BLOCK_BYTES;
			uint64_t cut = begin + next_random((uint32_t)(end - begin));
			while (world.past_ends[last] > cut)
				last--;
			assert_int_equal(truncate(world.builder.path, (off_t)cut), 0);
			assert_int_equal(loaded_log_read(&log, world.builder.path, NULL, &error),
					 MT_OK);
			assert_non_null(loaded_log_incomplete_reason(&log));
			compare(&world, world.past[last], &log, 1);
			compare_windows(&world, world.past[last], &log);
			loaded_log_release(&log);
		}
		remove_world(&world);
	}
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

/* A fork's child that only frees what its parent had: no class of blocks is known. */
static void a_process_may_make_no_blocks_at_all(void **state)
{
	struct log_builder builder;
	struct loaded_log log;
	struct mt_error error;
	(void)state;
	log_builder_init(&builder);
	uint32_t parent = log_builder_image(&builder, 100, -1);
	uint32_t child = log_builder_image(&builder, 101, (int)parent);
	for (uint32_t i = 1; i <= 500; i++)
		log_builder_event(&builder, child,
				  &(struct builder_event){.operation = EVENT_RELEASE,
							  .address = i * 16,
							  .time_us = i});
	log_builder_commit(&builder);
	log_builder_image_end(&builder, child, 600);
	log_builder_end(&builder, 700, 0);
	log_builder_close(&builder);
	assert_int_equal(loaded_log_read(&log, builder.path, NULL, &error), MT_OK);
	assert_int_equal(log.replay.images[child]->totals.inherited_frees, 500);
	assert_int_equal(log.replay.peak_bytes, 0);
	loaded_log_release(&log);
	log_builder_remove(&builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_model_on_random_events),
		cmocka_unit_test(agrees_with_the_model_when_the_log_is_finished),
		cmocka_unit_test(agrees_with_the_model_up_to_where_the_log_is_cut_off),
		cmocka_unit_test(a_trees_peak_is_over_processes_alive_together),
		cmocka_unit_test(a_process_may_make_no_blocks_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
