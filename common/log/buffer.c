/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/buffer.h"

#include <stdlib.h>
#include <string.h>

bool buffer_reserve_slowly(struct buffer *buffer, size_t extra_bytes)
{
	size_t capacity = buffer->capacity_bytes ? buffer->capacity_bytes : 256;
	if (buffer->failed || extra_bytes > SIZE_MAX / 4) {
		buffer->failed = true;
		return false;
	}
	while (capacity - buffer->size_bytes < extra_bytes)
		capacity *= 2;
	uint8_t *bytes = realloc(buffer->bytes, capacity);
	if (!bytes) {
		buffer->failed = true;
		return false;
	}
	buffer->bytes = bytes;
	buffer->capacity_bytes = capacity;
	return true;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size_bytes)
{
	if (size_bytes == 0 || !buffer_reserve(buffer, size_bytes))
		return;
	memcpy(buffer->bytes + buffer->size_bytes, bytes, size_bytes);
	buffer->size_bytes += size_bytes;
}

void buffer_string(struct buffer *buffer, const void *bytes, size_t size_bytes)
{
	buffer_varint(buffer, size_bytes);
	buffer_append(buffer, bytes, size_bytes);
}

void buffer_release(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){0};
}
