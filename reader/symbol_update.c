/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks are copied as they are stored, those of kinds that this version does not know too; only
 * names and the index are made anew.
 */
#include "reader/symbol_update.h"

#include <errno.h>
#include <unistd.h>

#include "common/log/log_writer.h"
#include "reader/finish.h"
#include "reader/loaded_log.h"
#include "reader/log_draft.h"
#include "reader/log_reader.h"
#include "reader/recovery.h"
#include "reader/symbol_hint.h"

#define PENDING_BYTES_MAX (8u << 20)

/* Appends bytes of the old log to what is to be written. returns MT_ERR_IO, MT_ERR_NO_MEMORY */
static enum mt_status copy_bytes(int fd, uint64_t from, uint64_t to, struct log_writer *writer,
				 struct mt_error *error)
{
	struct buffer *pending = &writer->pending;
	if (!buffer_reserve(pending, (size_t)(to - from)))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to write the log");
	while (from < to) {
		ssize_t count = pread(fd, pending->bytes + pending->size_bytes, (size_t)(to - from),
				      (off_t)from);
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return mt_error_set_errno(error, count ? errno : EIO,
						  "the log cannot be read");
		pending->size_bytes += (size_t)count;
		from += (uint64_t)count;
	}
	return pending->size_bytes > PENDING_BYTES_MAX ? log_writer_flush(writer, error) : MT_OK;
}

static enum mt_status copy_blocks(const struct loaded_log *log, struct log_writer *writer,
				  struct mt_error *error)
{
	struct log_reader reader;
	struct log_block block;
	enum mt_status status = log_reader_open(&reader, log->path, error);
	if (status != MT_OK)
		return status;
	int result = 0;
	while (status == MT_OK && (result = log_reader_next(&reader, &block, NULL, error)) == 1) {
		if (block.kind == LOG_BLOCK_SYMBOLS || block.kind == LOG_BLOCK_INDEX)
			continue;
		log_writer_index(writer, &block, log_writer_size(writer));
		status = copy_bytes(reader.fd, reader.block_offset, reader.offset_bytes, writer,
				    error);
	}
	/* The log may have been replaced since it was read. */
	if (result == 0 && status == MT_OK && !reader.is_finished)
		status = mt_error_set(error, MT_ERR_IO, "%s was changed meanwhile", log->path);
	log_reader_close(&reader);
	return result < 0 ? (enum mt_status)result : status;
}

static enum mt_status write_log(const struct loaded_log *log, int fd, struct mt_error *error)
{
	struct log_writer writer;
	struct buffer fields = {0};
	struct log_block block = {.kind = LOG_BLOCK_SYMBOLS, .image = LOG_NO_IMAGE};
	enum mt_status status = log_writer_init(&writer, fd, error);
	if (status != MT_OK)
		return status;
	status = copy_blocks(log, &writer, error);
	if (status == MT_OK) {
		symbols_encode(&log->symbols, &fields);
		log_writer_add(&writer, &block, &fields);
		status = log_writer_finish(&writer, error);
	}
	buffer_release(&fields);
	log_writer_release(&writer);
	return status;
}

static enum mt_status rewrite(const struct loaded_log *log, struct mt_error *error)
{
	struct log_draft draft;
	enum mt_status status = log_draft_open(&draft, log->path, error);
	if (status == MT_OK)
		status = write_log(log, draft.fd, error);
	if (status == MT_OK)
		status = log_draft_commit(&draft, error);
	log_draft_close(&draft);
	return status;
}

static void describe(const struct loaded_log *log, struct symbol_update_result *result)
{
	const struct symbols *symbols = &log->symbols;
	result->addresses = symbols->entry_count;
	for (uint32_t i = 0; i < symbols->entry_count; i++) {
		const struct symbol_entry *entry = &symbols->entries[i];
		const struct symbol_frame *frames = &symbols->frames[entry->first_frame];
		if (entry->frame_count > 0 && frames[0].line > 0)
			result->with_line++;
		else if (entry->frame_count > 0 && frames[entry->frame_count - 1].function)
			result->with_name++;
	}
	result->has_hint = symbol_hint(log, result->hint, sizeof(result->hint));
	/* The log itself may know names from before: what counts here is what was found now. */
	if (result->symbols.stale < symbols->object_count) {
		result->has_hint = true;
		symbol_hint_stale(log, result->symbols.stale, result->hint, sizeof(result->hint));
	}
}

/* A log whose sums are all there. */
static bool is_finished(const struct loaded_log *log)
{
	return log->is_finished && log->has_profile && log->damage.status == MT_OK;
}

static enum mt_status finish_first(const char *path, const struct symbolize_options *options,
				   struct symbol_update_result *result, struct mt_error *error)
{
	struct finish_options finish = {.replaces = true, .symbolize = *options};
	struct finish_result finished;
	struct loaded_log log;
	enum mt_status status = finish_log(path, &finish, &finished, error);
	if (status != MT_OK)
		return status;
	result->symbols = finished.symbols;
	result->is_written = true;
	status = loaded_log_read(&log, path, NULL, error);
	if (status != MT_OK)
		return status;
	describe(&log, result);
	loaded_log_release(&log);
	return MT_OK;
}

enum mt_status symbol_update(const char *path, const struct symbolize_options *options,
			     struct symbol_update_result *ret_result, struct mt_error *error)
{
	struct loaded_log log;
	*ret_result = (struct symbol_update_result){0};
	enum mt_status status = loaded_log_read(&log, path, NULL, error);
	if (status != MT_OK)
		return status;
	if (log.damage.status != MT_OK && log.damage.status != MT_ERR_TRUNCATED) {
		/* What follows the damage would be lost. */
		loaded_log_release(&log);
		return mt_error_set(error, MT_ERR_CORRUPT, "%s is damaged and was left as it is",
				    path);
	}
	if (!is_finished(&log)) {
		loaded_log_release(&log);
		return finish_first(path, options, ret_result, error);
	}
	bool had_symbols = log.has_symbols;
	status = symbolize_log(&log, options, &ret_result->symbols, error);
	if (status == MT_OK && (!had_symbols || ret_result->symbols.changed > 0)) {
		status = rewrite(&log, error);
		ret_result->is_written = status == MT_OK;
	}
	if (status == MT_OK)
		describe(&log, ret_result);
	loaded_log_release(&log);
	return status;
}
