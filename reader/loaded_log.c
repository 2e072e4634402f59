/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/loaded_log.h"

#include <stdlib.h>
#include <string.h>

#include "reader/log_reader.h"
#include "reader/profile_block.h"
#include "reader/recovery.h"

/* A look at all headers first: where the last commit is, and whether the sums are there. */
static enum mt_status survey(struct loaded_log *log, struct log_reader *reader,
			     struct mt_error *error)
{
	struct log_block block;
	uint32_t image_count = 0;
	bool is_whole = true;
	int result;
	while ((result = log_reader_next(reader, &block, NULL, error)) == 1) {
		image_count += block.kind == LOG_BLOCK_IMAGE;
		is_whole = block.kind != LOG_BLOCK_PROFILE && block.kind != LOG_BLOCK_SYMBOLS;
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
	if (log->pid && image_count > 1)
		log->has_profile = false;
	log_reader_seek(reader, 0);
	return result < 0 ? (enum mt_status)result : MT_OK;
}

static enum mt_status replay_sources(struct loaded_log *log, struct mt_error *error)
{
	enum mt_status status = replay_run(&log->replay, log->sources, log->source_count, error);
	log->source_count = 0;
	return status;
}

static bool is_asked_for(const struct loaded_log *log, const struct log_block *block)
{
	return log->pid == 0 || block->image >= log->info.image_count ||
	       log->info.images[block->image].pid == log->pid;
}

static enum mt_status add_events(struct loaded_log *log, const struct log_block *block,
				 struct byte_reader *payload, struct mt_error *error)
{
	if (block->image >= log->replay.image_count || log->replay.images[block->image]->has_ended)
		return mt_error_set(error, MT_ERR_CORRUPT, "events of a process that isn't there");
	if (log->source_count == log->source_capacity) {
		size_t capacity = log->source_capacity ? log->source_capacity * 2 : 4;
		struct replay_source *grown = realloc(log->sources, capacity * sizeof(*grown));
		if (!grown)
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
		memset(grown + log->source_capacity, 0,
		       (capacity - log->source_capacity) * sizeof(*grown));
		log->sources = grown;
		log->source_capacity = capacity;
	}
	struct replay_source *source = &log->sources[log->source_count];
	source->image = block->image;
	struct replay_image *image = log->replay.images[block->image];
	enum mt_status status = event_decode(&image->state, &image->trie, payload->at,
					     byte_reader_left(payload), &source->events, error);
	if (status == MT_OK && is_asked_for(log, block))
		log->source_count++;
	return status;
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

/* What a metadata block means to the replay. */
static enum mt_status follow(struct loaded_log *log, const struct log_block *block,
			     struct mt_error *error)
{
	enum mt_status status = MT_OK;
	if (block->kind == LOG_BLOCK_IMAGE) {
		bool is_forked = log->info.images[block->image].origin == IMAGE_FORK;
		if (!replay_add_image(&log->replay, block->image, is_forked))
			status = mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
	} else if (block->kind == LOG_BLOCK_COMMIT && !log->has_profile) {
		status = replay_sources(log, error);
	} else if (block->kind == LOG_BLOCK_IMAGE_END && !log->has_profile) {
		status = replay_sources(log, error);
		if (status == MT_OK)
			replay_end_image(&log->replay, block->image, block->last_us);
	}
	return status;
}

static enum mt_status add_block(struct loaded_log *log, const struct log_block *block,
				struct byte_reader *payload, struct mt_error *error)
{
	bool is_last;
	int result = log_info_add(&log->info, block, payload, error);
	if (result < 0)
		return (enum mt_status)result;
	if (result == 1) {
		enum mt_status status = follow_mappings(log, block, error);
		return status == MT_OK ? follow(log, block, error) : status;
	}
	switch (block->kind) {
	case LOG_BLOCK_MAPPINGS:
		return add_mappings(log, block, payload, error);
	case LOG_BLOCK_EVENTS:
		return add_events(log, block, payload, error);
	case LOG_BLOCK_PROFILE:
		return log->has_profile
			       ? profile_block_read(&log->replay, block, payload, &is_last, error)
			       : MT_OK;
	case LOG_BLOCK_SYMBOLS:
		symbols_release(&log->symbols);
		if (!symbols_init(&log->symbols))
			return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
		log->has_symbols = true;
		return symbols_decode(&log->symbols, payload, error);
	}
	return MT_OK; /* of a newer recorder */
}

/* Events of a finished log, or of a process that wasn't asked for, needn't even be unpacked. */
static bool is_needless(const struct loaded_log *log, const struct log_block *block)
{
	if (block->kind == LOG_BLOCK_INDEX)
		return true;
	if (block->kind != LOG_BLOCK_EVENTS)
		return false;
	return log->has_profile || (!log->decodes_all && !is_asked_for(log, block));
}

static enum mt_status read_blocks(struct loaded_log *log, struct log_reader *reader, uint64_t end,
				  struct mt_error *error)
{
	struct log_block block;
	struct byte_reader payload;
	for (;;) {
		if (reader->offset_bytes >= end)
			return MT_OK;
		int result = log_reader_next(reader, &block, NULL, error);
		if (result == 1 && !is_needless(log, &block)) {
			result = log_reader_payload(reader, &block, &payload, error);
			if (result == 1)
				result = add_block(log, &block, &payload, &reader->damage) == MT_OK;
			if (reader->damage.status == MT_ERR_NO_MEMORY) {
				*error = reader->damage;
				return MT_ERR_NO_MEMORY;
			}
		}
		if (result < 0)
			return (enum mt_status)result;
		if (result == 0) {
			log->damage = reader->damage;
			return MT_OK;
		}
		log->good_end = reader->offset_bytes;
		if (block.kind != LOG_BLOCK_PROFILE && block.kind != LOG_BLOCK_SYMBOLS &&
		    block.kind != LOG_BLOCK_INDEX)
			log->events_end = reader->offset_bytes;
	}
}

enum mt_status loaded_log_read_more(struct loaded_log *log, const struct buffer *blocks,
				    struct mt_error *error)
{
	struct byte_reader bytes = byte_reader_over(blocks->bytes, blocks->size_bytes);
	struct log_reader unpacker = {.fd = -1};
	enum mt_status status = MT_OK;
	while (bytes.at < bytes.end && status == MT_OK) {
		struct log_block block;
		struct byte_reader payload;
		const uint8_t *header = byte_reader_take(&bytes, LOG_BLOCK_HEADER_BYTES);
		status = header ? log_block_decode(&block, header, error)
				: mt_error_set(error, MT_ERR_TRUNCATED,
					       "recovered blocks are cut off");
		const uint8_t *stored = status == MT_OK
						? byte_reader_take(&bytes, block.stored_bytes)
						: NULL;
		if (!stored)
			break;
		if (is_needless(log, &block))
			continue;
		status = log_reader_unpack(&unpacker, &block, stored, &payload, error);
		if (status == MT_OK)
			status = add_block(log, &block, &payload, error);
	}
	log_reader_close(&unpacker);
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
	if (!log->has_profile)
		replay_finish(&log->replay, log->info.end_us);
	enum mt_status status = mapping_replay_run(&log->mappings, error);
	if (status != MT_OK)
		return status;
	mapping_replay_finish(&log->mappings);
	return check_mapping_stacks(log, error);
}

static enum mt_status read_all(struct loaded_log *log, struct log_reader *reader,
			       struct mt_error *error)
{
	bool is_recovered = false;
	enum mt_status status = survey(log, reader, error);
	if (status != MT_OK)
		return status;
	/* Of a log that somebody writes, or that a segment goes with, what was committed counts. */
	bool may_recover = !log->is_finished && !reader->is_live && log->commit_end > 0;
	log->decodes_all = may_recover;
	status = read_blocks(log, reader,
			     reader->is_live || may_recover ? log->commit_end : UINT64_MAX, error);
	if (status == MT_OK)
		status = replay_sources(log, error);
	if (status == MT_OK && may_recover && log->damage.status == MT_OK)
		status = recovery_read(log, &is_recovered, error);
	if (status == MT_OK && may_recover && !is_recovered)
		status = read_blocks(log, reader, UINT64_MAX, error);
	if (status == MT_OK)
		status = replay_sources(log, error);
	log->was_recovered = is_recovered;
	return status;
}

enum mt_status loaded_log_read(struct loaded_log *log, const char *path,
			       const struct loaded_log_options *options, struct mt_error *error)
{
	struct log_reader reader;
	*log = (struct loaded_log){.path = strdup(path), .pid = options ? options->pid : 0};
	if (!log->path || !symbols_init(&log->symbols)) {
		loaded_log_release(log);
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read %s", path);
	}
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
	for (size_t i = 0; i < log->source_capacity; i++)
		decoded_events_release(&log->sources[i].events);
	free(log->sources);
	free(log->path);
	buffer_release(&log->recovered);
	log_info_release(&log->info);
	replay_release(&log->replay);
	mapping_replay_release(&log->mappings);
	symbols_release(&log->symbols);
	*log = (struct loaded_log){0};
}

const char *loaded_log_incomplete_reason(const struct loaded_log *log)
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
	if (loss & LOG_LOSS_NONSENSE)
		return "a process wrote over memtrace's records: some of them are missing";
	if (loss & LOG_LOSS_COLLECTOR)
		return "the collector was killed: events up to its death, and what was under way "
		       "then, are here";
	if (log->ends_in_finish && !log->is_finished)
		return "the log is cut off";
	if (log->damage.status == MT_ERR_TRUNCATED || !info->has_end)
		return log->was_recovered ? "the collector was killed: events up to its death, and "
					    "what was under way then, are here"
					  : "the log is cut off";
	return NULL;
}
