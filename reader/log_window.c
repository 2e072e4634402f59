/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/log_window.h"

#include <stdlib.h>

#include "reader/block_feed.h"
#include "reader/checkpoint_restore.h"
#include "reader/log_reader.h"
#include "reader/replay_blocks.h"

/* The replay of a window. */
struct window_replay {
	const struct loaded_log *log;
	struct replay replay;
	struct replay_blocks blocks;
	uint64_t from_us;
	uint64_t to_us;
	uint64_t horizon_us; /* what is later is not even looked at */
};

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to replay the log");
}

/* The last checkpoint that no event of the window is before. NULL: there is none */
static const struct log_checkpoint *find_checkpoint(const struct loaded_log *log, uint64_t from_us)
{
	const struct log_checkpoint *found = NULL;
	for (size_t i = 0; i < log->place_count && log->class_place_count > 0; i++)
		if (log->places[i].is_whole && log->places[i].time_us < from_us)
			found = &log->places[i];
	return found;
}

static bool is_answered(const struct window_replay *window)
{
	return window->replay.is_over && !replay_awaits_moves(&window->replay);
}

static enum mt_status run_blocks(struct window_replay *window, struct log_reader *reader,
				 uint64_t end_offset, struct mt_error *error)
{
	struct block_feed feed;
	const struct block_feed_options options = {
		.end_offset = end_offset,
		.pid = window->log->pid,
		.until_us = window->horizon_us,
		.skips_descriptions = true,
	};
	enum mt_status status = MT_OK;
	if (!block_feed_open(&feed, reader, &options, window->replay.images,
			     window->replay.image_count))
		return no_memory(error);
	while (status == MT_OK && !is_answered(window)) {
		struct block_feed_item *item = block_feed_next(&feed);
		if (item->result < 0) {
			status = (enum mt_status)item->result;
			*error = item->error;
		}
		/* Damage was met, and told, when the log was loaded. */
		if (item->result != 1 ||
		    (item->block.kind == LOG_BLOCK_EVENTS &&
		     item->block.first_us > window->horizon_us && window->replay.is_over))
			break;
		status = replay_blocks_add(&window->blocks, item, error);
	}
	block_feed_close(&feed);
	return status;
}

static enum mt_status run(struct window_replay *window, struct mt_error *error)
{
	const struct loaded_log *log = window->log;
	struct log_reader reader;
	enum mt_status status = log_reader_open(&reader, log->path, error);
	if (status != MT_OK)
		return status;
	const struct log_checkpoint *place = find_checkpoint(log, window->from_us);
	if (place)
		status = checkpoint_restore(log, place, &reader, &window->replay, error);
	if (status == MT_OK)
		status = run_blocks(window, &reader,
				    log->was_recovered ? log->commit_end : log->good_end, error);
	log_reader_close(&reader);
	if (status == MT_OK)
		status = replay_blocks_flush(&window->blocks, error);
	if (status != MT_OK || !log->was_recovered || is_answered(window))
		return status;
	log_reader_open_memory(&reader, log->recovered.bytes, log->recovered.size_bytes);
	status = run_blocks(window, &reader, UINT64_MAX, error);
	log_reader_close(&reader);
	return status == MT_OK ? replay_blocks_flush(&window->blocks, error) : status;
}

static void add_survivor(const struct window_replay *window, const struct replay_image *image,
			 const struct replay_class *class, const struct replay_block *block,
			 struct window_cost *cost)
{
	struct block_figures figures = replay_figures(image, class, block->born);
	if (block->born_us < window->from_us)
		return;
	cost->surviving_blocks += figures.count;
	cost->surviving_bytes += figures.bytes;
}

/* What of a cost was allocated in the window and is live at its end. */
static void add_survivors(const struct window_replay *window, const struct replay_image *image,
			  const uint32_t *numbers, struct window_cost *costs)
{
	for (uint32_t c = 0; c < image->class_count; c++) {
		const struct replay_class *class = &image->classes[c];
		for (uint32_t local = 0; local < class->used; local++) {
			const struct replay_block *block = &class->blocks[local];
			if (block->cost != STACK_COST_NONE)
				add_survivor(window, image, class, block,
					     &costs[numbers[block->cost]]);
		}
	}
	for (uint32_t t = 0; t < image->thread_capacity; t++) {
		const struct replay_thread *thread = &image->threads[t];
		if (thread->is_undone)
			add_survivor(window, image, &image->classes[thread->moving_class],
				     &thread->moving, &costs[numbers[thread->moving.cost]]);
	}
}

/* The image's blocks are in memory at the window's end. */
static bool is_there(const struct window_replay *window, const struct replay_image *image)
{
	return !image->has_ended ||
	       (image->has_tables && image->end_us == window->log->replay.last_us);
}

static enum mt_status gather_image(const struct window_replay *window, uint32_t index,
				   struct window_cost *costs, struct mt_error *error)
{
	const struct replay_image *image = window->replay.images[index];
	const struct stack_costs *known = &window->log->replay.images[index]->costs;
	bool is_live = is_there(window, image);
	uint32_t *numbers = malloc(((size_t)image->costs.count + 1) * sizeof(*numbers));
	if (!numbers)
		return no_memory(error);
	for (uint32_t i = 0; i < image->costs.count; i++) {
		const struct stack_cost *cost = &image->costs.items[i];
		numbers[i] = stack_costs_find(known, cost->stack, cost->thread, cost->kind);
		if (numbers[i] == STACK_COST_NONE) {
			free(numbers);
			return mt_error_set(error, MT_ERR_CORRUPT,
					    "%s is not the log any more that was opened",
					    window->log->path);
		}
		struct window_cost *of_window = &costs[numbers[i]];
		of_window->allocations = cost->allocations;
		of_window->allocated_bytes = cost->allocated_bytes;
		of_window->live_blocks = is_live ? cost->live_blocks : 0;
		of_window->live_bytes = is_live ? cost->live_bytes : 0;
	}
	if (is_live)
		add_survivors(window, image, numbers, costs);
	free(numbers);
	return MT_OK;
}

static enum mt_status gather(const struct window_replay *window, struct log_window *ret_window,
			     struct mt_error *error)
{
	const struct replay *known = &window->log->replay;
	struct log_window result = {.replayed_events = window->replay.event_count};
	enum mt_status status = MT_OK;
	result.firsts = calloc((size_t)known->image_count + 1, sizeof(*result.firsts));
	for (uint32_t i = 0; i < known->image_count && result.firsts; i++) {
		result.firsts[i] = result.cost_count;
		result.cost_count += known->images[i]->costs.count;
	}
	result.costs = calloc(result.cost_count + 1, sizeof(*result.costs));
	if (!result.costs || !result.firsts)
		status = no_memory(error);
	for (uint32_t i = 0; i < window->replay.image_count && status == MT_OK; i++)
		if (i < known->image_count)
			status = gather_image(window, i, result.costs + result.firsts[i], error);
	if (status == MT_OK)
		*ret_window = result;
	else
		log_window_release(&result);
	return status;
}

enum mt_status log_window_read(struct log_window *window, const struct loaded_log *log,
			       uint64_t from_us, uint64_t to_us, struct mt_error *error)
{
	struct window_replay *replay = calloc(1, sizeof(*replay));
	if (!replay)
		return no_memory(error);
	if (from_us > to_us) {
		free(replay);
		return mt_error_set(error, MT_ERR_USAGE, "the window ends before it begins");
	}
	replay->log = log;
	replay->from_us = from_us;
	replay->to_us = to_us;
	replay->horizon_us = to_us < UINT64_MAX - REPLAY_MOVE_US ? to_us + REPLAY_MOVE_US
								 : UINT64_MAX;
	replay_init(&replay->replay);
	replay->replay.from_us = from_us;
	replay->replay.until_us = to_us;
	replay->blocks.replay = &replay->replay;
	replay->blocks.info = &log->info;
	enum mt_status status = run(replay, error);
	if (status == MT_OK && replay->replay.now_us < from_us)
		replay_forget_allocations(&replay->replay);
	if (status == MT_OK)
		status = gather(replay, window, error);
	replay_blocks_release(&replay->blocks);
	replay_release(&replay->replay);
	free(replay);
	return status;
}

void log_window_release(struct log_window *window)
{
	free(window->costs);
	free(window->firsts);
	*window = (struct log_window){0};
}
