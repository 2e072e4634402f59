/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Columns of a payload: each is its length in bytes (varint), then the bytes. */
#ifndef MEMTRACE_COMMON_LOG_EVENT_COLUMNS_H
#define MEMTRACE_COMMON_LOG_EVENT_COLUMNS_H

#include "common/codec.h"
#include "common/log/buffer.h"

static inline void column_append(struct buffer *payload, const struct buffer *column)
{
	buffer_string(payload, column->bytes, column->size_bytes);
	payload->failed |= column->failed;
}

/* returns  false if the payload ends before the column does */
static inline bool column_open(struct byte_reader *payload, struct byte_reader *ret_column)
{
	uint64_t size_bytes = byte_reader_varint(payload);
	const uint8_t *bytes = byte_reader_take(payload, (size_t)size_bytes);
	if (!bytes)
		return false;
	*ret_column = byte_reader_over(bytes, (size_t)size_bytes);
	return true;
}

/* All of a column was used and nothing was missing. */
static inline bool column_is_whole(const struct byte_reader *column)
{
	return !column->failed && column->at == column->end;
}

/*
 * Numbers in two columns: their low bytes, and the rest as varints, which is 0 for most. Bytes of
 * one meaning in one place pack better than the bytes of varints do.
 */
struct split_writer {
	struct buffer low;
	struct buffer high;
};

static inline void split_put(struct split_writer *writer, uint64_t value)
{
	if (buffer_reserve(&writer->low, 1))
		writer->low.bytes[writer->low.size_bytes++] = (uint8_t)value;
	buffer_varint(&writer->high, value >> 8);
}

static inline void split_clear(struct split_writer *writer)
{
	buffer_clear(&writer->low);
	buffer_clear(&writer->high);
}

static inline void split_append(struct buffer *payload, const struct split_writer *writer)
{
	column_append(payload, &writer->low);
	column_append(payload, &writer->high);
}

static inline void split_release(struct split_writer *writer)
{
	buffer_release(&writer->low);
	buffer_release(&writer->high);
}

struct split_reader {
	struct byte_reader low;
	struct byte_reader high;
};

static inline bool split_open(struct byte_reader *payload, struct split_reader *ret_reader)
{
	return column_open(payload, &ret_reader->low) && column_open(payload, &ret_reader->high);
}

static inline uint64_t split_next(struct split_reader *reader)
{
	if (reader->low.at == reader->low.end) {
		reader->low.failed = true;
		return 0;
	}
	uint64_t low = *reader->low.at++;
	return low | byte_reader_varint(&reader->high) << 8;
}

static inline bool split_failed(const struct split_reader *reader)
{
	return reader->low.failed || reader->high.failed;
}

static inline bool split_is_whole(const struct split_reader *reader)
{
	return column_is_whole(&reader->low) && column_is_whole(&reader->high);
}

#endif
