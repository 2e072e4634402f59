/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers as bytes: LEB128 varints and zigzag, written and read side by side.
 *
 *   value      bytes
 *   0..127     0vvvvvvv
 *   300        10101100 00000010     (low seven bits first; the top bit says "more")
 *   zigzag     0,-1,1,-2,2 -> 0,1,2,3,4, so that small negative numbers stay short
 *
 * A `struct byte_reader` never reads past `end`: on any malformed or missing byte it sets
 * `failed`, returns 0 from then on, and the caller checks `failed` once after a group of reads.
 */
#ifndef MEMTRACE_COMMON_CODEC_H
#define MEMTRACE_COMMON_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VARINT_MAX_BYTES 10

struct byte_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

static inline struct byte_reader byte_reader_over(const void *bytes, size_t size_bytes)
{
	const uint8_t *first = bytes;
	return (struct byte_reader){.at = first, .end = first + size_bytes};
}

static inline size_t byte_reader_left(const struct byte_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

static inline uint64_t zigzag_encode(int64_t value)
{
	return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t zigzag_decode(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/*
 * Writes `value` to `bytes`, which has room for VARINT_MAX_BYTES.
 * returns  bytes written, 1 to 10
 */
static inline size_t varint_encode(uint8_t *bytes, uint64_t value)
{
	size_t count = 0;
	while (value >= 0x80) {
		bytes[count++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	bytes[count++] = (uint8_t)value;
	return count;
}

/* The general case of byte_reader_varint: two bytes or more, or a malformed one. */
uint64_t byte_reader_long_varint(struct byte_reader *reader);

static inline uint64_t byte_reader_varint(struct byte_reader *reader)
{
	if (__builtin_expect(reader->at < reader->end && *reader->at < 0x80, 1))
		return *reader->at++;
	return byte_reader_long_varint(reader);
}

static inline int64_t byte_reader_zigzag(struct byte_reader *reader)
{
	return zigzag_decode(byte_reader_varint(reader));
}

/*
 * Takes `size_bytes` bytes.
 * returns  a pointer into the reader's bytes; NULL and `failed` when fewer are left
 */
const uint8_t *byte_reader_take(struct byte_reader *reader, size_t size_bytes);

/* A byte string with its length in front (varint). Borrowed, as byte_reader_take's. */
const uint8_t *byte_reader_string(struct byte_reader *reader, size_t max_bytes, size_t *ret_size);

/* Little-endian fixed-width numbers, as block headers use them. */
static inline void put_u32(uint8_t *bytes, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
}

static inline void put_u64(uint8_t *bytes, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
}

static inline uint32_t get_u32(const uint8_t *bytes)
{
	uint32_t value = 0;
	for (int i = 0; i < 4; i++)
		value |= (uint32_t)bytes[i] << (8 * i);
	return value;
}

static inline uint64_t get_u64(const uint8_t *bytes)
{
	uint64_t value = 0;
	for (int i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

#endif
