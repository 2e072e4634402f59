/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/log/log_writer.h"

static int make_file(char *path)
{
	(void)strcpy(path, "/tmp/memtrace-unit-XXXXXX"); /* arrays of 64 */
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	return fd;
}

static void fill(struct buffer *payload, size_t size_bytes)
{
	uint32_t seed = 1;
	buffer_clear(payload);
	for (size_t i = 0; i < size_bytes; i++) {
		seed = seed * 1664525u + 1013904223u;
		uint8_t byte = (uint8_t)(seed >> 24); /* does not pack */
		buffer_append(payload, &byte, 1);
	}
}

static void add(struct log_writer *writer, const struct buffer *payload)
{
	struct log_block block = {.kind = 900, .image = LOG_NO_IMAGE};
	log_writer_add(writer, &block, payload);
}

static off_t size_of(int fd)
{
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	return status.st_size;
}

static void a_blocks_header_comes_back(void **state)
{
	struct log_block block = {.kind = 6,
				  .flags = 1,
				  .stored_bytes = 7,
				  .unpacked_bytes = 8,
				  .image = 9,
				  .item_count = 10,
				  .first_us = 1ull << 40,
				  .last_us = UINT64_MAX,
				  .payload_crc = 0xdeadbeef};
	uint8_t bytes[LOG_BLOCK_HEADER_BYTES];
	struct log_block read;
	struct mt_error error;
	(void)state;
	log_block_encode(&block, bytes);
	assert_int_equal(log_block_decode(&read, bytes, &error), MT_OK);
	assert_int_equal(read.unpacked_bytes, block.unpacked_bytes);
	assert_int_equal(read.image, block.image);
	assert_int_equal(read.item_count, block.item_count);
	assert_int_equal(read.first_us, block.first_us);
	assert_int_equal(read.last_us, block.last_us);
	assert_int_equal(read.payload_crc, block.payload_crc);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] ^= 4;
		assert_int_equal(log_block_decode(&read, bytes, &error), MT_ERR_CORRUPT);
		bytes[i] ^= 4;
	}
}

static void a_block_over_the_limit_is_refused(void **state)
{
	uint8_t bytes[LOG_BLOCK_HEADER_BYTES];
	struct log_block read;
	struct mt_error error;
	(void)state;
	log_block_encode(&(struct log_block){.unpacked_bytes = LIMIT_BLOCK_BYTES}, bytes);
	assert_int_equal(log_block_decode(&read, bytes, &error), MT_OK);
	log_block_encode(&(struct log_block){.unpacked_bytes = LIMIT_BLOCK_BYTES + 1}, bytes);
	assert_int_equal(log_block_decode(&read, bytes, &error), MT_ERR_LIMIT);
	log_block_encode(&(struct log_block){.stored_bytes = UINT32_MAX}, bytes);
	assert_int_equal(log_block_decode(&read, bytes, &error), MT_ERR_LIMIT);
}

/* A file size limit, as a full disk: the file stays as it was, and room lets it go on. */
static void what_has_no_room_waits_for_it(void **state)
{
	char path[64];
	struct log_writer writer;
	struct buffer payload = {0};
	struct mt_error error = {0};
	struct rlimit limit;
	int fd = make_file(path);
	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN); /* as the collector does */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(log_writer_init(&writer, fd, &error), MT_OK);
	fill(&payload, 5000);
	add(&writer, &payload);
	assert_int_equal(log_writer_flush(&writer, &error), MT_OK);
	off_t good = size_of(fd);
	assert_int_equal(good, log_writer_size(&writer));
	/* Room for a part of the next block only: a short write. */
	struct rlimit tight = {.rlim_cur = (rlim_t)good + 1000, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	add(&writer, &payload);
	assert_int_equal(log_writer_flush(&writer, &error), MT_ERR_IO);
	assert_int_equal(error.system_errno, EFBIG);
	assert_null(strchr(error.message, '\n'));
	assert_int_equal(size_of(fd), good);
	/* Once failed, always: nothing may be written behind a hole. */
	add(&writer, &payload);
	assert_int_equal(log_writer_flush(&writer, &error), MT_ERR_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(log_writer_retry(&writer, &error), MT_OK);
	assert_int_equal(size_of(fd), good + LOG_BLOCK_HEADER_BYTES + 5000);
	log_writer_release(&writer);
	buffer_release(&payload);
	(void)close(fd);
	(void)unlink(path);
}

static void a_retry_that_fails_drops_what_was_pending(void **state)
{
	char path[64];
	struct log_writer writer;
	struct buffer payload = {0};
	struct mt_error error = {0};
	struct rlimit limit;
	int fd = make_file(path);
	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(log_writer_init(&writer, fd, &error), MT_OK);
	struct rlimit tight = {.rlim_cur = 200, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	fill(&payload, 5000);
	add(&writer, &payload);
	assert_int_equal(log_writer_flush(&writer, &error), MT_ERR_IO);
	assert_int_equal(log_writer_retry(&writer, &error), MT_ERR_IO);
	/* The end of the log is small, and has room. */
	fill(&payload, 20);
	add(&writer, &payload);
	assert_int_equal(log_writer_flush(&writer, &error), MT_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(size_of(fd), LOG_FILE_HEADER_BYTES + LOG_BLOCK_HEADER_BYTES + 20);
	log_writer_release(&writer);
	buffer_release(&payload);
	(void)close(fd);
	(void)unlink(path);
}

static void a_finished_log_ends_with_its_index(void **state)
{
	char path[64];
	struct log_writer writer;
	struct buffer payload = {0};
	struct mt_error error = {0};
	uint8_t trailer[LOG_TRAILER_BYTES];
	uint8_t header[LOG_BLOCK_HEADER_BYTES];
	struct log_block block;
	int fd = make_file(path);
	(void)state;
	assert_int_equal(log_writer_init(&writer, fd, &error), MT_OK);
	fill(&payload, 40);
	add(&writer, &payload);
	add(&writer, &payload);
	assert_int_equal(log_writer_finish(&writer, &error), MT_OK);
	off_t size = size_of(fd);
	assert_int_equal(pread(fd, trailer, sizeof(trailer), size - (off_t)sizeof(trailer)),
			 sizeof(trailer));
	assert_memory_equal(trailer + 8, LOG_MAGIC, LOG_MAGIC_BYTES);
	assert_int_equal(pread(fd, header, sizeof(header), (off_t)get_u64(trailer)),
			 sizeof(header));
	assert_int_equal(log_block_decode(&block, header, &error), MT_OK);
	assert_int_equal(block.kind, LOG_BLOCK_INDEX);
	assert_int_equal((off_t)get_u64(trailer) + LOG_BLOCK_HEADER_BYTES + block.stored_bytes,
			 size);
	log_writer_release(&writer);
	buffer_release(&payload);
	(void)close(fd);
	(void)unlink(path);
}

static void a_payload_that_had_no_memory_is_a_failure(void **state)
{
	struct log_writer writer;
	struct buffer payload = {.failed = true};
	struct mt_error error = {0};
	(void)state;
	log_writer_resume_in_memory(&writer);
	add(&writer, &payload);
	assert_int_equal(log_writer_flush(&writer, &error), MT_ERR_NO_MEMORY);
	assert_int_equal(log_writer_size(&writer), 0);
	log_writer_release(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blocks_header_comes_back),
		cmocka_unit_test(a_block_over_the_limit_is_refused),
		cmocka_unit_test(what_has_no_room_waits_for_it),
		cmocka_unit_test(a_retry_that_fails_drops_what_was_pending),
		cmocka_unit_test(a_finished_log_ends_with_its_index),
		cmocka_unit_test(a_payload_that_had_no_memory_is_a_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
