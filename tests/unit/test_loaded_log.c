/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading whole logs, cut ones and damaged ones. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reader/finish.h"
#include "reader/loaded_log.h"
#include "tests/support/log_builder.h"

static const uint64_t path_a[] = {0x1000, 0x2000, 0x3000, 0};
static const uint64_t path_b[] = {0x1000, 0x2000, 0x4000, 0};

#define BLOCKS 400u

/* BLOCKS allocations of 10 bytes, every second freed, in several commits. */
static void build(struct log_builder *builder)
{
	log_builder_init(builder);
	uint32_t image = log_builder_image(builder, 100, -1);
	log_builder_module(builder, image, "/bin/prog");
	log_builder_thread(builder, image, 0, "main");
	uint32_t stacks[] = {log_builder_stack(builder, image, path_a),
			     log_builder_stack(builder, image, path_b)};
	for (uint32_t i = 0; i < BLOCKS; i++) {
		struct builder_event event = {
			.operation = EVENT_ALLOCATE,
			.time_us = i * 10,
			.address = 0x10000 + i * 16,
			.size_bytes = 10,
			.stack = stacks[i % 2],
		};
		log_builder_event(builder, image, &event);
		event.operation = EVENT_RELEASE;
		if (i % 2)
			log_builder_event(builder, image, &event);
		if (i % 100 == 99)
			log_builder_commit(builder);
	}
	log_builder_slack(builder, image, 6, 4000, 9600);
	log_builder_image_end(builder, image, BLOCKS * 10);
	log_builder_end(builder, BLOCKS * 10, 0);
	log_builder_close(builder);
}

static uint8_t *slurp(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	uint8_t *bytes = malloc(1u << 20);
	*ret_size = fread(bytes, 1, 1u << 20, file);
	(void)fclose(file);
	return bytes;
}

static void spill(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void a_whole_log_is_complete(void **state)
{
	struct log_builder builder;
	struct loaded_log log;
	struct mt_error error;
	(void)state;
	build(&builder);
	assert_int_equal(loaded_log_read(&log, builder.path, NULL, &error), MT_OK);
	assert_null(loaded_log_incomplete_reason(&log));
	assert_int_equal(log.replay.images[0]->totals.allocations, BLOCKS);
	assert_int_equal(log.replay.images[0]->totals.live_bytes, BLOCKS / 2 * 10);
	assert_string_equal(log.info.run.command, "prog 'an argument'");
	assert_true(log.info.has_status);
	assert_int_equal(log.info.images[0].slack_measured, 6);
	assert_int_equal(log.info.images[0].slack_requested_bytes, 4000);
	assert_int_equal(log.info.images[0].slack_usable_bytes, 9600);
	loaded_log_release(&log);
	log_builder_remove(&builder);
}

/* Reads a cut or damaged log: never a crash; what it has fits together. */
static void check_prefix(const char *path, uint64_t *allocations)
{
	struct loaded_log log;
	struct mt_error error = {0};
	if (loaded_log_read(&log, path, NULL, &error) != MT_OK) {
		assert_true(strlen(error.message) > 0);
		assert_null(strchr(error.message, '\n'));
		return;
	}
	uint64_t count = log.replay.image_count ? log.replay.images[0]->totals.allocations : 0;
	assert_true(count >= *allocations);
	assert_true(count <= BLOCKS);
	if (!loaded_log_incomplete_reason(&log))
		assert_int_equal(count, BLOCKS);
	*allocations = count;
	loaded_log_release(&log);
}

static void every_cut_is_read_up_to_there(void **state)
{
	struct log_builder builder;
	struct finish_result result;
	struct mt_error error;
	struct finish_options options = {0};
	size_t size;
	uint64_t allocations = 0;
	(void)state;
	build(&builder);
	assert_int_equal(finish_log(builder.path, &options, &result, &error), MT_OK);
	uint8_t *bytes = slurp(builder.path, &size);
	for (size_t cut = 0; cut < size; cut++) {
		assert_int_equal(truncate(builder.path, 0), 0);
		spill(builder.path, bytes, cut);
		check_prefix(builder.path, &allocations);
	}
	assert_int_equal(allocations, BLOCKS);
	free(bytes);
	log_builder_remove(&builder);
}

static void a_changed_byte_is_noticed(void **state)
{
	struct log_builder builder;
	size_t size;
	(void)state;
	build(&builder);
	uint8_t *bytes = slurp(builder.path, &size);
	for (size_t at = LOG_FILE_HEADER_BYTES; at < size; at += 7) {
		struct loaded_log log;
		struct mt_error error;
		bytes[at] ^= 0x10;
		spill(builder.path, bytes, size);
		if (loaded_log_read(&log, builder.path, NULL, &error) == MT_OK) {
			assert_non_null(loaded_log_incomplete_reason(&log));
			loaded_log_release(&log);
		}
		bytes[at] ^= 0x10;
	}
	free(bytes);
	log_builder_remove(&builder);
}

static void a_finished_log_has_the_replays_figures(void **state)
{
	struct log_builder builder;
	struct loaded_log replayed;
	struct loaded_log finished;
	struct finish_result result;
	struct finish_options options = {0};
	struct mt_error error;
	(void)state;
	build(&builder);
	assert_int_equal(loaded_log_read(&replayed, builder.path, NULL, &error), MT_OK);
	assert_int_equal(finish_log(builder.path, &options, &result, &error), MT_OK);
	assert_int_equal(loaded_log_read(&finished, builder.path, NULL, &error), MT_OK);
	assert_true(finished.has_profile);
	assert_false(replayed.has_profile);
	assert_int_equal(finished.replay.peak_bytes, replayed.replay.peak_bytes);
	assert_int_equal(finished.replay.peak_us, replayed.replay.peak_us);
	assert_memory_equal(&finished.replay.images[0]->totals, &replayed.replay.images[0]->totals,
			    sizeof(struct replay_totals));
	assert_int_equal(finished.replay.images[0]->costs.count,
			 replayed.replay.images[0]->costs.count);
	/* Finishing once more changes nothing that counts. */
	assert_int_equal(finish_log(builder.path, &options, &result, &error), MT_OK);
	assert_int_equal(result.totals.allocations, BLOCKS);
	loaded_log_release(&replayed);
	loaded_log_release(&finished);
	log_builder_remove(&builder);
}

static void a_block_of_a_newer_kind_is_skipped(void **state)
{
	struct log_builder builder;
	struct loaded_log log;
	struct mt_error error;
	(void)state;
	log_builder_init(&builder);
	struct log_block block = {.kind = 999, .image = LOG_NO_IMAGE};
	struct buffer payload = {0};
	buffer_append(&payload, "what is this", 12);
	log_writer_add(&builder.writer, &block, &payload);
	buffer_release(&payload);
	(void)log_builder_image(&builder, 100, -1);
	log_builder_end(&builder, 10, 0);
	log_builder_close(&builder);
	assert_int_equal(loaded_log_read(&log, builder.path, NULL, &error), MT_OK);
	assert_null(loaded_log_incomplete_reason(&log));
	assert_int_equal(log.info.image_count, 1);
	loaded_log_release(&log);
	log_builder_remove(&builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_log_is_complete),
		cmocka_unit_test(every_cut_is_read_up_to_there),
		cmocka_unit_test(a_changed_byte_is_noticed),
		cmocka_unit_test(a_finished_log_has_the_replays_figures),
		cmocka_unit_test(a_block_of_a_newer_kind_is_skipped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
