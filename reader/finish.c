/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/finish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log/log_writer.h"
#include "reader/log_draft.h"
#include "reader/log_reader.h"
#include "reader/profile_block.h"
#include "reader/recovery.h"
#include "reader/replay_block.h"

static void write_symbols(const struct loaded_log *log, struct log_writer *writer)
{
	struct buffer fields = {0};
	struct log_block block = {.kind = LOG_BLOCK_SYMBOLS, .image = LOG_NO_IMAGE};
	symbols_encode(&log->symbols, &fields);
	log_writer_add(writer, &block, &fields);
	buffer_release(&fields);
}

/* The END block that the collector did not come to write. */
static void write_end(const struct loaded_log *log, const struct finish_ending *ending,
		      struct log_writer *writer)
{
	struct buffer fields = {0};
	int status = ending->wait_status;
	buffer_varint(&fields, ending->is_known);
	buffer_varint(&fields,
		      ending->is_known && WIFEXITED(status) ? (uint64_t)WEXITSTATUS(status) : 0);
	buffer_varint(&fields,
		      ending->is_known && WIFSIGNALED(status) ? (uint64_t)WTERMSIG(status) : 0);
	buffer_varint(&fields, log->info.loss | (log->was_recovered ? LOG_LOSS_COLLECTOR
								    : LOG_LOSS_TRUNCATED));
	buffer_varint(&fields, log->info.peak_rss_bytes);
	buffer_varint(&fields, ending->max_rss_bytes);
	struct log_block block = {
		.kind = LOG_BLOCK_END,
		.image = LOG_NO_IMAGE,
		.first_us = log->info.end_us,
		.last_us = log->info.end_us,
	};
	log_writer_add(writer, &block, &fields);
	buffer_release(&fields);
}

/* Notes the blocks before `end` for the index, but for those that finishing replaces. */
static enum mt_status index_blocks(const struct loaded_log *log, struct log_writer *writer,
				   uint64_t end, struct mt_error *error)
{
	struct log_reader reader;
	struct log_block block;
	enum mt_status status = log_reader_open(&reader, log->path, error);
	if (status != MT_OK)
		return status;
	int result = 0;
	while (reader.offset_bytes < end &&
	       (result = log_reader_next(&reader, &block, NULL, error)) == 1)
		log_writer_index(writer, &block, reader.block_offset);
	log_reader_close(&reader);
	return result < 0 ? (enum mt_status)result : MT_OK;
}

static bool is_class_place(const struct loaded_log *log, uint64_t offset)
{
	for (size_t i = 0; i < log->class_place_count; i++)
		if (log->class_places[i] == offset)
			return true;
	return false;
}

/*
 * The checkpoints that a finished log has, as they are: the places that they speak of lie in the
 * part of the log that stays.
 */
static enum mt_status copy_checkpoints(const struct loaded_log *log, struct log_writer *writer,
				       struct mt_error *error)
{
	struct log_reader reader;
	struct log_block block;
	struct byte_reader payload;
	enum mt_status status = log_reader_open(&reader, log->path, error);
	int result = 0;
	if (status != MT_OK)
		return status;
	log_reader_seek(&reader, log->events_end);
	while (status == MT_OK && reader.offset_bytes < log->good_end &&
	       (result = log_reader_next(&reader, &block, NULL, error)) == 1) {
		if (block.kind != LOG_BLOCK_REPLAY ||
		    (block.item_count == 0 && !is_class_place(log, reader.block_offset)))
			continue;
		uint8_t header[LOG_BLOCK_HEADER_BYTES];
		struct buffer copy = {0};
		result = log_reader_payload(&reader, &block, &payload, error);
		if (result != 1)
			break;
		log_block_encode(&block, header);
		buffer_append(&copy, header, sizeof(header));
		buffer_append(&copy, reader.stored.bytes, block.stored_bytes);
		status = copy.failed ? mt_error_set(error, MT_ERR_NO_MEMORY, "no memory")
				     : log_writer_add_blocks(writer, &copy, error);
		buffer_release(&copy);
	}
	log_reader_close(&reader);
	return result < 0 ? (enum mt_status)result : status;
}

static enum mt_status write_finish(const struct loaded_log *log,
				   const struct finish_options *options, struct log_writer *writer,
				   struct mt_error *error)
{
	if (!log->info.has_end)
		write_end(log, &options->ending, writer);
	profile_blocks_write(&log->replay, writer);
	if (log->replay.has_details)
		replay_blocks_write(&log->replay, writer);
	enum mt_status status = MT_OK;
	if (log->has_profile && log->place_count > 0)
		status = copy_checkpoints(log, writer, error);
	else if (!log->has_profile && log->checkpoints)
		checkpoints_write(log->checkpoints, writer);
	if (status != MT_OK)
		return status;
	if (!options->has_no_symbols)
		write_symbols(log, writer);
	return log_writer_finish(writer, error);
}

static enum mt_status append(const struct loaded_log *log, const struct finish_options *options,
			     int fd, struct mt_error *error)
{
	struct log_writer writer;
	log_writer_resume(&writer, fd, log->good_end);
	enum mt_status status = index_blocks(log, &writer, log->good_end, error);
	if (status == MT_OK)
		status = write_finish(log, options, &writer, error);
	log_writer_release(&writer);
	return status;
}

/* Where the part of the old file ends that goes into a new one. */
static uint64_t kept_bytes(const struct loaded_log *log)
{
	return log->was_recovered ? log->commit_end : log->events_end;
}

static enum mt_status copy_file(int from, int to, uint64_t size_bytes, struct mt_error *error)
{
	loff_t in = 0;
	loff_t out = 0;
	while ((uint64_t)in < size_bytes) {
		char bytes[1 << 16];
		size_t left = size_bytes - (uint64_t)in;
		ssize_t count = pread(from, bytes, left < sizeof(bytes) ? left : sizeof(bytes), in);
		if (count <= 0)
			return mt_error_set_errno(error, count ? errno : EIO,
						  "the log cannot be read");
		for (ssize_t written = 0; written < count;) {
			ssize_t step = pwrite(to, bytes + written, (size_t)(count - written),
					      out + written);
			if (step <= 0)
				return mt_error_set_errno(error, errno,
							  "the finished log cannot be written");
			written += step;
		}
		in += count;
		out += count;
	}
	return MT_OK;
}

static enum mt_status write_anew(const struct loaded_log *log, const struct finish_options *options,
				 int from, int to, struct mt_error *error)
{
	struct log_writer writer;
	uint64_t kept = kept_bytes(log);
	enum mt_status status = copy_file(from, to, kept, error);
	if (status != MT_OK)
		return status;
	log_writer_resume(&writer, to, kept);
	status = index_blocks(log, &writer, kept, error);
	if (status == MT_OK) /* copied as they are */
		status = log_writer_add_blocks(&writer, &log->recovered, error);
	if (status == MT_OK)
		status = write_finish(log, options, &writer, error);
	log_writer_release(&writer);
	return status;
}

static enum mt_status replace(const struct loaded_log *log, const struct finish_options *options,
			      int from, struct mt_error *error)
{
	struct log_draft draft;
	enum mt_status status = log_draft_open(&draft, log->path, error);
	if (status == MT_OK)
		status = write_anew(log, options, from, draft.fd, error);
	if (status == MT_OK)
		status = log_draft_commit(&draft, error);
	log_draft_close(&draft);
	if (status == MT_OK)
		recovery_remove_segment(log);
	return status;
}

static void fill_result(const struct loaded_log *log, struct finish_result *result)
{
	for (uint32_t i = 0; i < log->replay.image_count; i++) {
		const struct replay_totals *totals = &log->replay.images[i]->totals;
		result->totals.allocations += totals->allocations;
		result->totals.deallocations += totals->deallocations;
		result->totals.allocated_bytes += totals->allocated_bytes;
		result->totals.live_blocks += totals->live_blocks;
		result->totals.live_bytes += totals->live_bytes;
	}
	result->totals.peak_bytes = log->replay.peak_bytes;
	result->totals.peak_us = log->replay.peak_us;
	result->process_count = log->info.image_count;
	result->untraced_count = (uint32_t)log->info.untraced_count;
	result->is_complete = loaded_log_loss_reason(log) == NULL;
}

static enum mt_status finish_loaded(struct loaded_log *log, const struct finish_options *options,
				    struct finish_result *result, struct mt_error *error)
{
	enum mt_status status = MT_OK;
	if (!options->has_no_symbols)
		status = symbolize_log(log, &options->symbolize, &result->symbols, error);
	if (status != MT_OK)
		return status;
	int fd = open(log->path, (options->replaces ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return mt_error_set_errno(error, errno, "%s cannot be finished", log->path);
	bool is_whole = !options->replaces && log->damage.status == MT_OK && !log->was_recovered &&
			!log->has_profile && log->good_end == log->size_bytes && log->info.has_end;
	status = is_whole ? append(log, options, fd, error) : replace(log, options, fd, error);
	(void)close(fd);
	return status;
}

const struct loaded_log_options finish_replay_options = {.makes_checkpoints = true};

/* Takes over what the follower has replayed. returns false: that is of no use */
static bool take_followed(struct loaded_log *log, const char *path,
			  const struct finish_options *options)
{
	struct mt_error error;
	if (!options->follower)
		return false;
	bool is_good = log_follower_end(options->follower, path, log) &&
		       loaded_log_read_rest(log, path, &error) == MT_OK;
	log_follower_free(options->follower);
	return is_good;
}

static enum mt_status read_log(struct loaded_log *log, const char *path,
			       const struct finish_options *options, struct mt_error *error)
{
	struct loaded_log_options load = finish_replay_options;
	/* Of a log that is not as it should be the whole tells more than the rest. */
	if (take_followed(log, path, options))
		return MT_OK;
	load.is_recorder = options->is_recorder;
	load.checkpoint_events = options->checkpoint_events;
	return loaded_log_read(log, path, &load, error);
}

enum mt_status finish_log(const char *path, const struct finish_options *options,
			  struct finish_result *ret_result, struct mt_error *error)
{
	struct loaded_log log;
	*ret_result = (struct finish_result){0};
	enum mt_status status = read_log(&log, path, options, error);
	if (status != MT_OK)
		return status;
	fill_result(&log, ret_result);
	/* Before names are looked up: processes are forked for that, and share what is there. */
	replay_drop_tables(&log.replay);
	if (log.is_live || recovery_has_writers(&log))
		status = mt_error_set(error, MT_ERR_USAGE, "%s is still being recorded", path);
	else
		status = finish_loaded(&log, options, ret_result, error);
	loaded_log_release(&log);
	return status;
}
