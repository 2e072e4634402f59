/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/checkpoint_fields.h"

#include <stdlib.h>

#include "common/format.h"
#include "reader/replay_block.h"

/* A prediction, or another symbol + 1, next to those of class `class_index`: 0 is none. */
static void put_symbol(struct buffer *fields, uint32_t symbol, uint32_t class_index)
{
	int64_t distance = (int64_t)symbol - 1 - ((int64_t)class_index << EVENT_FORM_BITS);
	buffer_varint(fields, symbol ? 1 + zigzag_encode(distance) : 0);
}

/* returns  false: the state has no such class */
static bool get_symbol(struct byte_reader *payload, const struct event_state *state,
		       uint32_t class_index, uint32_t *ret_symbol)
{
	uint64_t code = byte_reader_varint(payload);
	*ret_symbol = 0;
	if (code == 0)
		return !payload->failed;
	int64_t symbol = zigzag_decode(code - 1) + ((int64_t)class_index << EVENT_FORM_BITS);
	if (payload->failed || symbol < 0 ||
	    symbol >= (int64_t)EVENT_CLASSES_MAX << EVENT_FORM_BITS)
		return false;
	uint32_t form = (uint32_t)symbol & ((1u << EVENT_FORM_BITS) - 1);
	int64_t of_class = symbol >> EVENT_FORM_BITS;
	*ret_symbol = (uint32_t)symbol + 1;
	if (form >= EVENT_FORM_COUNT)
		return false;
	return event_form_is_lone(form) ? of_class == 0 : of_class < state->class_count;
}

static bool get_steady(struct byte_reader *payload, uint8_t *ret_steady)
{
	uint64_t steady = byte_reader_varint(payload);
	*ret_steady = (uint8_t)steady;
	return !payload->failed && steady <= EVENT_STEADY;
}

static void put_locals(struct buffer *fields, const struct event_class *class)
{
	int64_t before = 0;
	buffer_varint(fields, class->used);
	if (class->used == 0)
		return;
	buffer_varint(fields, class->newest);
	buffer_varint(fields, class->last_released);
	buffer_varint(fields, class->again[0]);
	buffer_varint(fields, class->again[1]);
	buffer_varint(fields, class->used - class->live);
	/* In the order in which they will be given out again. */
	for (uint32_t next = class->first_free; next;
	     next = class->locals[next - 1] & ~LOCAL_FREE) {
		buffer_zigzag(fields, (int64_t)next - before);
		before = next;
	}
}

static bool get_locals(struct byte_reader *payload, struct event_class *class,
		       uint64_t *blocks_left)
{
	uint64_t used = byte_reader_varint(payload);
	if (used == 0)
		return !payload->failed;
	uint64_t newest = byte_reader_varint(payload);
	uint64_t last_released = byte_reader_varint(payload);
	uint64_t again = byte_reader_varint(payload);
	uint64_t before = byte_reader_varint(payload);
	uint64_t free_count = byte_reader_varint(payload);
	/* Every local number in use has had an event, and every free one has a byte here. */
	if (payload->failed || used > *blocks_left || newest >= used || last_released >= used ||
	    again >= used || before >= used || free_count >= used ||
	    free_count > byte_reader_left(payload))
		return false;
	*blocks_left -= used;
	class->locals = calloc(used, sizeof(*class->locals));
	if (!class->locals)
		return false;
	class->capacity = (uint32_t)used;
	class->used = (uint32_t)used;
	class->live = (uint32_t)(used - free_count);
	class->newest = (uint32_t)newest;
	class->last_released = (uint32_t)last_released;
	class->again[0] = (uint32_t)again;
	class->again[1] = (uint32_t)before;
	uint32_t *link = &class->first_free;
	uint32_t flag = 0;
	int64_t next = 0;
	for (uint64_t i = 0; i < free_count; i++) {
		next += byte_reader_zigzag(payload);
		if (payload->failed || next < 1 || next > (int64_t)used ||
		    class->locals[next - 1] & LOCAL_FREE)
			return false;
		*link = (uint32_t)next | flag;
		link = &class->locals[next - 1];
		*link = LOCAL_FREE;
		flag = LOCAL_FREE;
	}
	return true;
}

void checkpoint_put_state(const struct event_state *state, uint32_t node_count,
			  struct buffer *fields)
{
	buffer_varint(fields, REPLAY_STATE);
	buffer_varint(fields, state->class_count);
	buffer_varint(fields, node_count);
	for (size_t i = 0; i < 8; i++) {
		const struct event_lone *lone = &state->lone[i];
		buffer_varint(fields, lone->steady);
		put_symbol(fields, lone->guess, 0);
		for (size_t g = 0; g < EVENT_GUESSES - 1; g++)
			put_symbol(fields, lone->others[g], 0);
	}
	buffer_varint(fields, state->thread_capacity);
	for (uint32_t i = 0; i < state->thread_capacity; i++) {
		put_symbol(fields, state->threads[i].previous, 0);
		buffer_varint(fields, state->threads[i].moving);
	}
	for (size_t p = 0; p < 2; p++)
		for (uint32_t i = 0; i < state->class_count; i++)
			put_symbol(fields, state->classes[i].guess[p], i);
	for (size_t p = 0; p < 2; p++)
		for (size_t g = 0; g < EVENT_GUESSES - 1; g++)
			for (uint32_t i = 0; i < state->class_count; i++)
				put_symbol(fields, state->classes[i].others[p][g], i);
	for (size_t p = 0; p < 2; p++)
		for (uint32_t i = 0; i < state->class_count; i++)
			buffer_varint(fields, state->classes[i].steady[p]);
	for (uint32_t i = 0; i < state->class_count; i++)
		buffer_zigzag(fields, state->classes[i].nearness);
	for (uint32_t i = 0; i < state->class_count; i++)
		put_locals(fields, &state->classes[i]);
}

static bool get_threads(struct byte_reader *payload, struct event_state *state)
{
	uint64_t count = byte_reader_varint(payload);
	bool is_good = !payload->failed && count <= byte_reader_left(payload);
	for (uint64_t i = 0; i < count && is_good; i++) {
		struct event_thread *thread = event_state_thread(state, (uint32_t)i);
		if (!thread)
			return false;
		is_good = get_symbol(payload, state, 0, &thread->previous);
		uint64_t moving = byte_reader_varint(payload);
		is_good &= moving <= state->class_count;
		thread->moving = (uint32_t)moving;
	}
	return is_good;
}

bool checkpoint_get_state(struct byte_reader *payload, struct event_state *state,
			  uint64_t blocks_max)
{
	bool is_good = true;
	for (size_t i = 0; i < 8; i++) {
		struct event_lone *lone = &state->lone[i];
		is_good &= get_steady(payload, &lone->steady);
		is_good &= get_symbol(payload, state, 0, &lone->guess);
		for (size_t g = 0; g < EVENT_GUESSES - 1; g++)
			is_good &= get_symbol(payload, state, 0, &lone->others[g]);
	}
	is_good = is_good && get_threads(payload, state);
	for (size_t p = 0; p < 2; p++)
		for (uint32_t i = 0; i < state->class_count && is_good; i++)
			is_good = get_symbol(payload, state, i, &state->classes[i].guess[p]);
	for (size_t p = 0; p < 2; p++)
		for (size_t g = 0; g < EVENT_GUESSES - 1; g++)
			for (uint32_t i = 0; i < state->class_count && is_good; i++)
				is_good = get_symbol(payload, state, i,
						     &state->classes[i].others[p][g]);
	for (size_t p = 0; p < 2; p++)
		for (uint32_t i = 0; i < state->class_count && is_good; i++)
			is_good = get_steady(payload, &state->classes[i].steady[p]);
	for (uint32_t i = 0; i < state->class_count && is_good; i++) {
		int64_t nearness = byte_reader_zigzag(payload);
		is_good = nearness >= -EVENT_NEARNESS_MAX && nearness <= EVENT_NEARNESS_MAX;
		state->classes[i].nearness = (int8_t)nearness;
	}
	for (uint32_t i = 0; i < state->class_count && is_good; i++)
		is_good = get_locals(payload, &state->classes[i], &blocks_max);
	return is_good && !payload->failed && payload->at == payload->end;
}

/* Runs of blocks of one thread, in the order of classes and local numbers. */
struct thread_runs {
	struct buffer *fields;
	uint64_t length;
	uint32_t thread;
	uint32_t before;
};

static void end_run(struct thread_runs *runs)
{
	if (runs->length == 0)
		return;
	buffer_varint(runs->fields, runs->length);
	buffer_zigzag(runs->fields, (int64_t)runs->thread - (int64_t)runs->before);
	runs->before = runs->thread;
	runs->length = 0;
}

void checkpoint_put_live(const struct replay_image *image, struct buffer *fields)
{
	struct thread_runs runs = {.fields = fields};
	int64_t born = image->born;
	buffer_varint(fields, REPLAY_LIVE);
	buffer_varint(fields, image->born);
	buffer_varint(fields, image->thread_capacity);
	for (uint32_t i = 0; i < image->thread_capacity; i++) {
		const struct replay_thread *thread = &image->threads[i];
		buffer_varint(fields, thread->is_moving ? thread->moving.born : 0);
		if (!thread->is_moving || !thread->moving.born)
			continue;
		buffer_varint(fields, thread->moving_class);
		buffer_varint(fields, image->costs.items[thread->moving.cost].thread);
		buffer_varint(fields, thread->moved_us);
	}
	for (uint32_t c = 0; c < image->class_count; c++) {
		const struct replay_class *class = &image->classes[c];
		for (uint32_t local = 0; local < class->used; local++) {
			const struct replay_block *block = &class->blocks[local];
			if (block->cost == STACK_COST_NONE)
				continue;
			uint32_t thread = image->costs.items[block->cost].thread;
			if (runs.length && thread != runs.thread)
				end_run(&runs);
			runs.thread = thread;
			runs.length++;
		}
	}
	end_run(&runs);
	/* What sampled blocks stand for depends on their numbers. */
	for (uint32_t c = 0; c < image->class_count; c++) {
		const struct replay_class *class = &image->classes[c];
		for (uint32_t local = 0; class->weight && local < class->used; local++) {
			if (class->blocks[local].cost == STACK_COST_NONE)
				continue;
			buffer_zigzag(fields, (int64_t) class->blocks[local].born - born);
			born = class->blocks[local].born;
		}
	}
}

/* What is read of a run, while blocks are restored. */
struct run_reader {
	struct byte_reader *payload;
	uint64_t length;
	int64_t thread;
};

static bool next_thread(struct run_reader *runs, uint32_t *ret_thread)
{
	if (runs->length == 0) {
		runs->length = byte_reader_varint(runs->payload);
		runs->thread += byte_reader_zigzag(runs->payload);
		if (runs->payload->failed || runs->length == 0 || runs->thread < 0 ||
		    runs->thread >= (int64_t)LIMIT_THREADS)
			return false;
	}
	runs->length--;
	*ret_thread = (uint32_t)runs->thread;
	return true;
}

static bool get_blocks(struct byte_reader *payload, struct replay *replay,
		       struct replay_image *image)
{
	struct run_reader runs = {.payload = payload};
	uint32_t thread;
	for (uint32_t c = 0; c < image->class_count; c++) {
		const struct event_class *class = &image->state.classes[c];
		if (!replay_restore_class(image, c, class->used))
			return false;
		for (uint32_t local = 0; local < class->used; local++) {
			if (!event_class_is_live(class, local))
				continue;
			if (!next_thread(&runs, &thread) ||
			    !replay_restore_block(replay, image, c, local, thread))
				return false;
		}
	}
	return runs.length == 0;
}

static bool get_numbers(struct byte_reader *payload, struct replay_image *image)
{
	int64_t born = image->born;
	for (uint32_t c = 0; c < image->class_count; c++) {
		struct replay_class *class = &image->classes[c];
		for (uint32_t local = 0; class->weight && local < class->used; local++) {
			if (class->blocks[local].cost == STACK_COST_NONE)
				continue;
			born += byte_reader_zigzag(payload);
			class->blocks[local].born = (uint32_t)born;
		}
	}
	return !payload->failed && payload->at == payload->end;
}

/* The block that a realloc had released, if it has not ended. */
static bool get_moving(struct byte_reader *payload, struct replay *replay,
		       struct replay_image *image, uint32_t index)
{
	uint64_t born = byte_reader_varint(payload);
	struct replay_thread *thread = replay_thread(image, index);
	if (payload->failed || born > UINT32_MAX || !thread)
		return false;
	if (!born)
		return true;
	uint64_t class_index = byte_reader_varint(payload);
	uint64_t of_thread = byte_reader_varint(payload);
	thread->moved_us = byte_reader_varint(payload);
	if (payload->failed || class_index >= image->class_count || of_thread >= LIMIT_THREADS)
		return false;
	thread->is_moving = true;
	thread->moving_class = (uint32_t)class_index;
	thread->moving.born = (uint32_t)born;
	thread->moving.cost = replay_find_cost(replay, image, (uint32_t)class_index,
					       (uint32_t)of_thread);
	return thread->moving.cost != STACK_COST_NONE;
}

bool checkpoint_get_live(struct byte_reader *payload, struct replay *replay,
			 struct replay_image *image)
{
	uint64_t born = byte_reader_varint(payload);
	uint64_t thread_count = byte_reader_varint(payload);
	if (payload->failed || born > UINT32_MAX || thread_count > byte_reader_left(payload) ||
	    thread_count > LIMIT_THREADS)
		return false;
	image->born = (uint32_t)born;
	for (uint32_t i = 0; i < thread_count; i++)
		if (!get_moving(payload, replay, image, i))
			return false;
	return get_blocks(payload, replay, image) && get_numbers(payload, image) &&
	       replay_count_restored(replay, image);
}

void checkpoint_put_classes(const struct replay_image *image, uint32_t first, struct buffer *fields)
{
	int64_t stack = 0;
	buffer_varint(fields, REPLAY_CLASSES);
	buffer_varint(fields, first);
	buffer_varint(fields, image->class_count - first);
	for (uint32_t i = first; i < image->class_count; i++) {
		const struct replay_class *class = &image->classes[i];
		uint64_t interval_bytes = class->weight
						  ? image->weights[class->weight - 1].interval_bytes
						  : 0;
		buffer_varint(fields, class->kind);
		buffer_zigzag(fields, (int64_t) class->stack - stack);
		buffer_varint(fields, class->size_bytes);
		buffer_varint(fields, interval_bytes);
		stack = class->stack;
	}
}

enum mt_status checkpoint_get_classes(struct byte_reader *payload, struct replay_image *image,
				      uint32_t wanted, struct mt_error *error)
{
	uint64_t first = byte_reader_varint(payload);
	uint64_t count = byte_reader_varint(payload);
	int64_t stack = 0;
	if (payload->failed || count > byte_reader_left(payload))
		return mt_error_set(error, MT_ERR_CORRUPT, "bad classes in the log");
	for (uint64_t i = first; i < first + count && i < wanted; i++) {
		struct event_class class = {.kind = (uint8_t)byte_reader_varint(payload)};
		stack += byte_reader_zigzag(payload);
		class.size_bytes = byte_reader_varint(payload);
		class.interval_bytes = byte_reader_varint(payload);
		class.stack = (uint32_t)stack;
		const struct decoded_class identity = {.size_bytes = class.size_bytes,
						       .interval_bytes = class.interval_bytes,
						       .stack = class.stack,
						       .kind = class.kind};
		if (payload->failed || i != image->class_count ||
		    class.kind >= ALLOCATION_KIND_COUNT || stack < 0 ||
		    stack >= image->trie.node_count)
			return mt_error_set(error, MT_ERR_CORRUPT, "bad classes in the log");
		if (event_state_add_class(&image->state, &class) == EVENT_NONE ||
		    !replay_add_class(image, &identity))
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
	}
	return MT_OK;
}
