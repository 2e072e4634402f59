/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frame of the log file: its header and the headers of its blocks. docs/log_format.md is
 * the normative text.
 *
 *   file header   16 bytes   magic[8], version u32, reserved u32 (0)
 *   block         48 bytes   header, then `stored_bytes` of payload
 *   ...
 *   INDEX block, whose last 16 bytes are: offset of its header u64, magic[8] of the file
 */
#ifndef MEMTRACE_COMMON_LOG_LOG_BLOCK_H
#define MEMTRACE_COMMON_LOG_LOG_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "common/format.h"
#include "common/status.h"

#define LOG_FILE_HEADER_BYTES 16u
#define LOG_BLOCK_HEADER_BYTES 48u
#define LOG_BLOCK_MAGIC 0x4b42544du /* "MTBK" */
#define LOG_TRAILER_BYTES 16u
#define LOG_NO_IMAGE UINT32_MAX

enum log_block_flags {
	LOG_BLOCK_ZSTD = 1, /* the payload is one zstd frame */
};

struct log_block {
	uint16_t kind;  /* enum log_block_kind; readers skip what they don't know */
	uint16_t flags; /* enum log_block_flags */
	uint32_t stored_bytes;
	uint32_t unpacked_bytes;
	uint32_t image;      /* index of the process image, LOG_NO_IMAGE */
	uint32_t item_count; /* events of an EVENTS block, else 0 */
	uint64_t first_us;   /* time range, microseconds since the recording began */
	uint64_t last_us;
	uint32_t payload_crc; /* CRC-32 (zlib's) of the stored payload */
};

/* `bytes` has room for LOG_BLOCK_HEADER_BYTES. The header gets a checksum of its own. */
void log_block_encode(const struct log_block *block, uint8_t *bytes);

/*
 * bytes    [LOG_BLOCK_HEADER_BYTES]
 * returns  MT_ERR_CORRUPT: wrong magic or checksum; MT_ERR_LIMIT: larger than LIMIT_BLOCK_BYTES
 */
enum mt_status log_block_decode(struct log_block *ret_block, const uint8_t *bytes,
				struct mt_error *error) MT_MUST_CHECK;

/* CRC-32 of a payload. */
uint32_t log_payload_crc(const uint8_t *bytes, size_t size_bytes);

#endif
