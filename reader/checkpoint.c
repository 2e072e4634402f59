/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"
#include "common/log/log_writer.h"
#include "reader/loaded_log.h"
#include "reader/log_reader.h"
#include "reader/replay_block.h"

/* A shorter distance is not worth it: so many events are replayed in a tenth of a second. */
#define FIRST_SPACING_EVENTS (2u << 20)

/* What checkpoints may take of a finished log, and what they may take anyway. */
#define BUDGET_SHARE 10u
#define BUDGET_BYTES_MIN (4u << 10)

/* Classes and local numbers cost about a fourth of what an event costs to replay. */
#define COST_SHARE 4u

void checkpoints_init(struct checkpoints *checkpoints, uint64_t log_bytes, uint64_t spacing_events)
{
	*checkpoints = (struct checkpoints){
		.has_no_budget = spacing_events != 0,
		.budget_bytes = spacing_events ? UINT64_MAX : BUDGET_BYTES_MIN,
		.spacing_events = spacing_events ? spacing_events : FIRST_SPACING_EVENTS,
	};
	checkpoints_grow(checkpoints, log_bytes);
}

void checkpoints_grow(struct checkpoints *checkpoints, uint64_t log_bytes)
{
	uint64_t budget_bytes = log_bytes / BUDGET_SHARE;
	if (budget_bytes > checkpoints->budget_bytes)
		checkpoints->budget_bytes = budget_bytes;
}

void checkpoints_release(struct checkpoints *checkpoints)
{
	for (size_t i = 0; i < checkpoints->count; i++)
		buffer_release(&checkpoints->items[i]);
	free(checkpoints->items);
	free(checkpoints->class_counts);
	buffer_release(&checkpoints->classes);
	*checkpoints = (struct checkpoints){0};
}

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

static void put_state(const struct checkpoint_source *source, struct buffer *fields)
{
	const struct event_state *state = source->state;
	buffer_varint(fields, REPLAY_STATE);
	buffer_varint(fields, state->class_count);
	buffer_varint(fields, source->node_count);
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

/* The part behind the numbers of classes and nodes, with the classes in place. */
static bool get_state(struct byte_reader *payload, struct event_state *state, uint64_t blocks_max)
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

bool checkpoint_is_worth_it(const struct checkpoint_source *sources, uint32_t image_count,
			    uint64_t distance_events)
{
	uint64_t items = 0;
	for (uint32_t i = 0; i < image_count && distance_events != UINT64_MAX; i++) {
		const struct event_state *state = sources[i].state;
		items += state ? state->class_count : 0;
		for (uint32_t c = 0; state && c < state->class_count; c++)
			items += state->classes[c].used;
	}
	return distance_events >= items * COST_SHARE;
}

struct checkpoint *checkpoint_new(const struct checkpoint_source *sources, uint32_t image_count,
				  uint64_t next_offset)
{
	struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
	if (!checkpoint)
		return NULL;
	checkpoint->next_offset = next_offset;
	checkpoint->total_images = image_count;
	checkpoint->images = calloc((size_t)image_count + 1, sizeof(*checkpoint->images));
	bool is_good = checkpoint->images != NULL;
	for (uint32_t i = 0; i < image_count && is_good; i++) {
		if (!sources[i].state)
			continue;
		struct checkpoint_image *image = &checkpoint->images[checkpoint->image_count++];
		image->index = i;
		put_state(&sources[i], &image->state);
		is_good = !image->state.failed && image->state.size_bytes <= LIMIT_BLOCK_BYTES;
	}
	if (is_good)
		return checkpoint;
	checkpoint_free(checkpoint);
	return NULL;
}

uint64_t checkpoint_bytes(const struct checkpoint *checkpoint)
{
	uint64_t bytes = checkpoint->image_count * sizeof(*checkpoint->images);
	for (uint32_t i = 0; i < checkpoint->image_count; i++)
		bytes += checkpoint->images[i].state.size_bytes;
	return bytes;
}

void checkpoint_free(struct checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	for (uint32_t i = 0; i < checkpoint->image_count; i++)
		buffer_release(&checkpoint->images[i].state);
	free(checkpoint->images);
	free(checkpoint);
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

static void put_live(const struct replay_image *image, struct buffer *fields)
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

static bool get_live(struct byte_reader *payload, struct replay *replay, struct replay_image *image)
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

static void put_classes(const struct replay_image *image, uint32_t first, struct buffer *fields)
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

/* Adds classes up to `wanted`. */
static enum mt_status get_classes(struct byte_reader *payload, struct replay_image *image,
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

static void add_block(struct log_writer *writer, uint32_t image, uint32_t number, uint64_t now_us,
		      struct buffer *fields)
{
	struct log_block block = {.kind = LOG_BLOCK_REPLAY,
				  .image = image,
				  .item_count = number,
				  .first_us = now_us,
				  .last_us = now_us};
	log_writer_add(writer, &block, fields);
	buffer_clear(fields);
}

/* The classes that have come since the last checkpoint. */
static enum mt_status add_classes(struct checkpoints *checkpoints, const struct replay_image *image,
				  struct mt_error *error)
{
	struct log_writer writer;
	struct buffer fields = {0};
	uint32_t *count = &checkpoints->class_counts[image->index];
	if (*count == image->class_count)
		return MT_OK;
	log_writer_resume_in_memory(&writer);
	put_classes(image, *count, &fields);
	add_block(&writer, image->index, 0, 0, &fields);
	*count = image->class_count;
	enum mt_status status = log_writer_flush(&writer, error);
	struct buffer made = log_writer_take_memory(&writer);
	buffer_append(&checkpoints->classes, made.bytes, made.size_bytes);
	buffer_release(&made);
	buffer_release(&fields);
	log_writer_release(&writer);
	return status;
}

static bool reserve(struct checkpoints *checkpoints, uint32_t image_count)
{
	if (checkpoints->image_capacity < image_count) {
		uint32_t capacity = image_count * 2;
		uint32_t *grown = realloc(checkpoints->class_counts, capacity * sizeof(*grown));
		if (!grown)
			return false;
		memset(grown + checkpoints->image_capacity, 0,
		       (capacity - checkpoints->image_capacity) * sizeof(*grown));
		checkpoints->class_counts = grown;
		checkpoints->image_capacity = capacity;
	}
	if (checkpoints->count == checkpoints->capacity) {
		size_t capacity = checkpoints->capacity * 2 + 16;
		struct buffer *grown = realloc(checkpoints->items, capacity * sizeof(*grown));
		if (!grown)
			return false;
		checkpoints->items = grown;
		checkpoints->capacity = capacity;
	}
	return true;
}

/* Drops every second one, and the distance doubles. */
static void thin_out(struct checkpoints *checkpoints)
{
	size_t kept = 0;
	checkpoints->size_bytes = 0;
	for (size_t i = 0; i < checkpoints->count; i++) {
		if (i % 2 == 0) {
			buffer_release(&checkpoints->items[i]);
			continue;
		}
		checkpoints->size_bytes += checkpoints->items[i].size_bytes;
		checkpoints->items[kept++] = checkpoints->items[i];
	}
	checkpoints->count = kept;
	atomic_store_explicit(&checkpoints->spacing_events, checkpoints_spacing(checkpoints) * 2,
			      memory_order_relaxed);
}

/* The blocks of a checkpoint. `failed`: it can't be stored. */
static struct buffer pack(struct checkpoint *checkpoint, const struct replay *replay,
			  uint32_t number)
{
	struct log_writer writer;
	struct mt_error error;
	struct buffer fields = {0};
	log_writer_resume_in_memory(&writer);
	for (uint32_t i = 0; i < checkpoint->image_count; i++) {
		uint32_t index = checkpoint->images[i].index;
		add_block(&writer, index, number, replay->now_us, &checkpoint->images[i].state);
		put_live(replay->images[index], &fields);
		add_block(&writer, index, number, replay->now_us, &fields);
	}
	buffer_varint(&fields, REPLAY_CHECKPOINT);
	buffer_varint(&fields, checkpoint->next_offset);
	buffer_varint(&fields, checkpoint->total_images);
	buffer_varint(&fields, replay->event_count);
	add_block(&writer, LOG_NO_IMAGE, number, replay->now_us, &fields);
	bool is_good = log_writer_flush(&writer, &error) == MT_OK;
	struct buffer blocks = log_writer_take_memory(&writer);
	blocks.failed |= !is_good;
	buffer_release(&fields);
	log_writer_release(&writer);
	return blocks;
}

enum mt_status checkpoints_add(struct checkpoints *checkpoints, struct checkpoint *checkpoint,
			       const struct replay *replay, struct mt_error *error)
{
	if (!reserve(checkpoints, replay->image_count))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for a checkpoint");
	struct buffer blocks = pack(checkpoint, replay, checkpoints->number + 1);
	if (blocks.failed || blocks.size_bytes > checkpoints->budget_bytes) {
		/* It would be the only one. A smaller one may come. */
		buffer_release(&blocks);
		return MT_OK;
	}
	for (uint32_t i = 0; i < checkpoint->image_count; i++) {
		enum mt_status status = add_classes(
			checkpoints, replay->images[checkpoint->images[i].index], error);
		if (status != MT_OK) {
			buffer_release(&blocks);
			return status;
		}
	}
	checkpoints->number++;
	checkpoints->items[checkpoints->count++] = blocks;
	checkpoints->size_bytes += blocks.size_bytes;
	while (checkpoints->size_bytes + checkpoints->classes.size_bytes >
		       checkpoints->budget_bytes &&
	       checkpoints->count > 1)
		thin_out(checkpoints);
	return MT_OK;
}

void checkpoints_write(const struct checkpoints *checkpoints, struct log_writer *writer)
{
	struct mt_error error;
	/* Our own blocks are whole: only memory can fail, and that is the writer's to say. */
	bool is_good = log_writer_add_blocks(writer, &checkpoints->classes, &error) == MT_OK;
	for (size_t i = 0; i < checkpoints->count && is_good; i++)
		is_good = log_writer_add_blocks(writer, &checkpoints->items[i], &error) == MT_OK;
}

/* What is being restored. */
struct restoring {
	const struct loaded_log *log;
	struct log_reader *reader;
	struct replay *replay;
	uint32_t *class_counts; /* [image_count] of those that have not ended; else 0 */
	uint32_t image_count;
	uint64_t next_offset;
};

static enum mt_status corrupt(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_CORRUPT, "a checkpoint in the log is damaged");
}

/* The next block at the reader's position, which is of kind REPLAY. */
static enum mt_status read_block(struct restoring *restoring, struct log_block *ret_block,
				 struct byte_reader *ret_payload, struct mt_error *error)
{
	int result = log_reader_next(restoring->reader, ret_block, ret_payload, error);
	if (result < 0)
		return (enum mt_status)result;
	return result == 1 && ret_block->kind == LOG_BLOCK_REPLAY ? MT_OK : corrupt(error);
}

/* An image as the checkpoint has it: with as many stack nodes, and not yet any classes. */
static enum mt_status begin_image(struct restoring *restoring, uint32_t index,
				  struct byte_reader *payload, struct mt_error *error)
{
	uint64_t class_count = byte_reader_varint(payload);
	uint64_t node_count = byte_reader_varint(payload);
	const struct replay *known = &restoring->log->replay;
	struct replay *replay = restoring->replay;
	if (payload->failed || index >= known->image_count || index < replay->image_count ||
	    class_count > EVENT_CLASSES_MAX || node_count > known->images[index]->trie.node_count)
		return corrupt(error);
	/* Those between have ended before. */
	while (replay->image_count <= index) {
		const struct replay_image *image = known->images[replay->image_count];
		struct replay_image *twin = replay_image_new(image->pid);
		if (!replay_add_image(replay, replay->image_count, twin, image->is_forked))
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
		twin->has_ended = twin->index != index;
		twin->has_tables = !twin->has_ended;
	}
	const struct stack_trie *trie = &known->images[index]->trie;
	struct stack_trie *copy = &replay->images[index]->trie;
	for (uint32_t i = 1; i < node_count; i++)
		if (stack_trie_append(copy, trie->nodes[i].parent, trie->nodes[i].module,
				      trie->nodes[i].offset) == STACK_NONE)
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
	restoring->class_counts[index] = (uint32_t)class_count;
	return MT_OK;
}

/* One block of the checkpoint: once to make the images, once to fill them. */
static enum mt_status take_block(struct restoring *restoring, const struct log_block *block,
				 struct byte_reader *payload, bool is_first_pass,
				 struct mt_error *error)
{
	uint64_t part = byte_reader_varint(payload);
	struct replay *replay = restoring->replay;
	if (part == REPLAY_CHECKPOINT) {
		restoring->next_offset = byte_reader_varint(payload);
		uint64_t total = byte_reader_varint(payload);
		if (payload->failed || total > restoring->image_count ||
		    total < replay->image_count)
			return corrupt(error);
		while (is_first_pass && replay->image_count < total) {
			const struct replay_image *image =
				restoring->log->replay.images[replay->image_count];
			struct replay_image *twin = replay_image_new(image->pid);
			if (!replay_add_image(replay, replay->image_count, twin, image->is_forked))
				return mt_error_set(error, MT_ERR_NO_MEMORY,
						    "no memory to read the log");
			twin->has_ended = true;
			twin->has_tables = false;
		}
		return MT_OK;
	}
	if (part == REPLAY_STATE && is_first_pass)
		return begin_image(restoring, block->image, payload, error);
	if (is_first_pass)
		return MT_OK;
	if (block->image >= replay->image_count)
		return corrupt(error);
	struct replay_image *image = replay->images[block->image];
	if (part == REPLAY_STATE) {
		(void)byte_reader_varint(payload); /* the two numbers are known by now */
		(void)byte_reader_varint(payload);
		return get_state(payload, &image->state, restoring->log->survey_events)
			       ? MT_OK
			       : corrupt(error);
	}
	return part == REPLAY_LIVE && get_live(payload, replay, image) ? MT_OK : corrupt(error);
}

static enum mt_status read_checkpoint(struct restoring *restoring,
				      const struct log_checkpoint *place, bool is_first_pass,
				      struct mt_error *error)
{
	struct log_block block;
	struct byte_reader payload;
	enum mt_status status = MT_OK;
	log_reader_seek(restoring->reader, place->offset);
	do {
		status = read_block(restoring, &block, &payload, error);
		if (status == MT_OK && block.item_count != place->number)
			status = corrupt(error);
		if (status == MT_OK)
			status = take_block(restoring, &block, &payload, is_first_pass, error);
	} while (status == MT_OK && block.image != LOG_NO_IMAGE);
	return status;
}

static enum mt_status read_classes(struct restoring *restoring, struct mt_error *error)
{
	enum mt_status status = MT_OK;
	for (size_t i = 0; i < restoring->log->class_place_count && status == MT_OK; i++) {
		struct log_block block;
		struct byte_reader payload;
		log_reader_seek(restoring->reader, restoring->log->class_places[i]);
		status = read_block(restoring, &block, &payload, error);
		if (status != MT_OK || block.image >= restoring->replay->image_count)
			continue;
		(void)byte_reader_varint(&payload); /* the part: it was looked at before */
		status = get_classes(&payload, restoring->replay->images[block.image],
				     restoring->class_counts[block.image], error);
	}
	for (uint32_t i = 0; i < restoring->replay->image_count && status == MT_OK; i++)
		if (restoring->replay->images[i]->class_count != restoring->class_counts[i])
			status = corrupt(error);
	return status;
}

enum mt_status checkpoint_restore(const struct loaded_log *log, const struct log_checkpoint *place,
				  struct log_reader *reader, struct replay *replay,
				  struct mt_error *error)
{
	struct restoring restoring = {
		.log = log,
		.reader = reader,
		.replay = replay,
		.image_count = log->replay.image_count,
	};
	restoring.class_counts = calloc((size_t)restoring.image_count + 1, sizeof(uint32_t));
	if (!restoring.class_counts)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
	enum mt_status status = read_checkpoint(&restoring, place, true, error);
	if (status == MT_OK)
		status = read_classes(&restoring, error);
	if (status == MT_OK)
		status = read_checkpoint(&restoring, place, false, error);
	free(restoring.class_counts);
	replay->now_us = place->time_us;
	log_reader_seek(reader, restoring.next_offset);
	return status;
}
