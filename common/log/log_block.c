/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Header layout, little-endian:
 *
 *   0 magic u32 | 4 kind u16 | 6 flags u16 | 8 stored u32 | 12 unpacked u32 | 16 image u32
 *   20 items u32 | 24 first_us u64 | 32 last_us u64 | 40 payload crc u32 | 44 header crc u32
 */
#include "common/log/log_block.h"

#include <zlib.h>

#include "common/codec.h"

#define HEADER_CRC_AT 44

uint32_t log_payload_crc(const uint8_t *bytes, size_t size_bytes)
{
	return (uint32_t)crc32_z(0, bytes, size_bytes);
}

void log_block_encode(const struct log_block *block, uint8_t *bytes)
{
	put_u32(bytes, LOG_BLOCK_MAGIC);
	put_u32(bytes + 4, (uint32_t)block->kind | (uint32_t)block->flags << 16);
	put_u32(bytes + 8, block->stored_bytes);
	put_u32(bytes + 12, block->unpacked_bytes);
	put_u32(bytes + 16, block->image);
	put_u32(bytes + 20, block->item_count);
	put_u64(bytes + 24, block->first_us);
	put_u64(bytes + 32, block->last_us);
	put_u32(bytes + 40, block->payload_crc);
	put_u32(bytes + HEADER_CRC_AT, log_payload_crc(bytes, HEADER_CRC_AT));
}

enum mt_status log_block_decode(struct log_block *ret_block, const uint8_t *bytes,
				struct mt_error *error)
{
	if (get_u32(bytes) != LOG_BLOCK_MAGIC)
		return mt_error_set(error, MT_ERR_CORRUPT, "no block where one should begin");
	if (get_u32(bytes + HEADER_CRC_AT) != log_payload_crc(bytes, HEADER_CRC_AT))
		return mt_error_set(error, MT_ERR_CORRUPT, "a block's header has a wrong checksum");
	struct log_block block = {
		.kind = (uint16_t)get_u32(bytes + 4),
		.flags = (uint16_t)(get_u32(bytes + 4) >> 16),
		.stored_bytes = get_u32(bytes + 8),
		.unpacked_bytes = get_u32(bytes + 12),
		.image = get_u32(bytes + 16),
		.item_count = get_u32(bytes + 20),
		.first_us = get_u64(bytes + 24),
		.last_us = get_u64(bytes + 32),
		.payload_crc = get_u32(bytes + 40),
	};
	if (block.stored_bytes > LIMIT_BLOCK_BYTES || block.unpacked_bytes > LIMIT_BLOCK_BYTES)
		return mt_error_set(error, MT_ERR_LIMIT, "a block of %u bytes is over the limit",
				    block.stored_bytes > block.unpacked_bytes
					    ? block.stored_bytes
					    : block.unpacked_bytes);
	*ret_block = block;
	return MT_OK;
}
