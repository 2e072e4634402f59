/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"
#include "common/log/log_writer.h"
#include "reader/checkpoint_fields.h"
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
		checkpoint_put_state(sources[i].state, sources[i].node_count, &image->state);
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
	checkpoint_put_classes(image, *count, &fields);
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
		checkpoint_put_live(replay->images[index], &fields);
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
