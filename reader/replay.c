/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/replay.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"

#define NO_MEMORY_TEXT "no memory to replay the log"
#define PREFETCH_EVENTS 8u

bool replay_add_image(struct replay *replay, uint32_t index, bool is_forked)
{
	if (index != replay->image_count)
		return false;
	if ((index & (index + 1)) == 0) {
		struct replay_image **grown = realloc(
			replay->images, ((size_t)index + 1) * 2 * sizeof(struct replay_image *));
		if (!grown)
			return false;
		replay->images = grown;
	}
	struct replay_image *image = calloc(1, sizeof(*image));
	if (!image)
		return false;
	image->is_forked = is_forked;
	replay->images[replay->image_count++] = image;
	return stack_trie_init(&image->trie) && stack_costs_init(&image->costs);
}

/* Makes a zeroed table large enough for `index`. returns false: no memory */
static bool reserve(void **items, size_t *capacity, size_t index, size_t item_bytes)
{
	if (index < *capacity)
		return true;
	size_t larger = *capacity ? *capacity : 16;
	while (larger <= index)
		larger += larger / 2;
	void *grown = realloc(*items, larger * item_bytes);
	if (!grown)
		return false;
	memset((char *)grown + *capacity * item_bytes, 0, (larger - *capacity) * item_bytes);
	*items = grown;
	*capacity = larger;
	return true;
}

static void note_growth(struct replay *replay, struct replay_image *image)
{
	if (image->totals.live_bytes > image->totals.peak_bytes) {
		image->totals.peak_bytes = image->totals.live_bytes;
		image->totals.peak_us = replay->now_us;
	}
	if (replay->live_bytes > replay->interval_max_bytes)
		replay->interval_max_bytes = replay->live_bytes;
	if (replay->live_bytes > replay->peak_bytes) {
		replay->peak_bytes = replay->live_bytes;
		replay->peak_us = replay->now_us;
		replay->mark++;
	}
}

/* The image whose events are being replayed. */
struct cursor {
	struct replay_source *source;
	struct replay_image *image;
	uint32_t event;
	uint32_t next_thread; /* changes used up */
	uint32_t next_time;
	uint64_t thread;
	uint64_t time_us;
};

/*
 * What a block of a class stands for. Where every allocation is recorded, for itself.
 * returns  NULL: no memory
 */
static const struct sample_weight *weight_of(struct replay_image *image, uint32_t class_index)
{
	static const struct sample_weight nothing;
	const struct event_class *class = &image->state.classes[class_index];
	if (class->interval_bytes == 0)
		return &nothing;
	if (!reserve((void **)&image->weights, &image->weight_capacity, class_index,
		     sizeof(*image->weights)))
		return NULL;
	struct sample_weight *weight = &image->weights[class_index];
	if (weight->count == 0)
		*weight = sample_weight_of(class->size_bytes, class->interval_bytes);
	return weight;
}

/* A block in figures: the unsampled one stands for itself. */
struct block_figures {
	uint64_t bytes;
	uint64_t count;
};

static struct block_figures figures_of(const struct replay_image *image,
				       const struct sample_weight *weight, uint32_t class_index,
				       uint32_t born)
{
	if (weight->count == 0)
		return (struct block_figures){.bytes = image->state.classes[class_index].size_bytes,
					      .count = 1};
	return (struct block_figures){.bytes = sample_weight_bytes(weight, born),
				      .count = sample_weight_count(weight, born)};
}

static bool is_of_pool(const struct replay_image *image, uint32_t class_index)
{
	return image->state.classes[class_index].kind == ALLOCATION_POOL;
}

/* Blocks of the program's own pools lie in memory that is the heap's already: counted apart. */
static struct replay_totals *totals_of(struct replay_image *image, uint32_t class_index)
{
	return is_of_pool(image, class_index) ? &image->pool_totals : &image->totals;
}

static bool count_in(struct replay *replay, struct replay_image *image,
		     const struct replay_block *block, uint32_t class_index)
{
	const struct sample_weight *weight = weight_of(image, class_index);
	if (!weight)
		return false;
	if (weight->count) {
		struct stack_error *error = stack_errors_entry(&image->errors, block->cost);
		if (!error)
			return false;
		stack_error_add(error, weight, replay->mark);
	}
	struct block_figures figures = figures_of(image, weight, class_index, block->born);
	struct stack_cost *cost = &image->costs.items[block->cost];
	stack_cost_touch(cost, replay->mark);
	cost->live_blocks += figures.count;
	cost->live_bytes += figures.bytes;
	struct replay_totals *totals = totals_of(image, class_index);
	totals->live_blocks += figures.count;
	totals->live_bytes += figures.bytes;
	if (is_of_pool(image, class_index))
		return true;
	replay->live_bytes += figures.bytes;
	note_growth(replay, image);
	return true;
}

static struct block_figures count_out(struct replay *replay, struct replay_image *image,
				      const struct replay_block *block, uint32_t class_index)
{
	/* Both are there since the block was counted in. */
	const struct sample_weight *weight = weight_of(image, class_index);
	struct block_figures figures = figures_of(image, weight, class_index, block->born);
	if (weight->count)
		stack_error_take(&image->errors.items[block->cost], weight, replay->mark);
	struct stack_cost *cost = &image->costs.items[block->cost];
	stack_cost_touch(cost, replay->mark);
	cost->live_blocks -= figures.count;
	cost->live_bytes -= figures.bytes;
	struct replay_totals *totals = totals_of(image, class_index);
	totals->live_blocks -= figures.count;
	totals->live_bytes -= figures.bytes;
	if (!is_of_pool(image, class_index))
		replay->live_bytes -= figures.bytes;
	return figures;
}

/* The cost entry for blocks of a class that this thread makes. returns STACK_COST_NONE: no memory
 */
static uint32_t find_cost(struct replay *replay, struct cursor *cursor, uint32_t class_index)
{
	struct replay_image *image = cursor->image;
	const struct event_class *class = &image->state.classes[class_index];
	if (!reserve((void **)&image->class_costs, &image->class_capacity, class_index,
		     sizeof(*image->class_costs)))
		return STACK_COST_NONE;
	struct class_cost *last = &image->class_costs[class_index];
	if (last->thread == (uint32_t)cursor->thread + 1)
		return last->cost;
	if (class->interval_bytes && replay->largest_interval == 0)
		replay->exact_until_us = replay->now_us;
	if (class->interval_bytes > replay->largest_interval)
		replay->largest_interval = class->interval_bytes;
	replay->was_exact |= class->interval_bytes == 0 && class->kind != ALLOCATION_POOL;
	uint32_t cost = stack_costs_entry(&image->costs, class->stack, (uint32_t)cursor->thread,
					  class->kind);
	if (cost != STACK_COST_NONE)
		*last = (struct class_cost){.thread = (uint32_t)cursor->thread + 1, .cost = cost};
	return cost;
}

static bool allocate(struct replay *replay, struct cursor *cursor, struct replay_thread *thread,
		     uint32_t slot, uint32_t class_index)
{
	struct replay_image *image = cursor->image;
	uint32_t cost_index = find_cost(replay, cursor, class_index);
	if (cost_index == STACK_COST_NONE ||
	    !reserve((void **)&image->blocks, &image->block_capacity, slot, sizeof(*image->blocks)))
		return false;
	const struct sample_weight *weight = weight_of(image, class_index);
	if (!weight)
		return false;
	struct replay_block *block = &image->blocks[slot];
	*block = (struct replay_block){
		.born_us = replay->now_us,
		.cost = cost_index,
		.born = ++image->born,
	};
	if (!is_of_pool(image, class_index)) {
		thread->last_slot = slot;
		thread->last_born = block->born;
	}
	struct block_figures figures = figures_of(image, weight, class_index, block->born);
	struct stack_cost *cost = &image->costs.items[cost_index];
	cost->allocations += figures.count;
	cost->allocated_bytes += figures.bytes;
	totals_of(image, class_index)->allocations += figures.count;
	totals_of(image, class_index)->allocated_bytes += figures.bytes;
	if (!count_in(replay, image, block, class_index))
		return false;
	if (weight->count)
		stack_error_note(&image->errors.items[cost_index], weight);
	return true;
}

static void end_block(struct replay *replay, struct cursor *cursor, struct replay_thread *thread,
		      uint32_t slot, uint32_t class_index, enum event_operation operation)
{
	struct replay_image *image = cursor->image;
	const struct replay_block *block = &image->blocks[slot];
	struct replay_totals *totals = totals_of(image, class_index);
	struct block_figures figures = count_out(replay, image, block, class_index);
	if (operation == EVENT_LOST) {
		image->totals.overwritten++;
		return;
	}
	totals->deallocations += figures.count;
	if (operation == EVENT_MOVE_BEGIN) {
		totals->reallocations += figures.count;
		thread->moving = *block;
		return;
	}
	if (thread->last_slot == slot && thread->last_born == block->born) {
		image->costs.items[block->cost].temporary += figures.count;
		totals->temporary += figures.count;
		thread->last_born = 0;
	}
}

static bool undo_move(struct replay *replay, struct cursor *cursor, struct replay_thread *thread,
		      uint32_t slot, uint32_t class_index)
{
	struct replay_image *image = cursor->image;
	if (!reserve((void **)&image->blocks, &image->block_capacity, slot, sizeof(*image->blocks)))
		return false;
	image->blocks[slot] = thread->moving;
	if (thread->last_born == thread->moving.born)
		thread->last_slot = slot; /* the same block still, in another slot */
	if (!count_in(replay, image, &thread->moving, class_index))
		return false;
	const struct sample_weight *weight = weight_of(image, class_index);
	uint64_t count = figures_of(image, weight, class_index, thread->moving.born).count;
	image->totals.deallocations -= count;
	image->totals.reallocations -= count;
	return true;
}

static bool apply(struct replay *replay, struct cursor *cursor, struct replay_thread *thread)
{
	const struct decoded_events *events = &cursor->source->events;
	struct replay_totals *totals = &cursor->image->totals;
	enum event_operation operation = (enum event_operation)events->operations[cursor->event];
	uint32_t slot = events->slots[cursor->event];
	uint32_t class_index = events->classes[cursor->event];
	switch (operation) {
	case EVENT_ALLOCATE:
	case EVENT_MOVE_END:
		return allocate(replay, cursor, thread, slot, class_index);
	case EVENT_RELEASE:
	case EVENT_MOVE_BEGIN:
	case EVENT_LOST:
		end_block(replay, cursor, thread, slot, class_index, operation);
		return true;
	case EVENT_MOVE_FAILED:
		return undo_move(replay, cursor, thread, slot, class_index);
	case EVENT_RELEASE_UNKNOWN:
	case EVENT_MOVE_UNKNOWN:
		*(cursor->image->is_forked ? &totals->inherited_frees
					   : &totals->unmatched_frees) += 1;
		return true;
	}
	return false;
}

/* Brings thread and time to the cursor's event. */
static void take_changes(struct cursor *cursor)
{
	const struct decoded_events *events = &cursor->source->events;
	(void)event_changes_follow(&events->threads, cursor->event, &cursor->next_thread,
				   &cursor->thread);
	(void)event_changes_follow(&events->times, cursor->event, &cursor->next_time,
				   &cursor->time_us);
}

static uint32_t next_change(const struct event_changes *changes, uint32_t next, uint32_t end)
{
	return next < changes->count && changes->items[next].first < end
		       ? changes->items[next].first
		       : end;
}

/* Number of the first event after which thread or time is another. */
static uint32_t end_of_stretch(const struct cursor *cursor)
{
	const struct decoded_events *events = &cursor->source->events;
	uint32_t end = next_change(&events->threads, cursor->next_thread, events->count);
	return next_change(&events->times, cursor->next_time, end);
}

static void move_time(struct replay *replay, uint64_t time_us)
{
	if (time_us <= replay->now_us)
		return;
	timeline_add(&replay->timeline, replay->now_us, replay->live_bytes,
		     replay->interval_max_bytes);
	replay->interval_max_bytes = replay->live_bytes;
	replay->now_us = time_us;
}

/* Replays events up to `until_us`, at least one stretch. returns false: no memory */
static bool run_cursor(struct replay *replay, struct cursor *cursor, uint64_t until_us)
{
	const struct decoded_events *events = &cursor->source->events;
	struct replay_image *image = cursor->image;
	do {
		uint32_t end = end_of_stretch(cursor);
		if (!reserve((void **)&image->threads, &image->thread_capacity,
			     (size_t)cursor->thread, sizeof(*image->threads)))
			return false;
		struct replay_thread *thread = &image->threads[cursor->thread];
		move_time(replay, cursor->time_us);
		replay->event_count += end - cursor->event;
		for (; cursor->event < end; cursor->event++) {
			uint32_t ahead = cursor->event + PREFETCH_EVENTS;
			if (ahead < end && events->slots[ahead] < image->block_capacity)
				__builtin_prefetch(&image->blocks[events->slots[ahead]]);
			if (!apply(replay, cursor, thread))
				return false;
		}
		take_changes(cursor);
	} while (cursor->event < events->count && cursor->time_us <= until_us);
	return true;
}

static bool is_done(const struct cursor *cursor)
{
	return cursor->event >= cursor->source->events.count;
}

/* The cursor whose time is least; one that waits for an earlier one of its image has no turn. */
static struct cursor *choose(struct cursor *cursors, size_t count, uint64_t *ret_until_us)
{
	struct cursor *first = NULL;
	*ret_until_us = UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		bool must_wait = is_done(&cursors[i]);
		for (size_t j = 0; j < i && !must_wait; j++)
			must_wait = cursors[j].image == cursors[i].image && !is_done(&cursors[j]);
		if (must_wait)
			continue;
		if (!first || cursors[i].time_us < first->time_us) {
			*ret_until_us = first ? first->time_us : UINT64_MAX;
			first = &cursors[i];
		} else if (cursors[i].time_us < *ret_until_us) {
			*ret_until_us = cursors[i].time_us;
		}
	}
	return first;
}

enum mt_status replay_run(struct replay *replay, struct replay_source *sources, size_t source_count,
			  struct mt_error *error)
{
	struct cursor *cursors = calloc(source_count + 1, sizeof(*cursors));
	if (!cursors)
		return mt_error_set(error, MT_ERR_NO_MEMORY, NO_MEMORY_TEXT);
	for (size_t i = 0; i < source_count; i++) {
		cursors[i].source = &sources[i];
		cursors[i].image = replay->images[sources[i].image];
		take_changes(&cursors[i]);
	}
	bool has_memory = true;
	uint64_t until_us;
	struct cursor *cursor = choose(cursors, source_count, &until_us);
	for (; cursor && has_memory; cursor = choose(cursors, source_count, &until_us))
		has_memory = run_cursor(replay, cursor, until_us);
	free(cursors);
	return has_memory ? MT_OK : mt_error_set(error, MT_ERR_NO_MEMORY, NO_MEMORY_TEXT);
}

/* What is only needed to replay more events. */
static void drop_tables(struct replay_image *image)
{
	event_state_release(&image->state);
	free(image->blocks);
	free(image->class_costs);
	free(image->weights);
	free(image->threads);
	image->blocks = NULL;
	image->class_costs = NULL;
	image->weights = NULL;
	image->threads = NULL;
	image->block_capacity = 0;
	image->class_capacity = 0;
	image->weight_capacity = 0;
	image->thread_capacity = 0;
}

void replay_end_image(struct replay *replay, uint32_t index, uint64_t time_us)
{
	struct replay_image *image = replay->images[index];
	if (image->has_ended)
		return;
	move_time(replay, time_us);
	/* The last that was seen of it: the heap does not shrink because its process ends. */
	timeline_add(&replay->timeline, replay->now_us, replay->live_bytes,
		     replay->interval_max_bytes);
	stack_costs_settle(&image->costs, replay->mark);
	stack_errors_settle(&image->errors, replay->mark, false);
	replay->live_bytes -= image->totals.live_bytes;
	image->has_ended = true;
	drop_tables(image);
}

void replay_finish(struct replay *replay, uint64_t end_us)
{
	uint32_t living = 0;
	for (uint32_t i = 0; i < replay->image_count; i++)
		living += !replay->images[i]->has_ended;
	if (living > 0) {
		move_time(replay, end_us);
		timeline_add(&replay->timeline, replay->now_us, replay->live_bytes,
			     replay->interval_max_bytes);
	}
	for (uint32_t i = 0; i < replay->image_count; i++) {
		struct replay_image *image = replay->images[i];
		if (!image->has_ended) {
			stack_costs_settle(&image->costs, replay->mark);
			stack_errors_settle(&image->errors, replay->mark, false);
			continue;
		}
		stack_errors_settle(&image->errors, replay->mark, true);
		/* Gone before the last mark: no part in it. */
		for (uint32_t c = 0; c < image->costs.count; c++) {
			struct stack_cost *cost = &image->costs.items[c];
			if (cost->mark != replay->mark) {
				cost->peak_blocks = 0;
				cost->peak_bytes = 0;
			}
		}
	}
}

void replay_release(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->image_count; i++) {
		struct replay_image *image = replay->images[i];
		stack_trie_release(&image->trie);
		stack_costs_release(&image->costs);
		stack_errors_release(&image->errors);
		drop_tables(image);
		free(image);
	}
	free(replay->images);
	*replay = (struct replay){0};
}
