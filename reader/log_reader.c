/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* returns  bytes read: fewer than asked for only at the file's end; -1: errno */
static ssize_t read_at(const struct log_reader *reader, void *bytes, size_t size_bytes,
		       uint64_t offset_bytes)
{
	size_t done = 0;
	if (reader->memory) {
		uint64_t left = offset_bytes < reader->size_bytes
					? reader->size_bytes - offset_bytes
					: 0;
		done = left < size_bytes ? (size_t)left : size_bytes;
		if (done)
			memcpy(bytes, reader->memory + offset_bytes, done);
		return (ssize_t)done;
	}
	while (done < size_bytes) {
		ssize_t count = pread(reader->fd, (char *)bytes + done, size_bytes - done,
				      (off_t)(offset_bytes + done));
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -1;
		if (count == 0)
			break;
		done += (size_t)count;
	}
	return (ssize_t)done;
}

static enum mt_status check_header(const struct log_reader *reader, const char *path,
				   struct mt_error *error)
{
	uint8_t header[LOG_FILE_HEADER_BYTES];
	ssize_t count = read_at(reader, header, sizeof(header), 0);
	if (count < 0)
		return mt_error_set_errno(error, errno, "%s: cannot be read", path);
	if ((size_t)count < LOG_MAGIC_BYTES || memcmp(header, LOG_MAGIC, LOG_MAGIC_BYTES) != 0) {
		/* A log that was cut off in its very first bytes is told from another file. */
		if (count > 0 && (size_t)count < LOG_MAGIC_BYTES &&
		    memcmp(header, LOG_MAGIC, (size_t)count) == 0)
			return mt_error_set(error, MT_ERR_TRUNCATED,
					    "%s: the log is cut off in its header", path);
		return mt_error_set(error, MT_ERR_NOT_A_LOG, "%s: not a memtrace log%s", path,
				    count == 0 ? " (the file is empty)" : "");
	}
	if ((size_t)count < sizeof(header))
		return mt_error_set(error, MT_ERR_TRUNCATED, "%s: the log is cut off in its header",
				    path);
	uint32_t version = get_u32(header + LOG_MAGIC_BYTES);
	if (version == 0 || version > LOG_VERSION)
		return mt_error_set(error, MT_ERR_VERSION,
				    "%s: log version %u, but this memtrace reads versions up to "
				    "%u: use a newer one",
				    path, version, LOG_VERSION);
	return MT_OK;
}

/* The trailer tells a finished log from one that ended early, in one read. */
static bool has_trailer(const struct log_reader *reader)
{
	uint8_t trailer[LOG_TRAILER_BYTES];
	if (reader->size_bytes < LOG_FILE_HEADER_BYTES + LOG_TRAILER_BYTES)
		return false;
	return read_at(reader, trailer, sizeof(trailer), reader->size_bytes - sizeof(trailer)) ==
		       (ssize_t)sizeof(trailer) &&
	       memcmp(trailer + 8, LOG_MAGIC, LOG_MAGIC_BYTES) == 0 &&
	       get_u64(trailer) < reader->size_bytes;
}

enum mt_status log_reader_open(struct log_reader *reader, const char *path, struct mt_error *error)
{
	struct stat status;
	*reader = (struct log_reader){.offset_bytes = LOG_FILE_HEADER_BYTES};
	reader->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (reader->fd < 0)
		return mt_error_set_errno(error, errno, "%s", path);
	enum mt_status result = MT_OK;
	if (fstat(reader->fd, &status) != 0)
		result = mt_error_set_errno(error, errno, "%s", path);
	else if (!S_ISREG(status.st_mode))
		result = mt_error_set(error, MT_ERR_NOT_A_LOG, "%s: not a regular file", path);
	else
		result = check_header(reader, path, error);
	reader->size_bytes = result == MT_OK ? (uint64_t)status.st_size : 0;
	if (result != MT_OK) {
		log_reader_close(reader);
		return result;
	}
	/* The recorder holds a lock as long as it lives; a reader's own is given back at once. */
	if (flock(reader->fd, LOCK_SH | LOCK_NB) == 0)
		(void)flock(reader->fd, LOCK_UN);
	else
		reader->is_live = errno == EWOULDBLOCK;
	reader->is_finished = has_trailer(reader);
	return MT_OK;
}

void log_reader_open_memory(struct log_reader *reader, const uint8_t *blocks, size_t size_bytes)
{
	/* An empty buffer has no address. */
	*reader = (struct log_reader){.fd = -1,
				      .memory = blocks ? blocks : (const uint8_t *)"",
				      .size_bytes = size_bytes};
}

void log_reader_close(struct log_reader *reader)
{
	if (reader->fd >= 0)
		(void)close(reader->fd);
	buffer_release(&reader->stored);
	buffer_release(&reader->unpacked);
	(void)ZSTD_freeDCtx(reader->unpacker); /* NULL is fine; always returns 0 */
	*reader = (struct log_reader){.fd = -1};
}

static int damaged(struct log_reader *reader, enum mt_status status, const char *text)
{
	(void)mt_error_set(&reader->damage, status, "%s", text);
	reader->damage.offset_bytes = reader->block_offset;
	return 0;
}

static int read_failed(struct mt_error *error)
{
	return mt_error_set_errno(error, errno, "the log cannot be read");
}

enum mt_status log_reader_unpack(struct log_reader *reader, const struct log_block *block,
				 const uint8_t *stored, struct byte_reader *ret_payload,
				 struct mt_error *error)
{
	struct buffer *unpacked = &reader->unpacked;
	if (log_payload_crc(stored, block->stored_bytes) != block->payload_crc)
		return mt_error_set(error, MT_ERR_CORRUPT, "a block has a wrong checksum");
	if (!(block->flags & LOG_BLOCK_ZSTD)) {
		*ret_payload = byte_reader_over(stored, block->stored_bytes);
		return MT_OK;
	}
	buffer_clear(unpacked);
	if (!reader->unpacker)
		reader->unpacker = ZSTD_createDCtx();
	if (!reader->unpacker || !buffer_reserve(unpacked, block->unpacked_bytes + 1))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
	size_t count = ZSTD_decompressDCtx(reader->unpacker, unpacked->bytes, block->unpacked_bytes,
					   stored, block->stored_bytes);
	if (ZSTD_isError(count) || count != block->unpacked_bytes)
		return mt_error_set(error, MT_ERR_CORRUPT, "a block can't be unpacked");
	unpacked->size_bytes = count;
	*ret_payload = byte_reader_over(unpacked->bytes, count);
	return MT_OK;
}

int log_reader_payload(struct log_reader *reader, const struct log_block *block,
		       struct byte_reader *ret_payload, struct mt_error *error)
{
	struct buffer *stored = &reader->stored;
	buffer_clear(stored);
	if (!buffer_reserve(stored, (size_t)block->stored_bytes + 1))
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to read the log");
	ssize_t count = read_at(reader, stored->bytes, block->stored_bytes,
				reader->block_offset + LOG_BLOCK_HEADER_BYTES);
	if (count < 0)
		return read_failed(error);
	if ((size_t)count < block->stored_bytes)
		return damaged(reader, MT_ERR_TRUNCATED, "the log is cut off in a block");
	enum mt_status status = log_reader_unpack(reader, block, stored->bytes, ret_payload, error);
	if (status == MT_ERR_CORRUPT)
		return damaged(reader, MT_ERR_CORRUPT,
			       error ? error->message : "a block is damaged");
	return status == MT_OK ? 1 : status;
}

int log_reader_next(struct log_reader *reader, struct log_block *ret_block,
		    struct byte_reader *ret_payload, struct mt_error *error)
{
	uint8_t header[LOG_BLOCK_HEADER_BYTES];
	if (reader->damage.status != MT_OK)
		return 0;
	reader->block_offset = reader->offset_bytes;
	ssize_t count = read_at(reader, header, sizeof(header), reader->offset_bytes);
	if (count < 0)
		return read_failed(error);
	if (count == 0)
		return 0;
	if ((size_t)count < sizeof(header))
		return damaged(reader, MT_ERR_TRUNCATED, "the log is cut off in a block");
	if (log_block_decode(ret_block, header, &reader->damage) != MT_OK) {
		reader->damage.offset_bytes = reader->block_offset;
		return 0;
	}
	uint64_t end = reader->offset_bytes + LOG_BLOCK_HEADER_BYTES + ret_block->stored_bytes;
	if (!ret_payload && end > reader->size_bytes)
		return damaged(reader, MT_ERR_TRUNCATED, "the log is cut off in a block");
	int result = ret_payload ? log_reader_payload(reader, ret_block, ret_payload, error) : 1;
	if (result == 1)
		reader->offset_bytes = end;
	return result;
}

void log_reader_seek(struct log_reader *reader, uint64_t offset_bytes)
{
	reader->offset_bytes = offset_bytes ? offset_bytes : LOG_FILE_HEADER_BYTES;
	reader->damage.status = MT_OK;
}
