/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/mapping_replay.h"

#include <stdlib.h>
#include <string.h>

#define NO_MEMORY_TEXT "no memory to replay the log"

static struct mapping_image *image_of(struct mapping_replay *replay, uint32_t index)
{
	if (index >= replay->image_count) {
		uint32_t count = index + 1;
		struct mapping_image **grown = realloc(replay->images,
						       count * sizeof(struct mapping_image *));
		if (!grown)
			return NULL;
		memset(grown + replay->image_count, 0,
		       (count - replay->image_count) * sizeof(struct mapping_image *));
		replay->images = grown;
		replay->image_count = count;
	}
	if (replay->images[index])
		return replay->images[index];
	struct mapping_image *image = calloc(1, sizeof(*image));
	if (image && !stack_costs_init(&image->costs)) {
		free(image);
		return NULL;
	}
	replay->images[index] = image;
	return image;
}

enum mt_status mapping_replay_add(struct mapping_replay *replay, const struct log_block *block,
				  const struct byte_reader *payload, struct mt_error *error)
{
	struct mapping_reader reader = {.payload = *payload, .time_us = block->first_us};
	struct mapping_event event;
	int result;
	if (!image_of(replay, block->image))
		return mt_error_set(error, MT_ERR_NO_MEMORY, NO_MEMORY_TEXT);
	while ((result = mapping_reader_next(&reader, &event)) == 1) {
		if (replay->pending_count == replay->pending_capacity) {
			size_t capacity = replay->pending_capacity ? replay->pending_capacity * 2
								   : 64;
			struct pending_mapping *grown = realloc(replay->pending,
								capacity * sizeof(*grown));
			if (!grown)
				return mt_error_set(error, MT_ERR_NO_MEMORY, NO_MEMORY_TEXT);
			replay->pending = grown;
			replay->pending_capacity = capacity;
		}
		replay->pending[replay->pending_count] = (struct pending_mapping){
			.image = block->image,
			.number = (uint32_t)replay->pending_count,
			.event = event,
		};
		replay->pending_count++;
	}
	if (result < 0)
		return mt_error_set(error, MT_ERR_CORRUPT, "a mappings block makes no sense");
	return MT_OK;
}

static void count_in(struct mapping_replay *replay, struct mapping_image *image, uint32_t owner,
		     uint64_t size_bytes)
{
	struct stack_cost *cost = &image->costs.items[owner];
	stack_cost_touch(cost, replay->mark);
	cost->live_blocks++;
	cost->live_bytes += size_bytes;
	image->totals.live_ranges++;
	image->totals.live_bytes += size_bytes;
	replay->live_bytes += size_bytes;
}

/* `ranges`: 1 if the whole range is gone, 0 if it was cut short, -1 if it was cut in two. */
static void count_out(struct mapping_replay *replay, struct mapping_image *image, uint32_t owner,
		      uint64_t size_bytes, int ranges)
{
	struct stack_cost *cost = &image->costs.items[owner];
	stack_cost_touch(cost, replay->mark);
	cost->live_blocks -= (uint64_t)(int64_t)ranges;
	cost->live_bytes -= size_bytes;
	image->totals.live_ranges -= (uint64_t)(int64_t)ranges;
	image->totals.live_bytes -= size_bytes;
	replay->live_bytes -= size_bytes;
}

static void note_growth(struct mapping_replay *replay, struct mapping_image *image,
			uint64_t time_us)
{
	if (image->totals.live_bytes > image->totals.peak_bytes) {
		image->totals.peak_bytes = image->totals.live_bytes;
		image->totals.peak_us = time_us;
	}
	if (replay->live_bytes > replay->peak_bytes) {
		replay->peak_bytes = replay->live_bytes;
		replay->peak_us = time_us;
		replay->mark++;
	}
}

static struct mapping_pieces *undo_of(struct mapping_image *image, uint32_t thread)
{
	if (thread >= image->undo_count) {
		size_t count = image->undo_count ? image->undo_count : 8;
		while (count <= thread)
			count *= 2;
		struct mapping_pieces *grown = realloc(image->undos, count * sizeof(*grown));
		if (!grown)
			return NULL;
		memset(grown + image->undo_count, 0, (count - image->undo_count) * sizeof(*grown));
		image->undos = grown;
		image->undo_count = count;
	}
	return &image->undos[thread];
}

static bool unmap(struct mapping_replay *replay, struct mapping_image *image, uint64_t start,
		  uint64_t end, struct mapping_pieces *removed)
{
	/* What reaches out of the range on one side is one range as before, on both sides: two. */
	const struct mapping_piece *first = mapping_tree_find(&image->tree, start);
	const struct mapping_piece *last = mapping_tree_find(&image->tree, end - 1);
	bool is_cut_in_front = first && first->start < start;
	bool is_cut_behind = last && last->end > end;
	if (!mapping_tree_remove(&image->tree, start, end, removed))
		return false;
	for (size_t i = 0; i < removed->count; i++) {
		const struct mapping_piece *piece = &removed->items[i];
		int rests = (i == 0 && is_cut_in_front) +
			    (i + 1 == removed->count && is_cut_behind);
		count_out(replay, image, piece->owner, piece->end - piece->start, 1 - rests);
	}
	return true;
}

static bool insert(struct mapping_replay *replay, struct mapping_image *image,
		   const struct mapping_piece *piece)
{
	if (!mapping_tree_insert(&image->tree, piece))
		return false;
	count_in(replay, image, piece->owner, piece->end - piece->start);
	return true;
}

static enum mapping_source source_of_piece(const struct mapping_image *image,
					   const struct mapping_piece *piece)
{
	return (enum mapping_source)image->costs.items[piece->owner].kind;
}

static bool map(struct mapping_replay *replay, struct mapping_image *image,
		const struct mapping_event *event)
{
	struct mapping_pieces replaced = {0};
	const struct mapping_pieces *moved = undo_of(image, event->thread);
	enum mapping_source source = event->source;
	if (!moved)
		return false;
	if (source == MAPPING_MOVED)
		source = moved->count > 0 ? source_of_piece(image, &moved->items[0])
					  : MAPPING_ANONYMOUS;
	uint32_t owner = stack_costs_entry(&image->costs, event->stack, event->thread, source);
	uint64_t end = event->address + event->size_bytes;
	struct mapping_piece piece = {.start = event->address, .end = end, .owner = owner};
	bool has_memory = owner != STACK_COST_NONE &&
			  unmap(replay, image, event->address, end, &replaced) &&
			  insert(replay, image, &piece);
	mapping_pieces_release(&replaced);
	if (!has_memory)
		return false;
	struct stack_cost *cost = &image->costs.items[owner];
	cost->allocations++;
	cost->allocated_bytes += event->size_bytes;
	image->totals.mapped++;
	image->totals.mapped_bytes += event->size_bytes;
	note_growth(replay, image, event->time_us);
	return true;
}

/* With its neighbours, if they are of the same mapping: it was cut out of one of them. */
static struct mapping_piece with_neighbours(const struct mapping_tree *tree,
					    struct mapping_piece piece)
{
	const struct mapping_piece *before = mapping_tree_find(tree, piece.start - 1);
	const struct mapping_piece *behind = mapping_tree_find(tree, piece.end);
	if (before && before->owner == piece.owner)
		piece.start = before->start;
	if (behind && behind->owner == piece.owner)
		piece.end = behind->end;
	return piece;
}

static bool restore(struct mapping_replay *replay, struct mapping_image *image,
		    const struct mapping_event *event)
{
	struct mapping_pieces *removed = undo_of(image, event->thread);
	if (!removed)
		return false;
	for (size_t i = 0; i < removed->count; i++) {
		/* In the meantime another thread may have got some of it: a race of the program. */
		struct mapping_pieces replaced = {0};
		struct mapping_piece piece = with_neighbours(&image->tree, removed->items[i]);
		bool has_memory = unmap(replay, image, piece.start, piece.end, &replaced) &&
				  insert(replay, image, &piece);
		mapping_pieces_release(&replaced);
		if (!has_memory)
			return false;
	}
	image->totals.unmapped -= removed->count > 0;
	removed->count = 0;
	return true;
}

static bool apply(struct mapping_replay *replay, const struct pending_mapping *pending)
{
	struct mapping_image *image = replay->images[pending->image];
	const struct mapping_event *event = &pending->event;
	if (image->has_ended)
		return true;
	switch (event->operation) {
	case MAPPING_MAP:
		return map(replay, image, event);
	case MAPPING_RESTORE:
		return restore(replay, image, event);
	case MAPPING_UNMAP:
		break;
	}
	struct mapping_pieces *removed = undo_of(image, event->thread);
	if (!removed ||
	    !unmap(replay, image, event->address, event->address + event->size_bytes, removed))
		return false;
	image->totals.unmapped += removed->count > 0;
	return true;
}

static int by_time(const void *left, const void *right)
{
	const struct pending_mapping *a = left;
	const struct pending_mapping *b = right;
	if (a->event.time_us != b->event.time_us)
		return a->event.time_us < b->event.time_us ? -1 : 1;
	return (a->number > b->number) - (a->number < b->number);
}

enum mt_status mapping_replay_run(struct mapping_replay *replay, struct mt_error *error)
{
	bool has_memory = true;
	if (replay->pending_count == 0)
		return MT_OK;
	qsort(replay->pending, replay->pending_count, sizeof(*replay->pending), by_time);
	for (size_t i = 0; i < replay->pending_count && has_memory; i++)
		has_memory = apply(replay, &replay->pending[i]);
	replay->pending_count = 0;
	return has_memory ? MT_OK : mt_error_set(error, MT_ERR_NO_MEMORY, NO_MEMORY_TEXT);
}

static void drop_tables(struct mapping_image *image)
{
	for (size_t i = 0; i < image->undo_count; i++)
		mapping_pieces_release(&image->undos[i]);
	free(image->undos);
	image->undos = NULL;
	image->undo_count = 0;
	mapping_tree_release(&image->tree);
}

void mapping_replay_end_image(struct mapping_replay *replay, uint32_t index)
{
	struct mapping_image *image = index < replay->image_count ? replay->images[index] : NULL;
	if (!image || image->has_ended)
		return;
	stack_costs_settle(&image->costs, replay->mark);
	replay->live_bytes -= image->totals.live_bytes;
	image->has_ended = true;
	drop_tables(image);
}

void mapping_replay_finish(struct mapping_replay *replay)
{
	for (uint32_t i = 0; i < replay->image_count; i++) {
		struct mapping_image *image = replay->images[i];
		if (!image)
			continue;
		if (!image->has_ended) {
			stack_costs_settle(&image->costs, replay->mark);
			continue;
		}
		/* Gone before the last mark: no part in it. */
		for (uint32_t c = 0; c < image->costs.count; c++) {
			struct stack_cost *cost = &image->costs.items[c];
			if (cost->mark != replay->mark)
				cost->peak_blocks = cost->peak_bytes = 0;
		}
	}
}

void mapping_replay_release(struct mapping_replay *replay)
{
	for (uint32_t i = 0; i < replay->image_count; i++) {
		if (!replay->images[i])
			continue;
		stack_costs_release(&replay->images[i]->costs);
		drop_tables(replay->images[i]);
		free(replay->images[i]);
	}
	free(replay->images);
	free(replay->pending);
	*replay = (struct mapping_replay){0};
}
