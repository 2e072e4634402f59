/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A recording for which memory runs out, at one allocation after the other: it ends for that
 * reason, and what is in the log by then can be read.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/log/recording.h"
#include "reader/loaded_log.h"
#include "tests/support/log_builder.h"
#include "tests/support/ring_builder.h"

#define PIECE_RECORDS 200u
#define EVENTS 300u

/* The linker puts these in place of the allocator (meson.build). */
void *__wrap_malloc(size_t size_bytes);
void *__wrap_calloc(size_t count, size_t size_bytes);
void *__wrap_realloc(void *block, size_t size_bytes);
void *__real_malloc(size_t size_bytes);
void *__real_calloc(size_t count, size_t size_bytes);
void *__real_realloc(void *block, size_t size_bytes);

static uint32_t allocation_count;
static uint32_t failing; /* from this one on, if it is not 0 */

static bool has_memory(void)
{
	return ++allocation_count < failing || failing == 0;
}

void *__wrap_malloc(size_t size_bytes)
{
	return has_memory() ? __real_malloc(size_bytes) : NULL;
}

void *__wrap_calloc(size_t count, size_t size_bytes)
{
	return has_memory() ? __real_calloc(count, size_bytes) : NULL;
}

void *__wrap_realloc(void *block, size_t size_bytes)
{
	return has_memory() ? __real_realloc(block, size_bytes) : NULL;
}

/* Of everything that needs room in some table. */
static void build(struct ring_builder *ring)
{
	ring_builder_image(ring, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(ring, 1, false, 100);
	ring_builder_module(ring, 1, 0x400000, 0x500000, "/bin/prog");
	for (uint32_t i = 0; i < EVENTS; i++) {
		const uint64_t frames[] = {0x400000 + i % 7 * 8, 0x410000 + i * 8, 0};
		ring_builder_stamp(ring, i + 1);
		ring_builder_epoch(ring, i * 5000);
		if (i % 50 == 0)
			ring_builder_interval(ring, i % 100 ? 512u << i % 7 : 0);
		ring_builder_stack(ring, i % 16, 0, frames);
		ring_builder_event(ring, RING_ALLOCATE, i % 16, 0x10000 + i * 64, 8 + i);
		if (i % 3 == 0)
			ring_builder_event(ring, RING_RELEASE, 0, 0x10000 + i * 32, 0);
	}
}

/* returns  false: no memory */
static bool record(struct recording *recording, const struct ring_builder *ring)
{
	struct mt_error error = {0};
	if (!recording || !recording_image(recording, 1))
		return false;
	for (size_t first = 0, end = 0; first < ring->count; first = end) {
		for (uint32_t i = 0; i < PIECE_RECORDS && end < ring->count; i++)
			end += ring_record_words(ring->words[end]);
		if (!recording_add_piece(recording, 0, ring->words + first, (uint32_t)(end - first),
					 first))
			return false;
		enum mt_status status = recording_decode(recording, true, &error);
		if (status == MT_OK)
			status = recording_commit(recording, &error);
		if (status != MT_OK) {
			assert_int_equal(status, MT_ERR_NO_MEMORY);
			return false;
		}
	}
	return true;
}

/* returns  false: there was not memory enough */
static bool check_failing(uint32_t failing_allocation)
{
	struct ring_builder ring = {0};
	struct log_builder builder;
	struct loaded_log log;
	struct mt_error error;
	build(&ring);
	log_builder_init(&builder);
	assert_int_equal(log_writer_flush(&builder.writer, &error), MT_OK);
	allocation_count = 0;
	failing = failing_allocation;
	struct recording *recording = recording_new(&builder.writer, NULL, &builder.pages);
	bool is_whole = record(recording, &ring);
	failing = 0;
	for (struct recorded_image *image = NULL;
	     recording && (image = recording_next_image(recording, image));)
		assert_int_equal(image->loss, 0);
	recording_free(recording);
	/* As the collector goes on then: what was pending may be lost. */
	enum mt_status status = log_writer_retry(&builder.writer, &error);
	assert_true(status == MT_OK || status == MT_ERR_NO_MEMORY);
	log_builder_close(&builder);
	assert_int_equal(loaded_log_read(&log, builder.path, NULL, &error), MT_OK);
	assert_int_equal(log.damage.status, MT_OK);
	assert_true(log.replay.event_count > EVENTS || !is_whole);
	loaded_log_release(&log);
	log_builder_remove(&builder);
	ring_builder_release(&ring);
	return is_whole;
}

static void every_allocation_that_fails_is_told_as_that(void **state)
{
	(void)state;
	uint32_t failed = 0;
	assert_true(check_failing(0));
	while (!check_failing(failed + 1))
		failed++;
	assert_true(failed > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_that_fails_is_told_as_that),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
