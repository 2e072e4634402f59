/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growing byte buffer to encode into.
 *
 * A failed allocation sets `failed` and drops what follows; the caller checks once at the end.
 */
#ifndef MEMTRACE_COMMON_LOG_BUFFER_H
#define MEMTRACE_COMMON_LOG_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/codec.h"

struct buffer {
	uint8_t *bytes;
	size_t size_bytes;
	size_t capacity_bytes;
	bool failed;
};

/* Makes room for `extra_bytes` more. returns false, with `failed` set, if there is no memory */
bool buffer_reserve_slowly(struct buffer *buffer, size_t extra_bytes);

static inline bool buffer_reserve(struct buffer *buffer, size_t extra_bytes)
{
	if (__builtin_expect(buffer->capacity_bytes - buffer->size_bytes >= extra_bytes, 1))
		return true;
	return buffer_reserve_slowly(buffer, extra_bytes);
}

static inline void buffer_varint(struct buffer *buffer, uint64_t value)
{
	if (buffer_reserve(buffer, VARINT_MAX_BYTES))
		buffer->size_bytes += varint_encode(buffer->bytes + buffer->size_bytes, value);
}

static inline void buffer_zigzag(struct buffer *buffer, int64_t value)
{
	buffer_varint(buffer, zigzag_encode(value));
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size_bytes);

/* A byte string with its length in front, as byte_reader_string reads it. */
void buffer_string(struct buffer *buffer, const void *bytes, size_t size_bytes);

/* Empties the buffer and keeps its memory. */
static inline void buffer_clear(struct buffer *buffer)
{
	buffer->size_bytes = 0;
	buffer->failed = false;
}

void buffer_release(struct buffer *buffer);

#endif
