/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/log_writer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define COMPRESSION_LEVEL 3
#define HASTY_LEVEL (-3)
#define COMPRESS_FROM_BYTES 128u

static enum mt_status fail(struct log_writer *writer, enum mt_status status, const char *what)
{
	if (writer->failure.status != MT_OK)
		return writer->failure.status;
	if (status == MT_ERR_IO)
		return mt_error_set_errno(&writer->failure, errno, "%s", what);
	return mt_error_set(&writer->failure, status, "%s", what);
}

static enum mt_status report(const struct log_writer *writer, struct mt_error *error)
{
	if (writer->failure.status != MT_OK && error)
		*error = writer->failure;
	return writer->failure.status;
}

void log_writer_resume(struct log_writer *writer, int fd, uint64_t offset_bytes)
{
	*writer = (struct log_writer){.fd = fd, .offset_bytes = offset_bytes};
}

void log_writer_resume_in_memory(struct log_writer *writer)
{
	log_writer_resume(writer, -1, 0);
}

struct buffer log_writer_take_memory(struct log_writer *writer)
{
	struct buffer taken = writer->pending;
	writer->pending = (struct buffer){0};
	return taken;
}

enum mt_status log_writer_init(struct log_writer *writer, int fd, struct mt_error *error)
{
	uint8_t header[LOG_FILE_HEADER_BYTES] = {0};
	memcpy(header, LOG_MAGIC, LOG_MAGIC_BYTES);
	put_u32(header + LOG_MAGIC_BYTES, LOG_VERSION);
	log_writer_resume(writer, fd, 0);
	buffer_append(&writer->pending, header, sizeof(header));
	return log_writer_flush(writer, error);
}

void log_writer_release(struct log_writer *writer)
{
	buffer_release(&writer->pending);
	buffer_release(&writer->index);
	(void)ZSTD_freeCCtx(writer->compressor); /* NULL is fine; always returns 0 */
	*writer = (struct log_writer){.fd = -1};
}

void log_writer_index(struct log_writer *writer, const struct log_block *block,
		      uint64_t offset_bytes)
{
	buffer_varint(&writer->index, block->kind);
	buffer_varint(&writer->index, offset_bytes - writer->indexed_bytes);
	buffer_varint(&writer->index, (block->image + 1u) & UINT32_MAX);
	buffer_varint(&writer->index, block->item_count);
	buffer_varint(&writer->index, block->first_us);
	buffer_varint(&writer->index, block->last_us - block->first_us);
	writer->indexed_bytes = offset_bytes;
	writer->index_count++;
}

/* Made when the first block needs it: that takes long, in a virtual machine, and few short logs do.
 */
static struct ZSTD_CCtx_s *compressor_of(struct log_writer *writer)
{
	if (!writer->compressor) {
		writer->compressor = ZSTD_createCCtx();
		if (writer->compressor)
			(void)ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_compressionLevel,
						     writer->is_hasty ? HASTY_LEVEL
								      : COMPRESSION_LEVEL);
	}
	return writer->compressor;
}

/* Compresses `payload` behind the block's header. returns stored bytes, 0: store it as it is */
static size_t pack(struct log_writer *writer, const struct buffer *payload)
{
	size_t bound = ZSTD_compressBound(payload->size_bytes);
	struct buffer *pending = &writer->pending;
	if (payload->size_bytes < COMPRESS_FROM_BYTES || !compressor_of(writer) ||
	    !buffer_reserve(pending, bound))
		return 0;
	size_t packed = ZSTD_compress2(writer->compressor, pending->bytes + pending->size_bytes,
				       bound, payload->bytes, payload->size_bytes);
	return ZSTD_isError(packed) || packed >= payload->size_bytes ? 0 : packed;
}

void log_writer_add(struct log_writer *writer, struct log_block *block,
		    const struct buffer *payload)
{
	struct buffer *pending = &writer->pending;
	size_t begin = pending->size_bytes;
	uint64_t offset_bytes = log_writer_size(writer);
	if (writer->failure.status != MT_OK)
		return;
	if (payload->failed || payload->size_bytes > LIMIT_BLOCK_BYTES) {
		(void)fail(writer, MT_ERR_NO_MEMORY, "no memory for a block of the log");
		return;
	}
	if (!buffer_reserve(pending, LOG_BLOCK_HEADER_BYTES))
		return;
	pending->size_bytes += LOG_BLOCK_HEADER_BYTES;
	size_t packed = pack(writer, payload);
	if (packed)
		pending->size_bytes += packed;
	else
		buffer_append(pending, payload->bytes, payload->size_bytes);
	if (pending->failed)
		return;
	block->flags = packed ? LOG_BLOCK_ZSTD : 0;
	block->unpacked_bytes = (uint32_t)payload->size_bytes;
	block->stored_bytes = (uint32_t)(pending->size_bytes - begin - LOG_BLOCK_HEADER_BYTES);
	block->payload_crc = log_payload_crc(pending->bytes + begin + LOG_BLOCK_HEADER_BYTES,
					     block->stored_bytes);
	log_block_encode(block, pending->bytes + begin);
	log_writer_index(writer, block, offset_bytes);
}

enum mt_status log_writer_add_blocks(struct log_writer *writer, const struct buffer *blocks,
				     struct mt_error *error)
{
	struct byte_reader bytes = byte_reader_over(blocks->bytes, blocks->size_bytes);
	while (bytes.at < bytes.end) {
		struct log_block block;
		const uint8_t *header = byte_reader_take(&bytes, LOG_BLOCK_HEADER_BYTES);
		enum mt_status status = header ? log_block_decode(&block, header, error)
					       : MT_ERR_CORRUPT;
		if (status != MT_OK || !byte_reader_take(&bytes, block.stored_bytes))
			return mt_error_set(error, MT_ERR_CORRUPT, "blocks to add are cut off");
		log_writer_index(writer, &block, log_writer_size(writer));
		buffer_append(&writer->pending, header,
			      LOG_BLOCK_HEADER_BYTES + block.stored_bytes);
	}
	return MT_OK;
}

enum mt_status log_writer_flush(struct log_writer *writer, struct mt_error *error)
{
	struct buffer *pending = &writer->pending;
	if (pending->failed)
		(void)fail(writer, MT_ERR_NO_MEMORY, "no memory to write the log");
	if (writer->fd < 0)
		return report(writer, error);
	size_t written = 0;
	while (writer->failure.status == MT_OK && written < pending->size_bytes) {
		ssize_t count = pwrite(writer->fd, pending->bytes + written,
				       pending->size_bytes - written,
				       (off_t)(writer->offset_bytes + written));
		if (count > 0)
			written += (size_t)count;
		else if (count == 0 || errno != EINTR)
			(void)fail(writer, MT_ERR_IO, "cannot write the log");
	}
	if (writer->failure.status == MT_OK) {
		writer->offset_bytes += pending->size_bytes;
		buffer_clear(pending);
	} else {
		/* As it was; what is pending waits for a retry. */
		(void)!ftruncate(writer->fd, (off_t)writer->offset_bytes);
	}
	return report(writer, error);
}

enum mt_status log_writer_retry(struct log_writer *writer, struct mt_error *error)
{
	writer->failure.status = MT_OK;
	enum mt_status status = log_writer_flush(writer, error);
	if (status != MT_OK) {
		writer->failure.status = MT_OK;
		buffer_clear(&writer->pending);
	}
	return status;
}

enum mt_status log_writer_finish(struct log_writer *writer, struct mt_error *error)
{
	struct buffer payload = {0};
	uint8_t trailer[LOG_TRAILER_BYTES];
	uint64_t offset_bytes = log_writer_size(writer);
	buffer_varint(&payload, writer->index_count);
	buffer_append(&payload, writer->index.bytes, writer->index.size_bytes);
	put_u64(trailer, offset_bytes);
	memcpy(trailer + 8, LOG_MAGIC, LOG_MAGIC_BYTES);
	buffer_append(&payload, trailer, sizeof(trailer));
	payload.failed |= writer->index.failed;

	/* Stored as it is, so that the trailer is the end of the file. */
	struct log_block block = {.kind = LOG_BLOCK_INDEX, .image = LOG_NO_IMAGE};
	size_t begin = writer->pending.size_bytes;
	if (payload.failed ||
	    !buffer_reserve(&writer->pending, LOG_BLOCK_HEADER_BYTES + payload.size_bytes)) {
		(void)fail(writer, MT_ERR_NO_MEMORY, "no memory for the log's index");
	} else {
		block.unpacked_bytes = (uint32_t)payload.size_bytes;
		block.stored_bytes = (uint32_t)payload.size_bytes;
		block.payload_crc = log_payload_crc(payload.bytes, payload.size_bytes);
		log_block_encode(&block, writer->pending.bytes + begin);
		writer->pending.size_bytes += LOG_BLOCK_HEADER_BYTES;
		buffer_append(&writer->pending, payload.bytes, payload.size_bytes);
	}
	buffer_release(&payload);
	return log_writer_flush(writer, error);
}
