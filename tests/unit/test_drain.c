/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rings of a real segment through drain and recording into a log. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "common/log/recording_state.h"
#include "reader/loaded_log.h"
#include "tests/support/recording_rig.h"

static void check_log(struct recording_rig *rig, uint64_t allocations, uint64_t releases)
{
	struct loaded_log log;
	struct mt_error error = {0};
	/* As if there were no segment: the log alone must hold it. */
	(void)unlink(rig->segment.path);
	assert_int_equal(loaded_log_read(&log, rig->builder.path, NULL, &error), MT_OK);
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
	struct recording_rig rig;
	struct ring_builder ring = {0};
	(void)state;
	recording_rig_init(&rig, 1);
	ring_builder_image(&ring, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&ring, 1, false, 100);
	ring_builder_event(&ring, RING_ALLOCATE, 0, 0x1000, 10);
	ring_builder_event(&ring, RING_RELEASE, 0, 0x1000, 0);
	recording_rig_publish(&rig, 0, 0, &ring);
	assert_int_equal(recording_rig_round(&rig, 1), ring.count);
	assert_int_equal(recording_rig_round(&rig, 2), 0);
	recording_rig_finish(&rig, 0);
	assert_int_equal(drain_spool_used(&rig.drain), 0);
	check_log(&rig, 1, 1);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

static void a_ring_may_wrap_around_many_times(void **state)
{
	struct recording_rig rig;
	struct ring_builder ring = {0};
	uint64_t count = 0;
	(void)state;
	recording_rig_init(&rig, 1);
	ring_builder_image(&ring, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&ring, 1, false, 100);
	/* 150 rings full: the spool wraps too. */
	for (uint64_t round = 0; round < 150; round++) {
		while (ring.count + 3 <= RING_WORDS - round % 7) {
			ring_builder_event(&ring, RING_ALLOCATE, 0, 0x1000, 10);
			ring_builder_event(&ring, RING_RELEASE, 0, 0x1000, 0);
			count++;
		}
		recording_rig_publish(&rig, 0, 0, &ring);
		(void)recording_rig_round(&rig, round + 1);
		ring.count = 0;
	}
	recording_rig_finish(&rig, 0);
	check_log(&rig, count, count);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

/*
 * More full rings than the spool has room for, with their stamps interleaved: none of what is in
 * the spool may wait for what has no room in it.
 */
static void more_full_rings_than_the_spool_holds_come_through(void **state)
{
	enum { RINGS = 112 };
	static struct ring_builder rings[RINGS];
	struct recording_rig rig;
	uint64_t stamp = 1;
	uint64_t count = 0;
	uint64_t rounds = 0;
	(void)state;
	recording_rig_init(&rig, RINGS / SEGMENT_CHUNK_RINGS);
	assert_true((uint64_t)RINGS * RING_BYTES > rig.segment.spool_bytes);
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
		recording_rig_publish(&rig, r, 0, &rings[r]);
	while (recording_rig_round(&rig, rounds + 1) > 0)
		assert_true(++rounds < 100); /* else nothing moves any more */
	recording_rig_finish(&rig, 0);
	check_log(&rig, count, count);
	for (uint32_t r = 0; r < RINGS; r++)
		ring_builder_release(&rings[r]);
	recording_rig_release(&rig);
}

/*
 * Of a thread's own memory there are long runs of events without stamps, of which the spool takes a
 * part: what was handed over before, with a stamp, must not wait for the rest.
 */
static void rings_with_few_stamps_come_through(void **state)
{
	enum { RINGS = 112, OWN = 2400 };
	static struct ring_builder rings[RINGS];
	struct recording_rig rig;
	uint64_t stamp = 1;
	uint64_t count = 0;
	uint64_t rounds = 0;
	(void)state;
	recording_rig_init(&rig, RINGS / SEGMENT_CHUNK_RINGS);
	ring_builder_image(&rings[0], 1, 100, "/bin/prog", "prog");
	for (uint32_t r = 0; r < RINGS; r++)
		ring_builder_thread(&rings[r], 1, false, 100 + r);
	for (uint32_t r = 0;; r = (r + 1) % RINGS) {
		uint32_t other = (r + 1) % RINGS;
		if (rings[r].count + 3 * OWN + 6 > RING_WORDS ||
		    rings[other].count + 6 > RING_WORDS)
			break;
		ring_builder_stamp(&rings[r], stamp++);
		ring_builder_event(&rings[r], RING_ALLOCATE, 0, 0x1000 + count * 16, 10);
		for (uint64_t own = 0; own < OWN; own++) {
			uint64_t address = 0x10000000 + (r * OWN + own) * 16;
			ring_builder_event(&rings[r], RING_ALLOCATE, 0, address, 10);
			ring_builder_event(&rings[r], RING_RELEASE, 0, address, 0);
		}
		ring_builder_stamp(&rings[other], stamp++);
		ring_builder_event(&rings[other], RING_RELEASE, 0, 0x1000 + count * 16, 0);
		count++;
	}
	for (uint32_t r = 0; r < RINGS; r++)
		recording_rig_publish(&rig, r, 0, &rings[r]);
	while (recording_rig_round(&rig, rounds + 1) > 0)
		assert_true(++rounds < 1000); /* else nothing moves any more */
	for (uint32_t r = 0; r < RINGS; r++) {
		const struct ring_header *header = segment_file_ring(&rig.segment, r);
		assert_int_equal(atomic_load(&header->head), atomic_load(&header->tail));
	}
	recording_rig_finish(&rig, 0);
	check_log(&rig, count * (OWN + 1), count * (OWN + 1));
	for (uint32_t r = 0; r < RINGS; r++)
		ring_builder_release(&rings[r]);
	recording_rig_release(&rig);
}

/* A thread that stands still in the middle of an event holds the others up, but not for good. */
static void the_ring_that_others_wait_for_finds_room(void **state)
{
	struct recording_rig rig;
	struct ring_builder slow = {0};
	struct ring_builder fast = {0};
	uint64_t stamp = 10;
	uint64_t count = 0;
	(void)state;
	recording_rig_init(&rig, 1);
	ring_builder_image(&slow, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&slow, 1, false, 100);
	recording_rig_publish(&rig, 0, 0, &slow);
	struct ring_header *slow_ring = segment_file_ring(&rig.segment, 0);
	struct ring_header *fast_ring = segment_file_ring(&rig.segment, 1);
	atomic_store(&slow_ring->busy, 1);
	ring_builder_thread(&fast, 1, false, 101);
	for (;;) {
		ring_builder_stamp(&fast, stamp++);
		ring_builder_event(&fast, RING_ALLOCATE, 0, 0x1000 + count++ * 16, 10);
		if (fast.count < 8000)
			continue;
		recording_rig_publish(&rig, 1, 0, &fast);
		fast.count = 0;
		(void)recording_rig_round(&rig, 1);
		if (atomic_load(&fast_ring->head) - atomic_load(&fast_ring->tail) > 8000)
			break; /* there is no more room for it */
	}
	slow.count = 0;
	ring_builder_stamp(&slow, 9);
	ring_builder_event(&slow, RING_ALLOCATE, 0, 0x10, 10);
	recording_rig_publish(&rig, 0, 0, &slow);
	atomic_store(&slow_ring->busy, 0);
	for (uint64_t rounds = 0; recording_rig_round(&rig, 2) > 0;)
		assert_true(++rounds < 100);
	assert_int_equal(atomic_load(&fast_ring->head), atomic_load(&fast_ring->tail));
	recording_rig_finish(&rig, 0);
	check_log(&rig, count + 1, 0);
	ring_builder_release(&slow);
	ring_builder_release(&fast);
	recording_rig_release(&rig);
}

/* Publishes allocations to a ring, in pieces, for as long as they are taken. returns their number
 */
static uint64_t publish_until_full(struct recording_rig *rig, uint32_t index,
				   struct ring_builder *ring, uint64_t *stamp)
{
	const struct ring_header *header = segment_file_ring(&rig->segment, index);
	uint64_t count = 0;
	do {
		while (ring->count < 8000) {
			ring_builder_stamp(ring, (*stamp)++);
			ring_builder_event(ring, RING_ALLOCATE, 0, *stamp * 16, 10);
			count++;
		}
		recording_rig_publish(rig, index, 0, ring);
		ring->count = 0;
		(void)recording_rig_round(rig, 1);
	} while (atomic_load(&header->head) - atomic_load(&header->tail) <= 8000);
	return count;
}

/* Few threads have filled the spool, and wait for many new ones, not all of which find room. */
static void newcomers_that_find_no_room_do_not_stop_the_rest(void **state)
{
	enum { OLD = 8, RINGS = 112 };
	static struct ring_builder rings[RINGS];
	struct recording_rig rig;
	uint64_t early = 10;
	uint64_t late = 1u << 30;
	uint64_t count = 0;
	uint64_t rounds = 0;
	(void)state;
	recording_rig_init(&rig, RINGS / SEGMENT_CHUNK_RINGS);
	ring_builder_image(&rings[0], 1, 100, "/bin/prog", "prog");
	for (uint32_t r = 0; r < RINGS; r++)
		ring_builder_thread(&rings[r], 1, false, 100 + r);
	recording_rig_publish(&rig, 0, 0, &rings[0]);
	atomic_store(&segment_file_ring(&rig.segment, 0)->busy, 1);
	for (uint32_t r = 1; r < OLD; r++)
		count += publish_until_full(&rig, r, &rings[r], &late);
	for (uint32_t r = OLD; rings[r].count + 4 <= RING_WORDS;
	     r = r + 1 < RINGS ? r + 1 : OLD, count++) {
		ring_builder_stamp(&rings[r], early++);
		ring_builder_event(&rings[r], RING_ALLOCATE, 0, early * 16, 10);
	}
	for (uint32_t r = OLD; r < RINGS; r++)
		recording_rig_publish(&rig, r, 0, &rings[r]);
	atomic_store(&segment_file_ring(&rig.segment, 0)->busy, 0);
	while (recording_rig_round(&rig, 2) > 0)
		assert_true(++rounds < 1000);
	for (uint32_t r = 0; r < RINGS; r++) {
		const struct ring_header *header = segment_file_ring(&rig.segment, r);
		assert_int_equal(atomic_load(&header->head), atomic_load(&header->tail));
		ring_builder_release(&rings[r]);
	}
	recording_rig_finish(&rig, 0);
	check_log(&rig, count, 0);
	recording_rig_release(&rig);
}

/* A program that writes over its ring's header does not stop the others. */
static void a_ring_with_a_wild_head_is_left_alone(void **state)
{
	struct recording_rig rig;
	struct ring_builder ring = {0};
	(void)state;
	recording_rig_init(&rig, 1);
	ring_builder_image(&ring, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&ring, 1, false, 100);
	ring_builder_event(&ring, RING_ALLOCATE, 0, 0x1000, 10);
	recording_rig_publish(&rig, 1, 0, &ring);
	struct ring_header *wild = segment_file_ring(&rig.segment, 0);
	atomic_store(&wild->owner, 2); /* of another image */
	atomic_store(&wild->head, 1ull << 40);
	atomic_store(&wild->tail, 7);
	(void)recording_rig_round(&rig, 1);
	(void)recording_rig_round(&rig, 2);
	/* When it is given back it is as good as new. */
	drain_release_rings(&rig.drain, 1);
	assert_int_equal(atomic_load(&wild->owner), 0);
	assert_int_equal(atomic_load(&wild->head), atomic_load(&wild->tail));
	recording_rig_finish(&rig, 0);
	check_log(&rig, 1, 0);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

/* Nor does one whose words make no sense; its spool is given back. */
static void a_ring_with_nonsense_in_it_is_given_up(void **state)
{
	struct recording_rig rig;
	struct ring_builder good = {0};
	struct ring_builder bad = {0};
	struct ring_builder worse = {0};
	(void)state;
	recording_rig_init(&rig, 1);
	ring_builder_image(&good, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&good, 1, false, 100);
	ring_builder_event(&good, RING_ALLOCATE, 0, 0x1000, 10);
	ring_builder_thread(&bad, 2, false, 200);
	ring_builder_event(&bad, RING_ALLOCATE, 0, 0x1000, 10);
	ring_builder_word(&bad, 0xfffffffffffffff0u | RING_NOTE);
	ring_builder_word(&worse, 0); /* not even who it belongs to */
	for (int round = 1; round < 4; round++) {
		recording_rig_publish(&rig, 0, 0, &good);
		recording_rig_publish(&rig, 1, 1, &bad);
		recording_rig_publish(&rig, 2, 2, &worse);
		(void)recording_rig_round(&rig, (uint64_t)round);
		good.count = 0;
		ring_builder_event(&good, RING_ALLOCATE, 0, 0x1000 + (uint64_t)round * 16, 10);
	}
	recording_rig_finish(&rig, 0);
	assert_int_equal(drain_spool_used(&rig.drain), 0);
	check_log(&rig, 3, 0);
	/* Its next owner starts anew. */
	drain_release_rings(&rig.drain, 1);
	drain_release_rings(&rig.drain, 2);
	good.count = 0;
	ring_builder_thread(&good, 1, false, 101);
	ring_builder_event(&good, RING_ALLOCATE, 0, 0x8000, 10);
	recording_rig_publish(&rig, 1, 0, &good);
	(void)recording_rig_round(&rig, 9);
	recording_rig_finish(&rig, 0);
	check_log(&rig, 4, 0);
	ring_builder_release(&good);
	ring_builder_release(&bad);
	ring_builder_release(&worse);
	recording_rig_release(&rig);
}

#define TRACES 2000u

static void tell_traces(struct ring_builder *ring)
{
	for (uint32_t i = 0; i < TRACES; i++) {
		uint64_t frames[] = {0x1000, 0x2000 + i % 10, 0x3000 + i, 0x4000 + i % 7, 0};
		ring_builder_stack(ring, i, 0, frames);
	}
}

/* Of a recording whose log has few stack traces. */
static void traces_that_are_told_over_and_over_stay_what_they_are(void **state)
{
	struct recording_rig rig;
	struct ring_builder ring = {0};
	struct loaded_log log;
	struct mt_error error = {0};
	(void)state;
	recording_rig_init_unfreed(&rig, 1);
	ring_builder_image(&ring, 1, 100, "/bin/prog", "prog");
	ring_builder_thread(&ring, 1, false, 100);
	for (uint64_t round = 1; round <= 80; round++) {
		tell_traces(&ring);
		recording_rig_publish(&rig, 0, 0, &ring);
		(void)recording_rig_round(&rig, round);
		ring.count = 0;
	}
	const struct recorded_image *image = recording_find_image(rig.recording, 1);
	assert_true(image->told.trie.node_count < 80 * 4 * TRACES);
	for (uint32_t i = 0; i < TRACES; i += 100)
		ring_builder_event(&ring, RING_ALLOCATE, i, 0x10000 + i * 16, 1 + i);
	recording_rig_publish(&rig, 0, 0, &ring);
	recording_rig_finish(&rig, 0);
	(void)recording_rig_round(&rig, 100);
	recording_rig_finish(&rig, 0);
	(void)unlink(rig.segment.path);
	assert_int_equal(loaded_log_read(&log, rig.builder.path, NULL, &error), MT_OK);
	const struct replay_image *replayed = log.replay.images[0];
	assert_int_equal(replayed->totals.live_blocks, TRACES / 100);
	for (uint32_t i = 0; i < replayed->costs.count; i++) {
		const struct stack_cost *cost = &replayed->costs.items[i];
		const struct stack_node *leaf = &replayed->trie.nodes[cost->stack];
		uint64_t number = cost->live_bytes - 1;
		assert_int_equal(leaf->depth, 4);
		assert_int_equal(leaf->offset, 0x4000 + number % 7);
		assert_int_equal(replayed->trie.nodes[leaf->parent].offset, 0x3000 + number);
	}
	loaded_log_release(&log);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_ring_holds_comes_into_the_log),
		cmocka_unit_test(a_ring_may_wrap_around_many_times),
		cmocka_unit_test(more_full_rings_than_the_spool_holds_come_through),
		cmocka_unit_test(rings_with_few_stamps_come_through),
		cmocka_unit_test(the_ring_that_others_wait_for_finds_room),
		cmocka_unit_test(newcomers_that_find_no_room_do_not_stop_the_rest),
		cmocka_unit_test(a_ring_with_a_wild_head_is_left_alone),
		cmocka_unit_test(a_ring_with_nonsense_in_it_is_given_up),
		cmocka_unit_test(traces_that_are_told_over_and_over_stay_what_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
