/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/replay.h"

#include <stdlib.h>

#include "common/format.h"

#define NO_MEMORY_TEXT "no memory to replay the log"

/* How far ahead of the event being replayed its class, its block and its cost are fetched. */
#define PREFETCH_CLASS 48u
#define PREFETCH_BLOCK 28u
#define PREFETCH_COST 12u

void replay_init(struct replay *replay)
{
	*replay = (struct replay){
		.temporary_window = 1,
		.piece_end_us = UINT64_MAX,
		.until_us = UINT64_MAX,
	};
}

bool replay_add_image(struct replay *replay, uint32_t index, struct replay_image *taken_image,
		      bool is_forked)
{
	bool is_good = taken_image && index == replay->image_count;
	if (is_good && (index & (index + 1)) == 0) {
		struct replay_image **grown = realloc(
			replay->images, ((size_t)index + 1) * 2 * sizeof(struct replay_image *));
		if (grown)
			replay->images = grown;
		is_good = grown != NULL;
	}
	if (!is_good) {
		replay_image_free(taken_image);
		return false;
	}
	taken_image->index = index;
	taken_image->is_forked = is_forked;
	replay->images[replay->image_count++] = taken_image;
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

/* The image whose events are being replayed, and the thread whose they are. */
struct cursor {
	struct replay_source *source;
	struct replay_image *image;
	struct replay_thread *thread;
	uint32_t thread_index;
	uint32_t event;
	uint32_t next_thread; /* changes used up */
	uint32_t next_time;
	uint64_t thread_value;
	uint64_t time_us;
};

static const struct sample_weight *weight_of(const struct replay_image *image,
					     const struct replay_class *class)
{
	return class->weight ? &image->weights[class->weight - 1].weight : NULL;
}

static inline bool is_of_pool(const struct replay_class *class)
{
	return class->kind == ALLOCATION_POOL;
}

/* Blocks of the program's own pools lie in memory that is the heap's already: counted apart. */
static inline struct replay_totals *totals_of(struct replay_image *image,
					      const struct replay_class *class)
{
	return is_of_pool(class) ? &image->pool_totals : &image->totals;
}

/* The uncertainty of a sampled block, as it comes to life. returns false: no memory */
static bool count_error_in(struct replay *replay, struct replay_image *image,
			   const struct replay_class *class, const struct replay_block *block)
{
	struct stack_error *error = stack_errors_entry(&image->errors, block->cost);
	if (!error)
		return false;
	stack_error_add(error, weight_of(image, class), replay->mark);
	return true;
}

static inline bool count_in(struct replay *replay, struct replay_image *image,
			    const struct replay_class *class, const struct replay_block *block,
			    const struct block_figures *figures)
{
	if (class->weight && !count_error_in(replay, image, class, block))
		return false;
	struct stack_cost *cost = &image->costs.items[block->cost];
	stack_cost_touch(cost, replay->mark);
	cost->live_blocks += figures->count;
	cost->live_bytes += figures->bytes;
	struct replay_totals *totals = totals_of(image, class);
	totals->live_blocks += figures->count;
	totals->live_bytes += figures->bytes;
	if (is_of_pool(class))
		return true;
	replay->live_bytes += figures->bytes;
	note_growth(replay, image);
	return true;
}

static inline void count_out(struct replay *replay, struct replay_image *image,
			     const struct replay_class *class, const struct replay_block *block,
			     const struct block_figures *figures)
{
	if (class->weight) /* the entry is there since the block was counted in */
		stack_error_take(&image->errors.items[block->cost], weight_of(image, class),
				 replay->mark);
	struct stack_cost *cost = &image->costs.items[block->cost];
	stack_cost_touch(cost, replay->mark);
	cost->live_blocks -= figures->count;
	cost->live_bytes -= figures->bytes;
	struct replay_totals *totals = totals_of(image, class);
	totals->live_blocks -= figures->count;
	totals->live_bytes -= figures->bytes;
	if (!is_of_pool(class))
		replay->live_bytes -= figures->bytes;
}

/* A block is found to be live without an event. returns false: no memory */
static bool count_live(struct replay *replay, struct replay_image *image, uint32_t class_index,
		       const struct replay_block *block)
{
	const struct replay_class *class = &image->classes[class_index];
	struct block_figures figures = replay_figures(image, class, block->born);
	return count_in(replay, image, class, block, &figures);
}

/* A class has its first block of all. */
static void note_interval(struct replay *replay, const struct replay_image *image,
			  struct replay_class *class)
{
	uint64_t interval_bytes = class->weight ? image->weights[class->weight - 1].interval_bytes
						: 0;
	class->was_used = true;
	if (interval_bytes && replay->largest_interval == 0)
		replay->exact_until_us = replay->now_us;
	if (interval_bytes > replay->largest_interval)
		replay->largest_interval = interval_bytes;
	replay->was_exact |= interval_bytes == 0 && !is_of_pool(class);
}

/* The cost entry for blocks of a class that a thread makes. returns STACK_COST_NONE: no memory */
static uint32_t make_cost(struct replay *replay, struct replay_image *image,
			  struct replay_class *class, uint32_t thread)
{
	uint32_t count = image->costs.count;
	uint32_t slot = thread % REPLAY_CLASS_COSTS;
	if (!class->was_used)
		note_interval(replay, image, class);
	uint32_t cost = stack_costs_entry(&image->costs, class->stack, thread, class->kind);
	if (cost == STACK_COST_NONE)
		return cost;
	replay->generations.cost_count += image->costs.count - count;
	class->costs[slot] = (struct class_cost){.thread = thread + 1, .cost = cost};
	return cost;
}

static inline uint32_t find_cost(struct replay *replay, struct replay_image *image,
				 struct replay_class *class, uint32_t thread)
{
	const struct class_cost *known = &class->costs[thread % REPLAY_CLASS_COSTS];
	return known->thread == thread + 1 ? known->cost : make_cost(replay, image, class, thread);
}

/* Notes an allocation among the thread's last ones. returns false: no memory */
static bool note_recent(const struct replay *replay, struct replay_thread *thread, uint32_t born)
{
	if (!thread->recent) {
		thread->recent = malloc(replay->temporary_window * sizeof(*thread->recent));
		if (!thread->recent)
			return false;
	}
	thread->recent[thread->recent_next] = born;
	if (++thread->recent_next == replay->temporary_window)
		thread->recent_next = 0;
	if (thread->recent_count < replay->temporary_window)
		thread->recent_count++;
	return true;
}

/* Of blocks that the thread made itself: this one is among its last allocations. */
static bool is_recent(const struct replay *replay, const struct replay_thread *thread,
		      uint32_t born)
{
	/* The ring is full, or all of the thread's allocations are in it. */
	return thread->recent_count < replay->temporary_window ||
	       (int32_t)(born - thread->recent[thread->recent_next]) >= 0;
}

static bool allocate(struct replay *replay, struct cursor *cursor,
		     const struct decoded_event *event)
{
	struct replay_image *image = cursor->image;
	struct replay_class *class = &image->classes[event->symbol >> 3];
	uint32_t cost_index = find_cost(replay, image, class, cursor->thread_index);
	if (cost_index == STACK_COST_NONE)
		return false;
	struct replay_block *block = replay_class_put(class, event->local,
						      &(struct replay_block){
							      .born_us = replay->now_us,
							      .cost = cost_index,
							      .born = ++image->born,
						      });
	if (!block || (!is_of_pool(class) && !note_recent(replay, cursor->thread, block->born)))
		return false;
	struct block_figures figures = replay_figures(image, class, block->born);
	struct stack_cost *cost = &image->costs.items[cost_index];
	cost->allocations += figures.count;
	cost->allocated_bytes += figures.bytes;
	totals_of(image, class)->allocations += figures.count;
	totals_of(image, class)->allocated_bytes += figures.bytes;
	if (!count_in(replay, image, class, block, &figures))
		return false;
	if (class->weight)
		stack_error_note(&image->errors.items[cost_index], weight_of(image, class));
	return true;
}

/* A block's end in the histogram of its cost; `times` is -1 to take it back. */
static bool note_lifetime(struct replay_image *image, const struct replay_block *block,
			  uint64_t end_us, int64_t times)
{
	if (end_us == block->born_us) {
		image->costs.items[block->cost].short_lived += (uint64_t)times;
		return true;
	}
	struct lifetime_histogram *histogram = lifetimes_entry(&image->lifetimes, block->cost);
	if (!histogram)
		return false;
	histogram->counts[lifetime_bucket(end_us - block->born_us)] += (uint64_t)times;
	return true;
}

static struct ended_block ended_block(const struct replay_image *image,
				      const struct replay_block *block, uint64_t died_us,
				      const struct block_figures *figures)
{
	return (struct ended_block){
		.image = image->index,
		.cost = block->cost,
		.born_us = block->born_us,
		.died_us = died_us,
		.blocks = figures->count,
		.bytes = figures->bytes,
	};
}

static bool end_block(struct replay *replay, struct cursor *cursor,
		      const struct decoded_event *event)
{
	struct replay_image *image = cursor->image;
	struct replay_class *class = &image->classes[event->symbol >> 3];
	struct replay_block block = class->blocks[event->local];
	enum event_operation operation = decoded_operation(event);
	struct replay_totals *totals = totals_of(image, class);
	struct block_figures figures = replay_figures(image, class, block.born);
	count_out(replay, image, class, &block, &figures);
	replay_class_drop(class, &class->blocks[event->local]);
	if (block.born_us < replay->piece_begin_us) {
		struct ended_block ended = ended_block(image, &block, replay->now_us, &figures);
		if (!generations_add(&replay->generations, &ended))
			return false;
	}
	if (operation == EVENT_LOST) {
		image->totals.overwritten++; /* and nobody knows since when it is gone */
		return true;
	}
	totals->deallocations += figures.count;
	if (operation == EVENT_MOVE_BEGIN) {
		totals->reallocations += figures.count;
		cursor->thread->moving = block;
		cursor->thread->moved_us = replay->now_us;
		cursor->thread->moving_class = event->symbol >> 3;
	} else if (!is_of_pool(class) &&
		   image->costs.items[block.cost].thread == cursor->thread_index &&
		   is_recent(replay, cursor->thread, block.born)) {
		image->costs.items[block.cost].temporary += figures.count;
		totals->temporary += figures.count;
	}
	return note_lifetime(image, &block, replay->now_us, (int64_t)figures.count);
}

/*
 * Two events make a block and release it at once, in a heap that has been larger than with it: only
 * what was allocated changes.
 */
static bool is_pair(const struct replay *replay, const struct cursor *cursor,
		    const struct decoded_event *event)
{
	const struct replay_image *image = cursor->image;
	if (decoded_operation(event) != EVENT_ALLOCATE ||
	    event[1].symbol != (event->symbol | EVENT_RELEASE) || event[1].local != event->local)
		return false;
	const struct replay_class *class = &image->classes[event->symbol >> 3];
	return class->weight == 0 && !is_of_pool(class) &&
	       (event->local < class->used || class->live == 0) &&
	       replay->live_bytes + class->size_bytes <= replay->interval_max_bytes &&
	       image->totals.live_bytes + class->size_bytes <= image->totals.peak_bytes;
}

/* returns  false: no memory */
static bool apply_pair(struct replay *replay, struct cursor *cursor,
		       const struct decoded_event *event)
{
	struct replay_image *image = cursor->image;
	struct replay_class *class = &image->classes[event->symbol >> 3];
	uint32_t cost_index = find_cost(replay, image, class, cursor->thread_index);
	if (cost_index == STACK_COST_NONE || !note_recent(replay, cursor->thread, ++image->born))
		return false;
	struct stack_cost *cost = &image->costs.items[cost_index];
	cost->allocations++;
	cost->allocated_bytes += class->size_bytes;
	cost->temporary++;
	cost->short_lived++;
	image->totals.allocations++;
	image->totals.allocated_bytes += class->size_bytes;
	image->totals.deallocations++;
	image->totals.temporary++;
	cursor->thread->is_moving = false;
	return true;
}

/* A realloc has failed: its block is live again, as if it had not been released. */
static bool undo_move(struct replay *replay, struct cursor *cursor,
		      const struct decoded_event *event)
{
	struct replay_image *image = cursor->image;
	struct replay_class *class = &image->classes[event->symbol >> 3];
	const struct replay_block *moving = &cursor->thread->moving;
	uint64_t moved_us = cursor->thread->moved_us;
	struct block_figures figures = replay_figures(image, class, moving->born);
	if (replay->generations.piece_us) {
		struct ended_block ended = ended_block(image, moving, moved_us, &figures);
		if (!generations_take(&replay->generations, &ended))
			return false;
	}
	totals_of(image, class)->deallocations -= figures.count;
	totals_of(image, class)->reallocations -= figures.count;
	return replay_class_put(class, event->local, moving) &&
	       note_lifetime(image, moving, moved_us, -(int64_t)figures.count) &&
	       count_in(replay, image, class, moving, &figures);
}

static inline bool apply(struct replay *replay, struct cursor *cursor,
			 const struct decoded_event *event)
{
	struct replay_totals *totals = &cursor->image->totals;
	enum event_operation operation = decoded_operation(event);
	if (operation != EVENT_LOST) /* it is part of what comes next */
		cursor->thread->is_moving = operation == EVENT_MOVE_BEGIN;
	switch (operation) {
	case EVENT_ALLOCATE:
	case EVENT_MOVE_END:
		return allocate(replay, cursor, event);
	case EVENT_RELEASE:
	case EVENT_MOVE_BEGIN:
	case EVENT_LOST:
		return end_block(replay, cursor, event);
	case EVENT_MOVE_FAILED:
		return undo_move(replay, cursor, event);
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
				   &cursor->thread_value);
	(void)event_changes_follow(&events->times, cursor->event, &cursor->next_time,
				   &cursor->time_us);
}

/* Number of the first event after which thread or time is another. */
static uint32_t end_of_stretch(const struct cursor *cursor)
{
	const struct decoded_events *events = &cursor->source->events;
	uint32_t end = event_changes_next(&events->threads, cursor->next_thread, events->count);
	return event_changes_next(&events->times, cursor->next_time, end);
}

/* The blocks of an ended image as generations: they went with it, or (if nothing came after its
 * end) were there to the last. */
static bool add_generations(struct replay *replay, const struct replay_image *image,
			    bool is_immortal)
{
	if (!replay->generations.piece_us)
		return true;
	for (uint32_t c = 0; c < image->class_count; c++) {
		const struct replay_class *class = &image->classes[c];
		for (uint32_t local = 0; local < class->used; local++) {
			const struct replay_block *block = &class->blocks[local];
			if (block->cost == STACK_COST_NONE)
				continue;
			struct block_figures figures = replay_figures(image, class, block->born);
			struct ended_block ended = ended_block(image, block, image->end_us,
							       &figures);
			ended.is_immortal = is_immortal;
			if (!generations_add(&replay->generations, &ended))
				return false;
		}
	}
	return true;
}

/* The time moves on: what was the end of the last image is not the recording's. */
static bool bury_images(struct replay *replay)
{
	bool has_memory = true;
	for (uint32_t i = 0; i < replay->image_count && replay->ending_count > 0; i++) {
		struct replay_image *image = replay->images[i];
		if (!image->has_ended || !image->has_tables)
			continue;
		has_memory &= add_generations(replay, image, false);
		replay_image_drop_tables(image);
		replay->ending_count--;
	}
	return has_memory;
}

/* returns  false: no memory */
static bool begin_piece(struct replay *replay)
{
	struct generations *generations = &replay->generations;
	if (!generations->piece_us)
		return true;
	if (!generations_reach(generations, replay->now_us))
		return false;
	uint64_t piece = generations_piece(generations, replay->now_us);
	replay->piece_begin_us = piece * generations->piece_us;
	bool is_last = !generations->is_open && piece + 1 == generations->piece_count;
	replay->piece_end_us = is_last ? UINT64_MAX
				       : replay->piece_begin_us + generations->piece_us;
	return true;
}

bool replay_begin_pieces(struct replay *replay)
{
	return begin_piece(replay);
}

void replay_forget_allocations(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->image_count; i++) {
		struct stack_costs *costs = &replay->images[i]->costs;
		for (uint32_t c = 0; c < costs->count; c++) {
			costs->items[c].allocations = 0;
			costs->items[c].allocated_bytes = 0;
		}
	}
}

/* returns  false: no memory */
static bool move_time(struct replay *replay, uint64_t time_us)
{
	if (time_us <= replay->now_us)
		return true;
	if (time_us > replay->until_us) {
		replay->is_over = true;
		return true;
	}
	timeline_add(&replay->timeline, replay->now_us, replay->live_bytes,
		     replay->interval_max_bytes);
	if (replay->now_us < replay->from_us && time_us >= replay->from_us)
		replay_forget_allocations(replay);
	replay->interval_max_bytes = replay->live_bytes;
	replay->now_us = time_us;
	bool has_memory = replay->ending_count == 0 || bury_images(replay);
	if (time_us >= replay->piece_end_us)
		has_memory &= begin_piece(replay);
	return has_memory;
}

/* Always inline: gcc leaves out calls of a function that only fetches ahead. */
static inline __attribute__((always_inline)) void
prefetch(const struct replay_image *image, const struct decoded_event *event, uint32_t thread)
{
	__builtin_prefetch(&image->classes[event[PREFETCH_CLASS].symbol >> 3]);
	const struct decoded_event *nearer = &event[PREFETCH_BLOCK];
	uintptr_t blocks = (uintptr_t)image->classes[nearer->symbol >> 3].blocks;
	/* The table may be another by then, or end before: nothing is read. */
	__builtin_prefetch((const void *)(blocks + nearer->local * sizeof(struct replay_block)));
	const struct decoded_event *next = &event[PREFETCH_COST];
	const struct replay_class *class = &image->classes[next->symbol >> 3];
	uint32_t cost = class->costs[thread % REPLAY_CLASS_COSTS].cost;
	if (!event_makes_block(decoded_operation(next)) && next->local < class->used)
		cost = class->blocks[next->local].cost;
	uintptr_t items = (uintptr_t)image->costs.items +
			  (uintptr_t)cost * sizeof(struct stack_cost);
	__builtin_prefetch((const void *)items);
	__builtin_prefetch((const void *)(items + sizeof(struct stack_cost) - 1));
}

/* Replays events of one thread and time. returns false: no memory */
static bool run_stretch(struct replay *replay, struct cursor *cursor, uint32_t end)
{
	const struct decoded_event *items = cursor->source->events.items;
	/* An event without a class has the number of the first, which there need not be. */
	uint32_t ahead = cursor->image->class_count ? cursor->source->events.count : 0;
	replay->event_count += end - cursor->event;
	for (; cursor->event < end; cursor->event++) {
		if (cursor->event + PREFETCH_CLASS < ahead)
			prefetch(cursor->image, &items[cursor->event], cursor->thread_index);
		const struct decoded_event *event = &items[cursor->event];
		if (cursor->event + 1 < end && is_pair(replay, cursor, event)) {
			cursor->event++;
			if (!apply_pair(replay, cursor, event))
				return false;
		} else if (!apply(replay, cursor, event)) {
			return false;
		}
	}
	return true;
}

/* Replays events up to `until_us`, at least one stretch. returns false: no memory */
static bool run_cursor(struct replay *replay, struct cursor *cursor, uint64_t until_us)
{
	const struct decoded_events *events = &cursor->source->events;
	do {
		if (!move_time(replay, cursor->time_us))
			return false;
		if (replay->is_over)
			return true;
		cursor->thread_index = (uint32_t)cursor->thread_value;
		cursor->thread = replay_thread(cursor->image, cursor->thread_index);
		if (!cursor->thread || !run_stretch(replay, cursor, end_of_stretch(cursor)))
			return false;
		take_changes(cursor);
	} while (cursor->event < events->count && cursor->time_us <= until_us);
	return true;
}

/* The thread's realloc was under way when the replay was over, and may have failed. */
static bool is_awaited(const struct replay *replay, const struct replay_thread *thread)
{
	return thread->is_moving && !thread->is_undone &&
	       replay->until_us - thread->moved_us < REPLAY_MOVE_US;
}

bool replay_awaits_moves(const struct replay *replay)
{
	for (uint32_t i = 0; i < replay->image_count; i++) {
		const struct replay_image *image = replay->images[i];
		for (uint32_t t = 0; t < image->thread_capacity; t++)
			if (is_awaited(replay, &image->threads[t]))
				return true;
	}
	return false;
}

/* Looks for the ends of reallocs in events that are not replayed any more. */
static bool await_moves(struct replay *replay, struct cursor *cursor)
{
	const struct decoded_events *events = &cursor->source->events;
	struct replay_image *image = cursor->image;
	for (; cursor->event < events->count; cursor->event++) {
		const struct decoded_event *event = &events->items[cursor->event];
		take_changes(cursor);
		if (cursor->thread_value >= image->thread_capacity ||
		    decoded_operation(event) == EVENT_LOST)
			continue;
		struct replay_thread *thread = &image->threads[cursor->thread_value];
		if (!is_awaited(replay, thread))
			continue;
		thread->is_undone = decoded_operation(event) == EVENT_MOVE_FAILED;
		thread->is_moving = thread->is_undone;
		/* Its place among the blocks may be another's: it is counted, and stays here. */
		if (thread->is_undone &&
		    !count_live(replay, image, thread->moving_class, &thread->moving))
			return false;
	}
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

static bool add_classes(struct replay_image *image, const struct decoded_events *events)
{
	for (uint32_t i = 0; i < events->class_count; i++)
		if (!replay_add_class(image, &events->classes[i]))
			return false;
	return true;
}

enum mt_status replay_run(struct replay *replay, struct replay_source *sources, size_t source_count,
			  struct mt_error *error)
{
	struct cursor *cursors = calloc(source_count + 1, sizeof(*cursors));
	bool has_memory = cursors != NULL;
	for (size_t i = 0; i < source_count && has_memory; i++) {
		cursors[i].source = &sources[i];
		cursors[i].image = replay->images[sources[i].image];
		take_changes(&cursors[i]);
		has_memory = add_classes(cursors[i].image, &sources[i].events);
	}
	while (has_memory && !replay->is_over) {
		uint64_t until_us;
		struct cursor *cursor = choose(cursors, source_count, &until_us);
		if (!cursor)
			break;
		has_memory = run_cursor(replay, cursor, until_us);
	}
	for (size_t i = 0; i < source_count && has_memory && replay->is_over; i++)
		has_memory = await_moves(replay, &cursors[i]);
	free(cursors);
	return has_memory ? MT_OK : mt_error_set(error, MT_ERR_NO_MEMORY, NO_MEMORY_TEXT);
}

bool replay_restore_block(struct replay *replay, struct replay_image *image, uint32_t class_index,
			  uint32_t local, uint32_t thread)
{
	struct replay_class *class = &image->classes[class_index];
	uint32_t cost = find_cost(replay, image, class, thread);
	class->blocks[local].cost = cost;
	class->live++;
	return cost != STACK_COST_NONE;
}

uint32_t replay_find_cost(struct replay *replay, struct replay_image *image, uint32_t class_index,
			  uint32_t thread)
{
	return find_cost(replay, image, &image->classes[class_index], thread);
}

bool replay_count_restored(struct replay *replay, struct replay_image *image)
{
	for (uint32_t c = 0; c < image->class_count; c++) {
		const struct replay_class *class = &image->classes[c];
		for (uint32_t local = 0; local < class->used; local++)
			if (class->blocks[local].cost != STACK_COST_NONE &&
			    !count_live(replay, image, c, &class->blocks[local]))
				return false;
	}
	return true;
}

bool replay_end_image(struct replay *replay, uint32_t index, uint64_t time_us)
{
	struct replay_image *image = replay->images[index];
	if (image->has_ended)
		return true;
	if (!move_time(replay, time_us))
		return false;
	if (replay->is_over)
		return true;
	/* The last that was seen of it: the heap does not shrink because its process ends. */
	timeline_add(&replay->timeline, replay->now_us, replay->live_bytes,
		     replay->interval_max_bytes);
	stack_costs_settle(&image->costs, replay->mark);
	stack_errors_settle(&image->errors, replay->mark, false);
	replay->live_bytes -= image->totals.live_bytes;
	image->has_ended = true;
	image->end_us = replay->now_us;
	replay->ending_count++;
	return true;
}

bool replay_finish(struct replay *replay, uint64_t end_us)
{
	uint32_t living = 0;
	bool has_memory = true;
	for (uint32_t i = 0; i < replay->image_count; i++)
		living += !replay->images[i]->has_ended;
	if (living > 0) {
		has_memory = move_time(replay, end_us);
		timeline_add(&replay->timeline, replay->now_us, replay->live_bytes,
			     replay->interval_max_bytes);
	}
	for (uint32_t i = 0; i < replay->image_count; i++) {
		struct replay_image *image = replay->images[i];
		if (image->has_tables)
			has_memory &= add_generations(replay, image, true);
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
	if (replay->generations.piece_us)
		has_memory &= generations_finish(&replay->generations);
	replay->last_us = replay->now_us;
	replay->has_details = true;
	return has_memory;
}

void replay_drop_tables(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->image_count; i++)
		replay_image_drop_tables(replay->images[i]);
}

void replay_release(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->image_count; i++)
		replay_image_free(replay->images[i]);
	free(replay->images);
	generations_release(&replay->generations);
	*replay = (struct replay){0};
}
