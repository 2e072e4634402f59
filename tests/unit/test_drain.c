/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rings of a real segment through drain and recording into a log. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libtrack/collector/address_pages.h"
#include "libtrack/collector/drain.h"
#include "libtrack/collector/segment_file.h"
#include "reader/loaded_log.h"
#include "tests/support/log_builder.h"
#include "tests/support/ring_builder.h"

struct setting {
	struct log_builder builder; /* its writer is the recording's */
	struct segment_file segment;
	struct address_pages pages;
	struct recording *recording;
	struct recording_observer observer;
	struct drain drain;
};

static void save_decoders(void *context, uint64_t number)
{
	struct setting *setting = context;
	drain_save_decoders(&setting->drain, number);
}

static void set_up(struct setting *setting, uint32_t chunk_count)
{
	struct mt_error error;
	memset(setting, 0, sizeof(*setting));
	log_builder_init(&setting->builder);
	assert_int_equal(segment_file_create(&setting->segment, setting->builder.path, &error),
			 MT_OK);
	while (setting->segment.chunk_count < chunk_count)
		assert_int_equal(segment_file_grow(&setting->segment, &error), MT_OK);
	setting->segment.header->start_realtime_ns = 1700000000000000000u; /* the builder's */
	address_pages_init(&setting->pages, &setting->segment);
	setting->observer = (struct recording_observer){.context = setting,
							.committing = save_decoders};
	setting->recording = recording_new(&setting->builder.writer, &setting->observer,
					   &setting->pages.source);
	assert_non_null(setting->recording);
	setting->drain = (struct drain){.segment = &setting->segment,
					.recording = setting->recording};
}

static void tear_down(struct setting *setting)
{
	recording_free(setting->recording);
	address_pages_release(&setting->pages);
	segment_file_release(&setting->segment, true);
	log_builder_remove(&setting->builder);
}

/* What a tracker does: words behind the head, then the head. */
static void publish(struct setting *setting, uint32_t ring, const struct ring_builder *built)
{
	struct ring_header *header = segment_file_ring(&setting->segment, ring);
	uint64_t *words = (uint64_t *)segment_file_words(&setting->segment, ring);
	uint64_t head = atomic_load(&header->head);
	assert_true(head + built->count - atomic_load(&header->tail) <= RING_WORDS);
	for (size_t i = 0; i < built->count; i++)
		words[(head + i) % RING_WORDS] = built->words[i];
	atomic_store(&header->owner, 1);
	atomic_store(&header->head, head + built->count);
}

/* As the collector's round, without a clock. returns words taken */
static uint64_t go_round(struct setting *setting, uint64_t now_us)
{
	struct mt_error error = {0};
	bool has_more = false;
	uint64_t taken = drain_rings(&setting->drain, now_us, &has_more);
	assert_int_equal(recording_decode(setting->recording, false, &error), MT_OK);
	if (has_more || drain_spool_used(&setting->drain) > setting->segment.spool_bytes / 2)
		assert_int_equal(recording_commit(setting->recording, &error), MT_OK);
	drain_forget_committed(&setting->drain);
	return taken + has_more;
}

/* The process has ended: all that is left comes out. */
static void finish(struct setting *setting)
{
	struct mt_error error = {0};
	drain_finish_rings(&setting->drain, 0);
	assert_int_equal(recording_decode(setting->recording, false, &error), MT_OK);
	assert_int_equal(recording_commit(setting->recording, &error), MT_OK);
	drain_forget_committed(&setting->drain);
}

static void check_log(struct setting *setting, uint64_t allocations, uint64_t releases)
{
	struct loaded_log log;
	struct mt_error error = {0};
	/* As if there were no segment: the log alone must hold it. */
	(void)unlink(setting->segment.path);
	assert_int_equal(loaded_log_read(&log, setting->builder.path, NULL, &error), MT_OK);
	assert_int_equal(log.damage.status, MT_OK);
	assert_true(log.replay.image_count > 0);
	assert_int_equal(log.replay.images[0]->totals.allocations, allocations);
	assert_int_equal(log.replay.images[0]->totals.deallocations, releases);
	assert_int_equal(log.replay.images[0]->totals.unmatched_frees, 0);
	assert_int_equal(log.replay.images[0]->totals.overwritten, 0);
	loaded_log_release(&log);
}

static void what_a_ring_holds_comes_into_the_log(void **state)
{
	struct setting setting;
	struct ring_builder ring = {0};
	(void)state;
	set_up(&setting, 1);
	ring_builder_image(&ring, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&ring, 1, false, 100);
	ring_builder_event(&ring, RING_ALLOCATE, 0, 0x1000, 10);
	ring_builder_event(&ring, RING_RELEASE, 0, 0x1000, 0);
	publish(&setting, 0, &ring);
	assert_int_equal(go_round(&setting, 1), ring.count);
	assert_int_equal(go_round(&setting, 2), 0);
	finish(&setting);
	assert_int_equal(drain_spool_used(&setting.drain), 0);
	check_log(&setting, 1, 1);
	ring_builder_release(&ring);
	tear_down(&setting);
}

static void a_ring_may_wrap_around_many_times(void **state)
{
	struct setting setting;
	struct ring_builder ring = {0};
	uint64_t count = 0;
	(void)state;
	set_up(&setting, 1);
	ring_builder_image(&ring, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&ring, 1, false, 100);
	/* 150 rings full: the spool wraps too. */
	for (uint64_t round = 0; round < 150; round++) {
		while (ring.count + 3 <= RING_WORDS - round % 7) {
			ring_builder_event(&ring, RING_ALLOCATE, 0, 0x1000, 10);
			ring_builder_event(&ring, RING_RELEASE, 0, 0x1000, 0);
			count++;
		}
		publish(&setting, 0, &ring);
		(void)go_round(&setting, round + 1);
		ring.count = 0;
	}
	finish(&setting);
	check_log(&setting, count, count);
	ring_builder_release(&ring);
	tear_down(&setting);
}

/*
 * More full rings than the spool has room for, with their stamps interleaved: none of what is in
 * the spool may wait for what has no room in it.
 */
static void more_full_rings_than_the_spool_holds_come_through(void **state)
{
	enum { RINGS = 112 };
	static struct ring_builder rings[RINGS];
	struct setting setting;
	uint64_t stamp = 1;
	uint64_t count = 0;
	uint64_t rounds = 0;
	(void)state;
	set_up(&setting, RINGS / SEGMENT_CHUNK_RINGS);
	assert_true((uint64_t)RINGS * RING_BYTES > setting.segment.spool_bytes);
	ring_builder_image(&rings[0], 1, 100, "/bin/prog", "prog");
	for (uint32_t r = 0; r < RINGS; r++)
		ring_builder_thread(&rings[r], 1, false, 100 + r);
	/* A block is made by one thread and released by the next. */
	for (uint32_t r = 0; rings[r].count + 4 <= RING_WORDS; r = (r + 1) % RINGS) {
		uint32_t other = (r + 1) % RINGS;
		if (rings[other].count + 6 > RING_WORDS)
			break;
		ring_builder_stamp(&rings[r], stamp++);
		ring_builder_event(&rings[r], RING_ALLOCATE, 0, 0x1000 + count * 16, 10);
		ring_builder_stamp(&rings[other], stamp++);
		ring_builder_event(&rings[other], RING_RELEASE, 0, 0x1000 + count * 16, 0);
		count++;
	}
	for (uint32_t r = 0; r < RINGS; r++)
		publish(&setting, r, &rings[r]);
	while (go_round(&setting, rounds + 1) > 0)
		assert_true(++rounds < 100); /* else nothing moves any more */
	finish(&setting);
	check_log(&setting, count, count);
	for (uint32_t r = 0; r < RINGS; r++)
		ring_builder_release(&rings[r]);
	tear_down(&setting);
}

/* A thread that stands still in the middle of an event holds the others up, but not for good. */
static void the_ring_that_others_wait_for_finds_room(void **state)
{
	struct setting setting;
	struct ring_builder slow = {0};
	struct ring_builder fast = {0};
	uint64_t stamp = 10;
	uint64_t count = 0;
	(void)state;
	set_up(&setting, 1);
	ring_builder_image(&slow, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&slow, 1, false, 100);
	publish(&setting, 0, &slow);
	struct ring_header *slow_ring = segment_file_ring(&setting.segment, 0);
	struct ring_header *fast_ring = segment_file_ring(&setting.segment, 1);
	atomic_store(&slow_ring->busy, 1);
	ring_builder_thread(&fast, 1, false, 101);
	for (;;) {
		ring_builder_stamp(&fast, stamp++);
		ring_builder_event(&fast, RING_ALLOCATE, 0, 0x1000 + count++ * 16, 10);
		if (fast.count < 8000)
			continue;
		publish(&setting, 1, &fast);
		fast.count = 0;
		(void)go_round(&setting, 1);
		if (atomic_load(&fast_ring->head) - atomic_load(&fast_ring->tail) > 8000)
			break; /* there is no more room for it */
	}
	slow.count = 0;
	ring_builder_stamp(&slow, 9);
	ring_builder_event(&slow, RING_ALLOCATE, 0, 0x10, 10);
	publish(&setting, 0, &slow);
	atomic_store(&slow_ring->busy, 0);
	for (uint64_t rounds = 0; go_round(&setting, 2) > 0;)
		assert_true(++rounds < 100);
	assert_int_equal(atomic_load(&fast_ring->head), atomic_load(&fast_ring->tail));
	finish(&setting);
	check_log(&setting, count + 1, 0);
	ring_builder_release(&slow);
	ring_builder_release(&fast);
	tear_down(&setting);
}

/* A program that writes over its ring's header does not stop the others. */
static void a_ring_with_a_wild_head_is_left_alone(void **state)
{
	struct setting setting;
	struct ring_builder ring = {0};
	(void)state;
	set_up(&setting, 1);
	ring_builder_image(&ring, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&ring, 1, false, 100);
	ring_builder_event(&ring, RING_ALLOCATE, 0, 0x1000, 10);
	publish(&setting, 1, &ring);
	struct ring_header *wild = segment_file_ring(&setting.segment, 0);
	atomic_store(&wild->owner, 2); /* of another image */
	atomic_store(&wild->head, 1ull << 40);
	atomic_store(&wild->tail, 7);
	(void)go_round(&setting, 1);
	(void)go_round(&setting, 2);
	/* When it is given back it is as good as new. */
	drain_release_rings(&setting.drain, 1);
	assert_int_equal(atomic_load(&wild->owner), 0);
	assert_int_equal(atomic_load(&wild->head), atomic_load(&wild->tail));
	finish(&setting);
	check_log(&setting, 1, 0);
	ring_builder_release(&ring);
	tear_down(&setting);
}

/* Nor does one whose words make no sense; its spool is given back. */
static void a_ring_with_nonsense_in_it_is_given_up(void **state)
{
	struct setting setting;
	struct ring_builder good = {0};
	struct ring_builder bad = {0};
	struct ring_builder worse = {0};
	(void)state;
	set_up(&setting, 1);
	ring_builder_image(&good, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&good, 1, false, 100);
	ring_builder_event(&good, RING_ALLOCATE, 0, 0x1000, 10);
	ring_builder_thread(&bad, 2, false, 200);
	ring_builder_event(&bad, RING_ALLOCATE, 0, 0x1000, 10);
	ring_builder_word(&bad, 0xfffffffffffffff0u | RING_NOTE);
	ring_builder_word(&worse, 0); /* not even who it belongs to */
	for (int round = 1; round < 4; round++) {
		publish(&setting, 0, &good);
		publish(&setting, 1, &bad);
		publish(&setting, 2, &worse);
		atomic_store(&segment_file_ring(&setting.segment, 1)->owner, 2);
		atomic_store(&segment_file_ring(&setting.segment, 2)->owner, 3);
		(void)go_round(&setting, (uint64_t)round);
		good.count = 0;
		ring_builder_event(&good, RING_ALLOCATE, 0, 0x1000 + (uint64_t)round * 16, 10);
	}
	finish(&setting);
	assert_int_equal(drain_spool_used(&setting.drain), 0);
	check_log(&setting, 3, 0);
	/* Its next owner starts anew. */
	drain_release_rings(&setting.drain, 1);
	drain_release_rings(&setting.drain, 2);
	good.count = 0;
	ring_builder_thread(&good, 1, false, 101);
	ring_builder_event(&good, RING_ALLOCATE, 0, 0x8000, 10);
	publish(&setting, 1, &good);
	(void)go_round(&setting, 9);
	finish(&setting);
	check_log(&setting, 4, 0);
	ring_builder_release(&good);
	ring_builder_release(&bad);
	ring_builder_release(&worse);
	tear_down(&setting);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_ring_holds_comes_into_the_log),
		cmocka_unit_test(a_ring_may_wrap_around_many_times),
		cmocka_unit_test(more_full_rings_than_the_spool_holds_come_through),
		cmocka_unit_test(the_ring_that_others_wait_for_finds_room),
		cmocka_unit_test(a_ring_with_a_wild_head_is_left_alone),
		cmocka_unit_test(a_ring_with_nonsense_in_it_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
