/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The slow halves of codec.h. */
#include "common/codec.h"

uint64_t byte_reader_long_varint(struct byte_reader *reader)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
		uint8_t byte = *reader->at++;
		/* The tenth byte holds one bit: more would be lost silently. */
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	reader->failed = true;
	reader->at = reader->end;
	return 0;
}

const uint8_t *byte_reader_take(struct byte_reader *reader, size_t size_bytes)
{
	if (reader->failed || byte_reader_left(reader) < size_bytes) {
		reader->failed = true;
		reader->at = reader->end;
		return NULL;
	}
	const uint8_t *taken = reader->at;
	reader->at += size_bytes;
	return taken;
}

const uint8_t *byte_reader_string(struct byte_reader *reader, size_t max_bytes, size_t *ret_size)
{
	uint64_t size_bytes = byte_reader_varint(reader);
	if (size_bytes > max_bytes) {
		reader->failed = true;
		reader->at = reader->end;
		return NULL;
	}
	const uint8_t *bytes = byte_reader_take(reader, (size_t)size_bytes);
	if (bytes)
		*ret_size = (size_t)size_bytes;
	return bytes;
}
