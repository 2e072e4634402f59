/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/checkpoint_restore.h"

#include <stdlib.h>

#include "common/format.h"
#include "reader/checkpoint_fields.h"
#include "reader/loaded_log.h"
#include "reader/log_reader.h"
#include "reader/replay_block.h"

/* What is being restored. */
struct restoring {
	const struct loaded_log *log;
	struct log_reader *reader;
	struct replay *replay;
	uint32_t *class_counts; /* [image_count] of those that have not ended; else 0 */
	uint32_t image_count;
	uint64_t next_offset;
};

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
}

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

/* The next image, without anything in it. */
static enum mt_status add_twin(struct restoring *restoring, struct mt_error *error)
{
	struct replay *replay = restoring->replay;
	const struct replay_image *image = restoring->log->replay.images[replay->image_count];
	struct replay_image *twin = replay_image_new(image->pid);
	return replay_add_image(replay, replay->image_count, twin, image->is_forked)
		       ? MT_OK
		       : no_memory(error);
}

/* The images up to number `end`, which had ended before the checkpoint. */
static enum mt_status add_ended(struct restoring *restoring, uint32_t end, struct mt_error *error)
{
	struct replay *replay = restoring->replay;
	while (replay->image_count < end) {
		enum mt_status status = add_twin(restoring, error);
		if (status != MT_OK)
			return status;
		struct replay_image *image = replay->images[replay->image_count - 1];
		image->has_ended = true;
		image->has_tables = false;
	}
	return MT_OK;
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
	enum mt_status status = add_ended(restoring, index, error);
	if (status == MT_OK)
		status = add_twin(restoring, error);
	if (status != MT_OK)
		return status;
	const struct stack_trie *trie = &known->images[index]->trie;
	struct stack_trie *copy = &replay->images[index]->trie;
	for (uint32_t i = 1; i < node_count; i++)
		if (stack_trie_append(copy, trie->nodes[i].parent, trie->nodes[i].module,
				      trie->nodes[i].offset) == STACK_NONE)
			return no_memory(error);
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
		return is_first_pass ? add_ended(restoring, (uint32_t)total, error) : MT_OK;
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
		return checkpoint_get_state(payload, &image->state, restoring->log->survey_events)
			       ? MT_OK
			       : corrupt(error);
	}
	return part == REPLAY_LIVE && checkpoint_get_live(payload, replay, image) ? MT_OK
										  : corrupt(error);
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
		status = checkpoint_get_classes(&payload, restoring->replay->images[block.image],
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
		return no_memory(error);
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
