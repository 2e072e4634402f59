/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens a log and yields its blocks in order, unpacked. The only loop over a log's blocks.
 *
 * Nothing in a log is trusted: sizes and checksums are looked at before anything is used. Where the
 * bytes stop making sense, or stop, the blocks before are good and `damage` says what is wrong.
 */
#ifndef MEMTRACE_READER_LOG_READER_H
#define MEMTRACE_READER_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/buffer.h"
#include "common/log/log_block.h"
#include "common/status.h"

struct ZSTD_DCtx_s;

struct log_reader {
	int fd;
	const uint8_t *memory; /* blocks in memory, borrowed; NULL: they are in the file */
	uint64_t size_bytes;   /* of the file when it was opened */
	uint64_t offset_bytes; /* of the next block */
	uint64_t block_offset; /* of the last block that was read */
	struct buffer stored;
	struct buffer unpacked;
	struct ZSTD_DCtx_s *unpacker;
	struct mt_error damage; /* status MT_OK: none so far */
	bool is_live;           /* a recorder is still writing to it */
	bool is_finished;       /* it ends with an index */
};

/*
 * returns  MT_ERR_IO; MT_ERR_NOT_A_LOG, MT_ERR_VERSION; MT_ERR_TRUNCATED: shorter than its header
 */
enum mt_status log_reader_open(struct log_reader *reader, const char *path,
			       struct mt_error *error) MT_MUST_CHECK;
void log_reader_close(struct log_reader *reader);

/* Reads blocks from memory: `blocks` [size_bytes], borrowed, without a log's header. */
void log_reader_open_memory(struct log_reader *reader, const uint8_t *blocks, size_t size_bytes);

/*
 * Reads the next block.
 *
 * ret_payload  borrowed until the next call; NULL to skip the payload
 * returns      1: got one; 0: the end, or damage; < 0: enum mt_status
 */
int log_reader_next(struct log_reader *reader, struct log_block *ret_block,
		    struct byte_reader *ret_payload, struct mt_error *error) MT_MUST_CHECK;

/* Unpacks the payload of the block that log_reader_next skipped. returns as log_reader_next */
int log_reader_payload(struct log_reader *reader, const struct log_block *block,
		       struct byte_reader *ret_payload, struct mt_error *error) MT_MUST_CHECK;

/*
 * Checks and unpacks a payload from memory: `stored` [block->stored_bytes], borrowed.
 * returns  MT_ERR_CORRUPT, MT_ERR_NO_MEMORY
 */
enum mt_status log_reader_unpack(struct log_reader *reader, const struct log_block *block,
				 const uint8_t *stored, struct byte_reader *ret_payload,
				 struct mt_error *error) MT_MUST_CHECK;

/* Goes to the block at `offset_bytes`, or back to the first one with 0. */
void log_reader_seek(struct log_reader *reader, uint64_t offset_bytes);

#endif
