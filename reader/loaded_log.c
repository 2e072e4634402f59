/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/loaded_log.h"

#include <stdlib.h>
#include <string.h>

#include "reader/log_reader.h"
#include "reader/profile_block.h"
#include "reader/recovery.h"
#include "reader/replay_block.h"

/* One generation is kept apart for so many bytes of the log, within these limits. */
#define GENERATION_LOG_BYTES 32u
#define GENERATIONS_MIN (1u << 14)
#define GENERATIONS_MAX (1u << 19)
#define GENERATIONS_OPEN_MAX (1u << 17) /* while the log's size isn't known */

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
}

/* Makes room for one more, if `count` is a power of two. returns false: no memory */
static bool reserve(void **items, size_t count, size_t item_bytes)
{
	if (count & (count - 1))
		return true;
	void *grown = realloc(*items, (count ? count * 2 : 1) * item_bytes);
	if (grown)
		*items = grown;
	return grown != NULL;
}

/* A block of a checkpoint: the blocks of one follow one another, and the tree's is the last. */
static bool note_checkpoint(struct loaded_log *log, const struct log_block *block, uint64_t offset)
{
	struct log_checkpoint *last = log->place_count ? &log->places[log->place_count - 1] : NULL;
	if (!last || last->number != block->item_count) {
		if (!reserve((void **)&log->places, log->place_count, sizeof(*log->places)))
			return false;
		last = &log->places[log->place_count++];
		*last = (struct log_checkpoint){.offset = offset, .number = block->item_count};
	}
	last->time_us = block->first_us;
	last->is_whole = block->image == LOG_NO_IMAGE;
	return true;
}

/* A look at all headers first: where the last commit is, and whether the sums are there. */
static enum mt_status survey(struct loaded_log *log, struct log_reader *reader,
			     struct mt_error *error)
{
	struct log_block block;
	uint32_t image_count = 0;
	bool is_whole = true;
	bool has_memory = true;
	int result;
	while (has_memory && (result = log_reader_next(reader, &block, NULL, error)) == 1) {
		image_count += block.kind == LOG_BLOCK_IMAGE;
		is_whole = block.kind != LOG_BLOCK_PROFILE && block.kind != LOG_BLOCK_SYMBOLS &&
			   block.kind != LOG_BLOCK_REPLAY;
		if (block.kind == LOG_BLOCK_EVENTS && block.item_count <= LIMIT_BLOCK_EVENTS)
			log->survey_events += block.item_count;
		if (block.last_us > log->survey_end_us && block.last_us >= block.first_us)
			log->survey_end_us = block.last_us;
		if (block.kind == LOG_BLOCK_REPLAY && block.item_count > 0)
			has_memory = note_checkpoint(log, &block, reader->block_offset);
		if (block.kind == LOG_BLOCK_COMMIT)
			log->commit_end = reader->offset_bytes;
		/* The tree's part is the last one of a profile. */
		if (block.kind == LOG_BLOCK_PROFILE && block.image == LOG_NO_IMAGE)
			log->has_profile = true;
	}
	log->is_finished = reader->is_finished && reader->damage.status == MT_OK;
	log->ends_in_finish = !is_whole;
	/* Sums count when all of them are there; then nobody is recording any more. */
	log->has_profile = log->has_profile && log->is_finished;
	if (log->is_finished)
		reader->is_live = log->is_live = false;
	/* The sums are of all processes together. */
	if ((log->pid && image_count > 1) || log->ignores_profile)
		log->has_profile = false;
	log_reader_seek(reader, 0);
	if (!has_memory)
		return no_memory(error);
	return result < 0 ? (enum mt_status)result : MT_OK;
}

static bool is_wanted(const struct loaded_log *log, uint32_t image)
{
	return log->pid == 0 || log->info.images[image].pid == log->pid;
}

/* Mappings are few, and always replayed. */
static enum mt_status add_mappings(struct loaded_log *log, const struct log_block *block,
				   const struct byte_reader *payload, struct mt_error *error)
{
	if (block->image >= log->info.image_count)
		return mt_error_set(error, MT_ERR_CORRUPT,
				    "mappings of a process that isn't there");
	return is_wanted(log, block->image)
		       ? mapping_replay_add(&log->mappings, block, payload, error)
		       : MT_OK;
}

static enum mt_status follow_mappings(struct loaded_log *log, const struct log_block *block,
				      struct mt_error *error)
{
	if (block->kind != LOG_BLOCK_COMMIT && block->kind != LOG_BLOCK_IMAGE_END)
		return MT_OK;
	enum mt_status status = mapping_replay_run(&log->mappings, error);
	if (status == MT_OK && block->kind == LOG_BLOCK_IMAGE_END)
		mapping_replay_end_image(&log->mappings, block->image);
	return status;
}

static enum mt_status add_replay_block(struct loaded_log *log, const struct block_feed_item *item,
				       uint64_t offset, struct mt_error *error)
{
	struct byte_reader payload = item->payload;
	bool is_classes = false;
	/* Without the sums, or for a part of the processes, they are of no use. */
	if (!log->has_profile || item->is_left_out)
		return MT_OK;
	enum mt_status status = replay_block_read(&log->replay, &item->block, &payload, &is_classes,
						  error);
	if (status == MT_OK && is_classes) {
		if (!reserve((void **)&log->class_places, log->class_place_count,
			     sizeof(*log->class_places)))
			return no_memory(error);
		log->class_places[log->class_place_count++] = offset;
	}
	return status;
}

static enum mt_status add_block(struct loaded_log *log, struct block_feed_item *item,
				uint64_t offset, struct mt_error *error)
{
	bool is_last;
	const struct log_block *block = &item->block;
	struct byte_reader *payload = &item->payload;
	if (item->is_left_out)
		return MT_OK;
	if (block->kind == LOG_BLOCK_EVENTS)
		return replay_blocks_add(&log->blocks, item, error);
	int result = log_info_add(&log->info, block, payload, error);
	if (result < 0)
		return (enum mt_status)result;
	if (result == 1) {
		enum mt_status status = follow_mappings(log, block, error);
		return status == MT_OK ? replay_blocks_add(&log->blocks, item, error) : status;
	}
	switch (block->kind) {
	case LOG_BLOCK_MAPPINGS:
		return add_mappings(log, block, payload, error);
	case LOG_BLOCK_PROFILE:
		return log->has_profile
			       ? profile_block_read(&log->replay, block, payload, &is_last, error)
			       : MT_OK;
	case LOG_BLOCK_REPLAY:
		return add_replay_block(log, item, offset, error);
	case LOG_BLOCK_SYMBOLS:
		symbols_release(&log->symbols);
		if (!symbols_init(&log->symbols))
			return no_memory(error);
		log->has_symbols = true;
		return symbols_decode(&log->symbols, payload, error);
	}
	return MT_OK; /* of a newer recorder */
}

static enum mt_status open_feed(struct loaded_log *log, struct log_reader *reader, uint64_t end,
				bool has_no_thread, struct block_feed *feed, struct mt_error *error)
{
	struct block_feed_options options = {
		.end_offset = end,
		/* Recovery goes on from the state of every process. */
		.pid = log->needs_slots ? 0 : log->pid,
		.until_us = UINT64_MAX,
		.skips_events = log->has_profile,
		.has_slots = log->needs_slots,
		.has_no_thread = has_no_thread,
		/* What was recovered is not where it will be in the file. */
		.checkpoints = reader->memory ? NULL : log->checkpoints,
		.handover = log->handover,
	};
	log->blocks.replay = &log->replay;
	log->blocks.info = &log->info;
	log->blocks.pid = log->pid;
	log->blocks.checkpoints = log->checkpoints;
	log->blocks.has_sums = log->has_profile;
	return block_feed_open(feed, reader, &options, log->replay.images, log->replay.image_count)
		       ? MT_OK
		       : no_memory(error);
}

static bool is_finishing(enum log_block_kind kind)
{
	return kind == LOG_BLOCK_PROFILE || kind == LOG_BLOCK_SYMBOLS || kind == LOG_BLOCK_REPLAY ||
	       kind == LOG_BLOCK_INDEX;
}

/* A block of the file was good, and has been used. */
static void note_end(struct loaded_log *log, const struct block_feed_item *item)
{
	log->good_end = item->end_offset;
	if (!is_finishing((enum log_block_kind)item->block.kind))
		log->events_end = item->end_offset;
}

static enum mt_status read_blocks(struct loaded_log *log, struct log_reader *reader, uint64_t end,
				  struct mt_error *error)
{
	struct block_feed feed;
	struct mt_error damage = {0};
	uint64_t offset = reader->offset_bytes;
	enum mt_status status = open_feed(log, reader, end, false, &feed, error);
	if (status != MT_OK)
		return status;
	for (;;) {
		struct block_feed_item *item = block_feed_next(&feed);
		status = item->result < 0 ? (enum mt_status)item->result : MT_OK;
		damage = item->error;
		if (item->result != 1 || add_block(log, item, offset, &damage) != MT_OK)
			break;
		offset = item->end_offset;
		if (!reader->memory)
			note_end(log, item);
	}
	block_feed_close(&feed);
	if (status == MT_OK && damage.status == MT_ERR_NO_MEMORY)
		status = MT_ERR_NO_MEMORY;
	if (status != MT_OK) {
		*error = damage;
		return status;
	}
	reader->damage = damage;
	if (damage.status != MT_OK)
		log->damage = damage;
	return MT_OK;
}

enum mt_status loaded_log_read_more(struct loaded_log *log, const struct buffer *blocks,
				    struct mt_error *error)
{
	struct log_reader reader;
	log_reader_open_memory(&reader, blocks->bytes, blocks->size_bytes);
	enum mt_status status = read_blocks(log, &reader, UINT64_MAX, error);
	if (status == MT_OK && reader.damage.status != MT_OK) {
		*error = reader.damage;
		status = reader.damage.status;
	}
	log_reader_close(&reader);
	return status;
}

/* Of a finished log the stack traces come after the mappings. */
static enum mt_status check_mapping_stacks(const struct loaded_log *log, struct mt_error *error)
{
	for (uint32_t i = 0; i < log->mappings.image_count; i++) {
		const struct mapping_image *image = log->mappings.images[i];
		for (uint32_t c = 0; image && c < image->costs.count; c++)
			if (image->costs.items[c].stack >= log->replay.images[i]->trie.node_count)
				return mt_error_set(error, MT_ERR_CORRUPT,
						    "%s: a mapping has no stack trace", log->path);
	}
	return MT_OK;
}

static enum mt_status settle(struct loaded_log *log, struct mt_error *error)
{
	bool is_found = log->pid == 0;
	for (uint32_t i = 0; i < log->info.image_count && !is_found; i++)
		is_found = log->info.images[i].pid == log->pid;
	if (!is_found)
		return mt_error_set(error, MT_ERR_USAGE, "%s: there is no process %llu in the log",
				    log->path, (unsigned long long)log->pid);
	if (!log->has_profile && !replay_finish(&log->replay, log->info.end_us))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to replay the log");
	enum mt_status status = mapping_replay_run(&log->mappings, error);
	if (status != MT_OK)
		return status;
	mapping_replay_finish(&log->mappings);
	return check_mapping_stacks(log, error);
}

/* How many generations are kept apart of a log of this size. */
static uint64_t generations_max(uint64_t log_bytes)
{
	uint64_t count_max = log_bytes / GENERATION_LOG_BYTES;
	if (count_max < GENERATIONS_MIN)
		count_max = GENERATIONS_MIN;
	return count_max < GENERATIONS_MAX ? count_max : GENERATIONS_MAX;
}

/* For a log that does not bring its sums. */
static enum mt_status prepare_replay(struct loaded_log *log, struct mt_error *error)
{
	if (log->checkpoints)
		checkpoints_init(log->checkpoints, log->size_bytes, log->checkpoint_events);
	if (!generations_init(&log->replay.generations, log->survey_end_us,
			      generations_max(log->size_bytes)) ||
	    !replay_begin_pieces(&log->replay))
		return no_memory(error);
	return MT_OK;
}

static enum mt_status read_all(struct loaded_log *log, struct log_reader *reader,
			       struct mt_error *error)
{
	bool is_recovered = false;
	enum mt_status status = survey(log, reader, error);
	if (status == MT_OK && !log->has_profile)
		status = prepare_replay(log, error);
	if (status != MT_OK)
		return status;
	/* Of a log that somebody writes, or that a segment goes with, what was committed counts. */
	bool may_recover = !log->is_finished && !reader->is_live && log->commit_end > 0;
	log->needs_slots = may_recover && recovery_has_segment(log);
	status = read_blocks(log, reader,
			     reader->is_live || may_recover ? log->commit_end : UINT64_MAX, error);
	if (status == MT_OK)
		status = replay_blocks_flush(&log->blocks, error);
	if (status == MT_OK && may_recover && log->damage.status == MT_OK)
		status = recovery_read(log, &is_recovered, error);
	if (status == MT_OK && may_recover && !is_recovered && log->commit_end < log->size_bytes)
		status = read_blocks(log, reader, UINT64_MAX, error);
	if (status == MT_OK)
		status = replay_blocks_flush(&log->blocks, error);
	log->was_recovered = is_recovered;
	return status;
}

/* returns  false: no memory, and nothing is left */
static bool init(struct loaded_log *log, const char *path, const struct loaded_log_options *options)
{
	*log = (struct loaded_log){.path = path ? strdup(path) : NULL};
	replay_init(&log->replay);
	if (options) {
		log->pid = options->pid;
		log->checkpoint_events = options->checkpoint_events;
		log->ignores_profile = options->ignores_profile || options->temporary_window > 1;
		if (options->temporary_window)
			log->replay.temporary_window = options->temporary_window;
		if (options->makes_checkpoints)
			log->checkpoints = calloc(1, sizeof(*log->checkpoints));
	}
	if ((!path || log->path) && (!options || !options->makes_checkpoints || log->checkpoints) &&
	    symbols_init(&log->symbols))
		return true;
	loaded_log_release(log);
	return false;
}

enum mt_status loaded_log_begin(struct loaded_log *log, const struct loaded_log_options *options,
				struct event_handover *handover, struct log_reader *reader,
				struct block_feed *feed, struct mt_error *error)
{
	if (!init(log, NULL, options))
		return no_memory(error);
	log->handover = handover;
	if (log->checkpoints)
		checkpoints_init(log->checkpoints, 0, log->checkpoint_events);
	if (generations_init_open(&log->replay.generations, GENERATIONS_OPEN_MAX) &&
	    replay_begin_pieces(&log->replay) &&
	    open_feed(log, reader, 0, true, feed, error) == MT_OK)
		return MT_OK;
	loaded_log_release(log);
	return no_memory(error);
}

enum mt_status loaded_log_take(struct loaded_log *log, struct block_feed_item *item,
			       struct mt_error *error)
{
	uint64_t offset = log->good_end;
	if (log->checkpoints && item->block.kind == LOG_BLOCK_COMMIT)
		checkpoints_grow(log->checkpoints, item->end_offset);
	enum mt_status status = add_block(log, item, offset, error);
	if (status == MT_OK)
		note_end(log, item);
	return status;
}

static enum mt_status read_rest(struct loaded_log *log, const char *path, struct mt_error *error)
{
	struct log_reader reader;
	log->path = strdup(path);
	if (!log->path)
		return no_memory(error);
	enum mt_status status = log_reader_open(&reader, path, error);
	if (status != MT_OK)
		return status;
	log->size_bytes = reader.size_bytes;
	log->replay.generations.count_max = generations_max(log->size_bytes);
	if (log->checkpoints)
		checkpoints_grow(log->checkpoints, log->size_bytes);
	log_reader_seek(&reader, log->good_end);
	status = read_blocks(log, &reader, UINT64_MAX, error);
	log->handover = NULL;
	log_reader_close(&reader);
	if (status != MT_OK)
		return status;
	if (log->damage.status != MT_OK) {
		*error = log->damage;
		return log->damage.status;
	}
	if (!log->info.has_run || !log->info.has_end || log->good_end != log->size_bytes)
		return mt_error_set(error, MT_ERR_TRUNCATED, "%s: the log has no end", path);
	status = replay_blocks_flush(&log->blocks, error);
	return status == MT_OK ? settle(log, error) : status;
}

enum mt_status loaded_log_read_rest(struct loaded_log *log, const char *path,
				    struct mt_error *error)
{
	enum mt_status status = read_rest(log, path, error);
	if (status != MT_OK)
		loaded_log_release(log);
	return status;
}

enum mt_status loaded_log_read(struct loaded_log *log, const char *path,
			       const struct loaded_log_options *options, struct mt_error *error)
{
	struct log_reader reader;
	if (!init(log, path, options))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read %s", path);
	enum mt_status status = log_reader_open(&reader, path, error);
	if (status == MT_OK) {
		if (options && options->is_recorder)
			reader.is_live = false;
		log->is_live = reader.is_live;
		log->size_bytes = reader.size_bytes;
		status = read_all(log, &reader, error);
		log_reader_close(&reader);
	}
	if (status == MT_OK && !log->info.has_run &&
	    (log->damage.status == MT_ERR_CORRUPT || log->damage.status == MT_ERR_LIMIT))
		status = mt_error_set(error, log->damage.status, "%s: the log is damaged: %s", path,
				      log->damage.message);
	else if (status == MT_OK && !log->info.has_run)
		status = mt_error_set(error, MT_ERR_TRUNCATED,
				      "%s: the log is cut off before its first block", path);
	if (status == MT_OK)
		status = settle(log, error);
	if (status != MT_OK)
		loaded_log_release(log);
	return status;
}

void loaded_log_release(struct loaded_log *log)
{
	replay_blocks_release(&log->blocks);
	if (log->checkpoints)
		checkpoints_release(log->checkpoints);
	free(log->checkpoints);
	free(log->places);
	free(log->class_places);
	free(log->path);
	buffer_release(&log->recovered);
	log_info_release(&log->info);
	replay_release(&log->replay);
	mapping_replay_release(&log->mappings);
	symbols_release(&log->symbols);
	*log = (struct loaded_log){0};
}

/* What was deferred is gone with the collector. */
static const char *collector_loss(const struct log_info *info)
{
	return info->run.only_unfreed
		       ? "the collector was killed: most of what was not freed then is missing"
		       : "the collector was killed: events up to its death, and what was under "
			 "way then, are here";
}

const char *loaded_log_loss_reason(const struct loaded_log *log)
{
	const struct log_info *info = &log->info;
	uint32_t loss = info->loss;
	for (uint32_t i = 0; i < info->image_count; i++)
		loss |= info->images[i].loss;
	if (log->is_live)
		return "it is still being recorded";
	if (log->damage.status == MT_ERR_CORRUPT || log->damage.status == MT_ERR_LIMIT)
		return "the log is damaged: what follows the damage is missing";
	if (loss & LOG_LOSS_WRITE)
		return "the log could not be written any further";
	if (loss & LOG_LOSS_BACK_PRESSURE)
		return "the collector was stopped or too slow, and recording ended";
	if (loss & LOG_LOSS_NO_MEMORY)
		return "a thread could not be recorded for want of memory";
	if (loss & LOG_LOSS_NO_ROOM)
		return "a thread or process could not be recorded: there were too many at a time, "
		       "or "
		       "no room on the disk for its records";
	if (loss & LOG_LOSS_NONSENSE)
		return "a process wrote over memtrace's records: some of them are missing";
	if (loss & LOG_LOSS_COLLECTOR)
		return collector_loss(info);
	if (log->ends_in_finish && !log->is_finished)
		return "the log is cut off";
	if (log->damage.status == MT_ERR_TRUNCATED || !info->has_end)
		return log->was_recovered ? collector_loss(info) : "the log is cut off";
	return NULL;
}

/* Of a process without a leak that fails it is only known how much it still held. */
static bool has_sums(const struct log_info *info)
{
	for (uint32_t i = 0; i < info->image_count; i++)
		if (info->images[i].leak_marks.flags & LEAK_SCAN_HAS_SUMS)
			return true;
	return false;
}

const char *loaded_log_incomplete_reason(const struct loaded_log *log)
{
	const char *reason = loaded_log_loss_reason(log);
	if (!reason && has_sums(&log->info))
		return "it was recorded for a leak check: most blocks that were freed, and those "
		       "that a process without failing leaks still held, are not in it";
	if (!reason && log->info.run.only_unfreed)
		return "it was recorded for a leak check: most blocks that were freed are not in "
		       "it";
	return reason;
}
