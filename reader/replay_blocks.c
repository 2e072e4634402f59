/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/replay_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to replay the log");
}

enum mt_status replay_blocks_flush(struct replay_blocks *blocks, struct mt_error *error)
{
	enum mt_status status = replay_run(blocks->replay, blocks->sources, blocks->source_count,
					   error);
	blocks->source_count = 0;
	return status;
}

/* Exchanges the events with those of a source that is done with: their memory is used again. */
static enum mt_status add_events(struct replay_blocks *blocks, struct block_feed_item *item,
				 struct mt_error *error)
{
	if (blocks->pid && item->block.image < blocks->replay->image_count &&
	    blocks->replay->images[item->block.image]->pid != blocks->pid)
		return MT_OK;
	if (blocks->source_count == blocks->source_capacity) {
		size_t capacity = blocks->source_capacity ? blocks->source_capacity * 2 : 1;
		struct replay_source *grown = realloc(blocks->sources, capacity * sizeof(*grown));
		if (!grown)
			return no_memory(error);
		memset(grown + blocks->source_capacity, 0,
		       (capacity - blocks->source_capacity) * sizeof(*grown));
		blocks->sources = grown;
		blocks->source_capacity = capacity;
	}
	struct replay_source *source = &blocks->sources[blocks->source_count++];
	struct decoded_events done = source->events;
	source->image = item->block.image;
	source->events = item->events;
	item->events = done;
	return MT_OK;
}

static enum mt_status end_image(struct replay_blocks *blocks, const struct log_block *block,
				struct mt_error *error)
{
	enum mt_status status = replay_blocks_flush(blocks, error);
	if (status != MT_OK || block->image >= blocks->replay->image_count)
		return status;
	return replay_end_image(blocks->replay, block->image, block->last_us) ? MT_OK
									      : no_memory(error);
}

static enum mt_status commit(struct replay_blocks *blocks, const struct block_feed_item *item,
			     struct mt_error *error)
{
	enum mt_status status = replay_blocks_flush(blocks, error);
	if (status == MT_OK && item->checkpoint)
		status = checkpoints_add(blocks->checkpoints, item->checkpoint, blocks->replay,
					 error);
	return status;
}

enum mt_status replay_blocks_add(struct replay_blocks *blocks, struct block_feed_item *item,
				 struct mt_error *error)
{
	struct replay_image *image = item->image;
	uint32_t index = item->block.image;
	if (item->is_left_out)
		return MT_OK;
	switch (item->block.kind) {
	case LOG_BLOCK_IMAGE:
		item->image = NULL;
		return replay_add_image(blocks->replay, index, image,
					index < blocks->info->image_count &&
						blocks->info->images[index].origin == IMAGE_FORK)
			       ? MT_OK
			       : no_memory(error);
	case LOG_BLOCK_EVENTS:
		return add_events(blocks, item, error);
	case LOG_BLOCK_IMAGE_END:
		return blocks->has_sums ? MT_OK : end_image(blocks, &item->block, error);
	case LOG_BLOCK_COMMIT:
		return blocks->has_sums ? MT_OK : commit(blocks, item, error);
	}
	return MT_OK;
}

void replay_blocks_release(struct replay_blocks *blocks)
{
	for (size_t i = 0; i < blocks->source_capacity; i++)
		decoded_events_release(&blocks->sources[i].events);
	free(blocks->sources);
	*blocks = (struct replay_blocks){0};
}
