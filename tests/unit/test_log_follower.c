/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A log that is replayed while it grows, against one that is read when it is whole. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log/log_writer.h"
#include "reader/checkpoint.h"
#include "reader/finish.h"
#include "reader/log_follower.h"
#include "tests/support/log_builder.h"
#include "tests/unit/same_log.h"

#define PLACES 5000u
#define STACKS 20u
#define IMAGES 2u
#define COMMITS 60u
#define COMMIT_EVENTS 4000u
#define STEP_US 700u /* so that pieces are put together, time and again */
#define PIECES_MIN 8u

static uint32_t random_state;

static uint32_t next_random(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(random_state >> 4) * limit >> 28);
}

/* A log that is being written. */
struct growing {
	struct log_builder builder;
	uint32_t stacks[IMAGES][STACKS];
	bool is_taken[IMAGES][PLACES];
	uint64_t time_us;
	uint64_t live_bytes;
	/* What it was after each event. */
	struct {
		uint64_t time_us;
		uint64_t live_bytes;
	} history[COMMITS * COMMIT_EVENTS];
	uint32_t event_count;
};

static void begin(struct growing *growing, uint32_t seed)
{
	memset(growing, 0, sizeof(*growing));
	random_state = seed;
	log_builder_init(&growing->builder);
	for (uint32_t image = 0; image < IMAGES; image++) {
		log_builder_image(&growing->builder, 100 + image, image ? 0 : -1);
		log_builder_module(&growing->builder, image, "/bin/prog");
		log_builder_thread(&growing->builder, image, 0, "main");
		for (uint32_t i = 0; i < STACKS; i++) {
			const uint64_t offsets[] = {0x1000, 0x2000 + i % 3, 0x3000 + i, 0};
			growing->stacks[image][i] = log_builder_stack(&growing->builder, image,
								      offsets);
		}
	}
}

/* More events, up to a commit. returns the log's size then */
static uint64_t grow(struct growing *growing)
{
	for (uint32_t i = 0; i < COMMIT_EVENTS; i++) {
		uint32_t image = next_random(IMAGES);
		uint32_t place = next_random(PLACES);
		bool *is_taken = &growing->is_taken[image][place];
		growing->time_us += next_random(STEP_US) / 100;
		log_builder_event(&growing->builder, image,
				  &(struct builder_event){
					  .operation = *is_taken ? EVENT_RELEASE : EVENT_ALLOCATE,
					  .time_us = growing->time_us,
					  .address = 0x10000 + place * 64,
					  .size_bytes = 1 + place % 64,
					  .stack = growing->stacks[image][place % STACKS],
				  });
		*is_taken = !*is_taken;
		growing->live_bytes += *is_taken ? 1 + place % 64 : 0 - (uint64_t)(1 + place % 64);
		growing->history[growing->event_count].time_us = growing->time_us;
		growing->history[growing->event_count++].live_bytes = growing->live_bytes;
	}
	log_builder_commit(&growing->builder);
	assert_int_equal(log_writer_flush(&growing->builder.writer, NULL), MT_OK);
	return log_writer_size(&growing->builder.writer);
}

static void end(struct growing *growing)
{
	for (uint32_t image = 0; image < IMAGES; image++)
		log_builder_image_end(&growing->builder, image, growing->time_us);
	log_builder_end(&growing->builder, growing->time_us, 0);
	log_builder_close(&growing->builder);
}

/* What is live at the end of a piece. */
static uint64_t live_at(const struct generations *generations, uint32_t piece)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < generations->count; i++)
		if (generations->items[i].born <= piece && generations->items[i].died > piece)
			bytes += generations->items[i].bytes;
	return bytes;
}

static void check_generations(const struct loaded_log *followed, const struct growing *growing)
{
	const struct generations *generations = &followed->replay.generations;
	assert_in_range(generations->piece_count, PIECES_MIN, GENERATIONS_PIECES);
	assert_true(generations->piece_us * generations->piece_count > followed->replay.last_us);
	for (uint32_t i = 0; i + 1 < growing->event_count; i++) {
		uint32_t piece = generations_piece(generations, growing->history[i].time_us);
		if (piece == generations_piece(generations, growing->history[i + 1].time_us))
			continue;
		assert_int_equal(live_at(generations, piece), growing->history[i].live_bytes);
	}
}

static void check_against_whole(struct loaded_log *followed, const char *path)
{
	struct loaded_log whole;
	struct mt_error error;
	assert_int_equal(loaded_log_read(&whole, path, &finish_replay_options, &error), MT_OK);
	check_same_log(followed, &whole);
	loaded_log_release(&whole);
}

/* Tells of some commits, a pause after each, and takes it behind the one before the last. */
static void check_followed(uint32_t seed, uint32_t told_every, useconds_t pause_us)
{
	static struct growing growing;
	struct loaded_log log;
	struct mt_error error;
	begin(&growing, seed);
	struct log_follower *follower = log_follower_new(&finish_replay_options, false);
	assert_non_null(follower);
	for (uint32_t i = 1; i <= COMMITS; i++) {
		uint64_t end_bytes = grow(&growing);
		if (i % told_every == 0 && i < COMMITS) {
			log_follower_tell(follower, growing.builder.fd, NULL, 0, end_bytes);
			(void)usleep(pause_us);
		}
	}
	assert_true(log_follower_end(follower, growing.builder.path, &log));
	end(&growing);
	assert_int_equal(loaded_log_read_rest(&log, growing.builder.path, &error), MT_OK);
	log_follower_free(follower);
	check_against_whole(&log, growing.builder.path);
	check_generations(&log, &growing);
	loaded_log_release(&log);
	log_builder_remove(&growing.builder);
}

static void a_log_that_grows_is_replayed_as_one_that_is_whole(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 5; seed++)
		check_followed(seed, seed, 0);
	check_followed(6, 1, 2000);
	check_followed(7, 7, 20000);
	check_followed(8, COMMITS + 1, 0);
}

static void what_is_finished_says_the_same(void **state)
{
	static struct growing growing;
	struct finish_options options = {.has_no_symbols = true};
	struct finish_result result;
	struct loaded_log log;
	struct mt_error error;
	(void)state;
	begin(&growing, 11);
	options.follower = log_follower_new(&finish_replay_options, false);
	assert_non_null(options.follower);
	for (uint32_t i = 0; i < COMMITS; i++)
		log_follower_tell(options.follower, growing.builder.fd, NULL, 0, grow(&growing));
	end(&growing);
	assert_int_equal(finish_log(growing.builder.path, &options, &result, &error), MT_OK);
	assert_true(result.is_complete);
	assert_int_equal(result.process_count, IMAGES);
	/* The sums are read now, and replayed for comparison. */
	const struct loaded_log_options ignoring = {.ignores_profile = true};
	struct loaded_log replayed;
	assert_int_equal(loaded_log_read(&log, growing.builder.path, NULL, &error), MT_OK);
	assert_true(log.has_profile);
	assert_int_equal(loaded_log_read(&replayed, growing.builder.path, &ignoring, &error),
			 MT_OK);
	assert_int_equal(log.replay.peak_bytes, replayed.replay.peak_bytes);
	assert_int_equal(log.replay.peak_bytes, result.totals.peak_bytes);
	assert_true(log.replay.has_details);
	check_generations(&log, &growing);
	loaded_log_release(&replayed);
	loaded_log_release(&log);
	log_builder_remove(&growing.builder);
}

static void checkpoints_are_made_on_the_way(void **state)
{
	static struct growing growing;
	const struct loaded_log_options options = {.makes_checkpoints = true,
						   .checkpoint_events = 3 * COMMIT_EVENTS};
	struct loaded_log log;
	struct mt_error error;
	(void)state;
	begin(&growing, 13);
	struct log_follower *follower = log_follower_new(&options, false);
	for (uint32_t i = 0; i < COMMITS; i++) {
		log_follower_tell(follower, growing.builder.fd, NULL, 0, grow(&growing));
		(void)usleep(1000);
	}
	(void)usleep(200000);
	assert_true(log_follower_end(follower, growing.builder.path, &log));
	assert_true(log.checkpoints->count > 2);
	end(&growing);
	assert_int_equal(loaded_log_read_rest(&log, growing.builder.path, &error), MT_OK);
	log_follower_free(follower);
	loaded_log_release(&log);
	log_builder_remove(&growing.builder);
}

static void a_log_without_an_end_is_not_taken_for_whole(void **state)
{
	static struct growing growing;
	struct finish_options options = {.has_no_symbols = true};
	struct finish_result result;
	struct loaded_log log;
	struct mt_error error;
	(void)state;
	begin(&growing, 17);
	struct log_follower *follower = log_follower_new(&finish_replay_options, false);
	log_follower_tell(follower, growing.builder.fd, NULL, 0, grow(&growing));
	(void)usleep(20000);
	assert_true(log_follower_end(follower, growing.builder.path, &log));
	assert_int_equal(loaded_log_read_rest(&log, growing.builder.path, &error),
			 MT_ERR_TRUNCATED);
	log_follower_free(follower);
	/* It is finished as what it is. */
	options.follower = log_follower_new(&finish_replay_options, false);
	log_follower_tell(options.follower, growing.builder.fd, NULL, 0, grow(&growing));
	assert_int_equal(finish_log(growing.builder.path, &options, &result, &error), MT_OK);
	assert_false(result.is_complete);
	log_builder_remove(&growing.builder);
}

static void what_is_no_log_is_of_no_use(void **state)
{
	struct loaded_log log;
	int pipe_fds[2];
	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	(void)close(pipe_fds[0]);
	struct log_follower *follower = log_follower_new(&finish_replay_options, false);
	log_follower_tell(follower, pipe_fds[1], NULL, 0, 4096);
	assert_false(log_follower_end(follower, "/nonexistent", &log));
	log_follower_free(follower);
	(void)close(pipe_fds[1]);
}

/* Blocks that take more than a follower may have are left for the end. */
static void a_large_heap_is_not_followed_to_its_end(void **state)
{
	static struct growing growing;
	const uint64_t wanted = LOG_FOLLOWER_BYTES_MAX / sizeof(struct replay_block);
	struct loaded_log log;
	struct mt_error error;
	uint64_t end_bytes = 0;
	(void)state;
	begin(&growing, 19);
	struct log_follower *follower = log_follower_new(&finish_replay_options, false);
	for (uint64_t i = 1; i <= wanted; i++) {
		log_builder_event(&growing.builder, 0,
				  &(struct builder_event){
					  .operation = EVENT_ALLOCATE,
					  .time_us = i / 1000,
					  .address = 0x100000 + i * 16,
					  .size_bytes = 16,
					  .stack = growing.stacks[0][0],
				  });
		if (i % (1u << 17) != 0)
			continue;
		log_builder_commit(&growing.builder);
		assert_int_equal(log_writer_flush(&growing.builder.writer, NULL), MT_OK);
		end_bytes = log_writer_size(&growing.builder.writer);
		log_follower_tell(follower, growing.builder.fd, NULL, 0, end_bytes);
	}
	(void)usleep(1000000);
	assert_true(log_follower_end(follower, growing.builder.path, &log));
	assert_true(log.good_end < end_bytes);
	end(&growing);
	assert_int_equal(loaded_log_read_rest(&log, growing.builder.path, &error), MT_OK);
	log_follower_free(follower);
	check_against_whole(&log, growing.builder.path);
	loaded_log_release(&log);
	log_builder_remove(&growing.builder);
}

static uint32_t count_threads(void)
{
	uint32_t count = 0;
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	for (const struct dirent *entry; (entry = readdir(tasks));)
		count += entry->d_name[0] != '.';
	(void)closedir(tasks);
	return count;
}

/* As on a busy machine, where a thread of the lowest priority may not run for long. */
static void a_thread_that_does_not_end_is_left_alone(void **state)
{
	char path[] = "/tmp/memtrace-test.XXXXXX";
	struct loaded_log log;
	(void)state;
	uint32_t thread_count = count_threads();
	assert_non_null(mkdtemp(path));
	char fifo[sizeof(path) + 5];
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	struct log_follower *follower = log_follower_new(&finish_replay_options, true);
	log_follower_tell(follower, fd, NULL, 0, 4096);
	assert_false(log_follower_end(follower, fifo, &log));
	/* It waits for somebody who writes. */
	assert_int_equal(count_threads(), thread_count + 1);
	log_follower_free(follower);
	int writing_fd = open(fifo, O_WRONLY | O_CLOEXEC);
	assert_true(writing_fd >= 0);
	while (count_threads() > thread_count)
		(void)usleep(1000);
	(void)close(writing_fd);
	(void)close(fd);
	(void)unlink(fifo);
	(void)rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_that_grows_is_replayed_as_one_that_is_whole),
		cmocka_unit_test(what_is_finished_says_the_same),
		cmocka_unit_test(checkpoints_are_made_on_the_way),
		cmocka_unit_test(a_log_without_an_end_is_not_taken_for_whole),
		cmocka_unit_test(what_is_no_log_is_of_no_use),
		cmocka_unit_test(a_large_heap_is_not_followed_to_its_end),
		cmocka_unit_test(a_thread_that_does_not_end_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
