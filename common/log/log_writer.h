/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Appends blocks to a log file.
 *
 * Blocks are gathered in memory and written by log_writer_flush. The first failure to write (a
 * full disk, a file size limit) is kept: later blocks are dropped and every flush reports it, so
 * that the file stays as it was at the last whole flush.
 */
#ifndef MEMTRACE_COMMON_LOG_LOG_WRITER_H
#define MEMTRACE_COMMON_LOG_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/buffer.h"
#include "common/log/log_block.h"
#include "common/status.h"

struct ZSTD_CCtx_s;

struct log_writer {
	int fd;                /* -1: blocks stay in `pending` */
	uint64_t offset_bytes; /* of the file's end, with what was flushed */
	struct buffer pending; /* blocks not written yet */
	struct buffer index;   /* fields of the INDEX block: one entry a block */
	uint32_t index_count;
	uint64_t indexed_bytes;         /* offset of the last block in it */
	struct ZSTD_CCtx_s *compressor; /* NULL until a block needs it */
	bool is_hasty;                  /* packs less, in a third of the time */
	struct mt_error failure;        /* status MT_OK while all went well */
};

/*
 * Starts a log in the empty file `fd`, borrowed.
 * returns  MT_ERR_IO, MT_ERR_NO_MEMORY
 */
enum mt_status log_writer_init(struct log_writer *writer, int fd,
			       struct mt_error *error) MT_MUST_CHECK;

/* Goes on with a log of `offset_bytes` bytes whose blocks so far are not to be indexed again. */
void log_writer_resume(struct log_writer *writer, int fd, uint64_t offset_bytes);

/* Goes on in memory, for log_writer_take_memory. */
void log_writer_resume_in_memory(struct log_writer *writer);

/* The blocks written in memory; the caller releases them. */
struct buffer log_writer_take_memory(struct log_writer *writer);

void log_writer_release(struct log_writer *writer);

/*
 * Appends a block. Small payloads are stored as they are.
 *
 * block    kind, image, item_count and times are the caller's; the rest is filled in
 * payload  borrowed
 */
void log_writer_add(struct log_writer *writer, struct log_block *block,
		    const struct buffer *payload);

/*
 * Appends blocks as another writer made them in memory.
 * returns  MT_ERR_CORRUPT: they are none
 */
enum mt_status log_writer_add_blocks(struct log_writer *writer, const struct buffer *blocks,
				     struct mt_error *error) MT_MUST_CHECK;

/* Writes what is pending. returns MT_ERR_IO (once it failed: always), MT_ERR_NO_MEMORY */
enum mt_status log_writer_flush(struct log_writer *writer, struct mt_error *error) MT_MUST_CHECK;

/*
 * Tries once more to write what a failed flush left pending; if that fails too, it is dropped.
 * Either way the writer is usable again.
 */
enum mt_status log_writer_retry(struct log_writer *writer, struct mt_error *error) MT_MUST_CHECK;

/* Bytes of the file once what is pending is written. */
static inline uint64_t log_writer_size(const struct log_writer *writer)
{
	return writer->offset_bytes + writer->pending.size_bytes;
}

/* Adds the INDEX block, the last one of a log, and flushes. */
enum mt_status log_writer_finish(struct log_writer *writer, struct mt_error *error) MT_MUST_CHECK;

/* Notes a block of a resumed log for the index. */
void log_writer_index(struct log_writer *writer, const struct log_block *block,
		      uint64_t offset_bytes);

#endif
