/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a recording hands over is what a reader makes of its log, wherever that begins and ends. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "reader/block_feed.h"
#include "reader/event_handover.h"
#include "reader/finish.h"
#include "reader/log_follower.h"
#include "reader/log_reader.h"
#include "reader/log_window.h"
#include "tests/support/recording_rig.h"
#include "tests/unit/same_log.h"

#define RINGS 3u /* the first two are of one process */
#define IMAGES 2u
#define PLACES 300u
#define TURNS 60u
#define TURN_EVENTS 900u
#define HANDED_BYTES 40000u
#define CHECKPOINT_EVENTS 4000u

/* A recording of made-up events, and the two sides of what it hands over. */
struct fed {
	struct recording_rig rig; /* first: its observer's context is this */
	struct ring_builder rings[RINGS];
	bool is_taken[IMAGES][PLACES];
	uint64_t moving[RINGS]; /* place + 1 of a realloc under way; 0: none */
	uint64_t stamp;
	uint64_t time_us;
	uint32_t seed;
	struct event_handover *handover; /* one of these two */
	struct log_follower *follower;
	struct event_copier copier;
	uint64_t end_bytes; /* that the taker was told of */
};

static uint32_t roll(struct fed *fed, uint32_t sides)
{
	fed->seed = fed->seed * 1664525u + 1013904223u;
	return (fed->seed >> 8) % sides;
}

static uint64_t address_of(uint64_t place)
{
	return 0x10000 + place * 64;
}

/* Anything that a tracker may write, and blocks that come to where another one is. */
static void step(struct fed *fed, uint32_t index)
{
	struct ring_builder *ring = &fed->rings[index];
	bool *is_taken = fed->is_taken[index / 2];
	uint32_t place = roll(fed, PLACES);
	uint64_t size_bytes = 1 + place % 7 * 100;
	ring_builder_stamp(ring, ++fed->stamp);
	if (roll(fed, 20) == 0)
		ring_builder_epoch(ring, fed->time_us += roll(fed, 3000));
	if (roll(fed, 500) == 0)
		ring_builder_interval(ring, roll(fed, 2) ? 512u << roll(fed, 10) : 0);
	if (roll(fed, 30) == 0) {
		uint64_t frames[] = {0x400000 + roll(fed, 9) * 8, 0x500000 + roll(fed, 50) * 8, 0};
		ring_builder_stack(ring, roll(fed, 20), 0, frames);
	}
	if (fed->moving[index]) {
		uint64_t from = fed->moving[index] - 1;
		bool has_failed = !is_taken[from] && roll(fed, 2);
		fed->moving[index] = 0;
		ring_builder_event(ring, has_failed ? RING_MOVE_FAILED : RING_MOVE_END, 0,
				   address_of(has_failed ? from : place), size_bytes);
		is_taken[has_failed ? from : place] = true;
	} else if (roll(fed, 4) == 0) {
		/* Released at once. */
		ring_builder_event(ring, RING_ALLOCATE, roll(fed, 20), address_of(place),
				   size_bytes);
		ring_builder_event(ring, RING_RELEASE, 0, address_of(place), 0);
		is_taken[place] = false;
	} else if (is_taken[place] && roll(fed, 8)) {
		bool is_moved = roll(fed, 5) == 0;
		ring_builder_event(ring, is_moved ? RING_MOVE_BEGIN : RING_RELEASE, 0,
				   address_of(place), 0);
		fed->moving[index] = is_moved ? place + 1 : 0;
		is_taken[place] = false;
	} else {
		bool is_unknown = !is_taken[place] && roll(fed, 50) == 0;
		ring_builder_event(ring, is_unknown ? RING_RELEASE : RING_ALLOCATE, roll(fed, 20),
				   address_of(place), size_bytes);
		is_taken[place] = !is_unknown;
	}
}

/* The taker is told of most commits. */
static void committed(void *context, uint64_t event_count)
{
	struct fed *fed = context;
	if (roll(fed, 4) == 0)
		return;
	fed->end_bytes = log_writer_size(&fed->rig.builder.writer);
	if (fed->follower)
		log_follower_tell(fed->follower, fed->rig.builder.fd, fed->rig.recording,
				  event_count, fed->end_bytes);
	else
		event_handover_commit(fed->handover, fed->rig.recording, event_count,
				      fed->end_bytes);
}

static void begin(struct fed *fed, uint32_t seed)
{
	memset(fed, 0, sizeof(*fed));
	fed->seed = seed;
	recording_rig_init(&fed->rig, 1);
	fed->rig.observer.copier = &fed->copier;
	fed->rig.observer.committed = committed;
	for (uint32_t r = 0; r < RINGS; r++) {
		if (r % 2 == 0)
			ring_builder_image(&fed->rings[r], r / 2 + 1, 100 + r / 2, "/bin/prog",
					   "prog");
		ring_builder_thread(&fed->rings[r], r / 2 + 1, false, 100 + r);
		recording_rig_publish(&fed->rig, r, r / 2, &fed->rings[r]);
	}
}

static void turn(struct fed *fed, uint32_t number)
{
	for (uint32_t r = 0; r < RINGS; r++)
		fed->rings[r].count = 0;
	for (uint32_t i = roll(fed, 2 * TURN_EVENTS); i > 0; i--)
		step(fed, roll(fed, RINGS));
	for (uint32_t r = 0; r < RINGS; r++)
		recording_rig_publish(&fed->rig, r, r / 2, &fed->rings[r]);
	(void)recording_rig_round(&fed->rig, number + 1);
	if (roll(fed, 3))
		recording_rig_commit(&fed->rig);
}

/* The recording is over: one process after the other, then the log. */
static void end(struct fed *fed)
{
	for (uint32_t i = 0; i < IMAGES; i++) {
		recording_rig_finish(&fed->rig, i);
		recording_end_image(fed->rig.recording, recording_image(fed->rig.recording, i + 1),
				    fed->time_us, &(struct image_end){0});
		recording_rig_commit(&fed->rig);
	}
	log_builder_end(&fed->rig.builder, fed->time_us, 0);
	assert_int_equal(log_writer_flush(&fed->rig.builder.writer, NULL), MT_OK);
}

static void release(struct fed *fed)
{
	for (uint32_t r = 0; r < RINGS; r++)
		ring_builder_release(&fed->rings[r]);
	event_handover_free(fed->handover);
	log_follower_free(fed->follower);
	recording_rig_release(&fed->rig);
}

/* What the taker has of the log, with how much of it was handed over. */
struct taker {
	struct loaded_log log;
	struct log_reader reader;
	struct block_feed feed;
	uint64_t handed_blocks;
	uint64_t decoded_blocks;
};

static void take_all(struct taker *taker, struct event_handover *handover, uint64_t end_bytes)
{
	struct mt_error error;
	block_feed_extend(&taker->feed, end_bytes);
	for (;;) {
		struct block_feed_item *item = block_feed_next(&taker->feed);
		if (item->result != 1) {
			assert_int_equal(item->result, 0);
			assert_int_equal(item->error.status, MT_OK);
			break;
		}
		if (item->block.kind == LOG_BLOCK_EVENTS)
			++*(event_handover_is_on(handover) ? &taker->handed_blocks
							   : &taker->decoded_blocks);
		assert_int_equal(loaded_log_take(&taker->log, item, &error), MT_OK);
	}
	event_handover_follow(handover, end_bytes, CHECKPOINT_EVENTS);
}

static const struct loaded_log_options reading = {.makes_checkpoints = true,
						  .checkpoint_events = CHECKPOINT_EVENTS};

static struct event_handover_options options_of(uint64_t bytes_max, bool from_start)
{
	return (struct event_handover_options){
		.bytes_max = bytes_max,
		.checkpoint_events = CHECKPOINT_EVENTS,
		.from_start = from_start,
	};
}

/* A taker who looks once in so many turns, and stops altogether at one of them. */
static void check_taken(uint32_t seed, const struct event_handover_options *options,
			uint32_t looks_every, uint32_t stops_at, struct taker *taker)
{
	static struct fed fed;
	struct loaded_log whole;
	struct mt_error error;
	begin(&fed, seed);
	fed.handover = event_handover_new(options);
	fed.copier = event_handover_copier(fed.handover);
	assert_int_equal(log_reader_open(&taker->reader, fed.rig.builder.path, &error), MT_OK);
	assert_int_equal(loaded_log_begin(&taker->log, &reading, fed.handover, &taker->reader,
					  &taker->feed, &error),
			 MT_OK);
	for (uint32_t i = 0; i < TURNS; i++) {
		turn(&fed, i);
		if (i == stops_at)
			event_handover_stop(fed.handover);
		if (i % looks_every == 0 && fed.end_bytes && i < stops_at)
			take_all(taker, fed.handover, fed.end_bytes);
	}
	block_feed_close(&taker->feed);
	log_reader_close(&taker->reader);
	end(&fed);
	assert_int_equal(loaded_log_read_rest(&taker->log, fed.rig.builder.path, &error), MT_OK);
	assert_int_equal(loaded_log_read(&whole, fed.rig.builder.path, &reading, &error), MT_OK);
	check_same_log(&taker->log, &whole);
	assert_true(taker->log.checkpoints->count > 2);
	loaded_log_release(&whole);
	loaded_log_release(&taker->log);
	release(&fed);
}

static void who_keeps_up_decodes_nothing(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 10; seed++) {
		struct taker taker = {0};
		const struct event_handover_options options = options_of(UINT64_MAX, true);
		check_taken(seed, &options, 1, UINT32_MAX, &taker);
		assert_true(taker.handed_blocks > TURNS / 2);
		assert_int_equal(taker.decoded_blocks, 0);
	}
}

static void who_is_behind_decodes_until_he_has_caught_up(void **state)
{
	(void)state;
	for (uint32_t seed = 11; seed <= 30; seed++) {
		struct taker taker = {0};
		const struct event_handover_options options = options_of(HANDED_BYTES, seed % 2);
		check_taken(seed, &options, 2 + seed % 7, UINT32_MAX, &taker);
		assert_true(taker.handed_blocks > 0);
		assert_true(taker.decoded_blocks > 0);
	}
}

static void who_stops_reads_the_rest_himself(void **state)
{
	(void)state;
	for (uint32_t seed = 31; seed <= 50; seed++) {
		struct taker taker = {0};
		const struct event_handover_options options = options_of(HANDED_BYTES, true);
		check_taken(seed, &options, 1, seed - 30, &taker);
	}
}

static void events_that_are_not_of_the_log_are_refused(void **state)
{
	static struct fed fed;
	struct decoded_events events = {0};
	struct stack_trie trie;
	struct mt_error error;
	(void)state;
	begin(&fed, 51);
	fed.handover = event_handover_new(
		&(struct event_handover_options){.bytes_max = HANDED_BYTES, .from_start = true});
	fed.copier = event_handover_copier(fed.handover);
	turn(&fed, 0);
	recording_rig_commit(&fed.rig);
	assert_true(stack_trie_init(&trie));
	assert_int_equal(event_handover_take(fed.handover, 0, 1, &trie, &events, &error),
			 MT_ERR_CORRUPT);
	assert_int_equal(event_handover_reach(fed.handover, 0, NULL, 0, &error), MT_OK);
	event_handover_refuse(fed.handover);
	assert_int_equal(event_handover_reach(fed.handover, 0, NULL, 0, &error), MT_ERR_CORRUPT);
	/* Nothing is kept any more. */
	turn(&fed, 1);
	recording_rig_commit(&fed.rig);
	assert_int_equal(event_handover_take(fed.handover, 0, 1, &trie, &events, &error),
			 MT_ERR_CORRUPT);
	stack_trie_release(&trie);
	release(&fed);
}

static void check_windows(struct fed *fed, const struct loaded_log *log,
			  const struct loaded_log *other)
{
	struct mt_error error;
	for (uint32_t i = 0; i < 20; i++) {
		struct log_window mine;
		struct log_window others;
		uint64_t from_us = roll(fed, (uint32_t)fed->time_us);
		uint64_t to_us = from_us + roll(fed, (uint32_t)fed->time_us / 4);
		assert_int_equal(log_window_read(&mine, log, from_us, to_us, &error), MT_OK);
		assert_int_equal(log_window_read(&others, other, from_us, to_us, &error), MT_OK);
		assert_int_equal(mine.cost_count, others.cost_count);
		assert_memory_equal(mine.costs, others.costs,
				    mine.cost_count * sizeof(*mine.costs));
		log_window_release(&mine);
		log_window_release(&others);
	}
}

/* The thread, the checkpoints in the finished log, and what is read from there. */
static void a_finished_log_answers_as_one_that_was_read(void **state)
{
	(void)state;
	for (uint32_t seed = 61; seed <= 66; seed++) {
		static struct fed fed;
		const struct loaded_log_options ignoring = {.ignores_profile = true};
		struct finish_options options = {.has_no_symbols = true};
		struct finish_result result;
		struct loaded_log log;
		struct loaded_log replayed;
		struct mt_error error;
		begin(&fed, seed);
		fed.follower = log_follower_new(&reading, seed % 2);
		fed.copier = log_follower_copier(fed.follower);
		for (uint32_t i = 0; i < TURNS; i++)
			turn(&fed, i);
		end(&fed);
		options.follower = fed.follower;
		fed.follower = NULL;
		assert_int_equal(finish_log(fed.rig.builder.path, &options, &result, &error),
				 MT_OK);
		assert_true(result.is_complete);
		assert_int_equal(loaded_log_read(&log, fed.rig.builder.path, NULL, &error), MT_OK);
		assert_int_equal(
			loaded_log_read(&replayed, fed.rig.builder.path, &ignoring, &error), MT_OK);
		assert_true(log.has_profile);
		assert_true(log.place_count > 2);
		replayed.place_count = 0; /* from the beginning, every time */
		check_windows(&fed, &log, &replayed);
		loaded_log_release(&replayed);
		loaded_log_release(&log);
		release(&fed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_keeps_up_decodes_nothing),
		cmocka_unit_test(who_is_behind_decodes_until_he_has_caught_up),
		cmocka_unit_test(who_stops_reads_the_rest_himself),
		cmocka_unit_test(events_that_are_not_of_the_log_are_refused),
		cmocka_unit_test(a_finished_log_answers_as_one_that_was_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
