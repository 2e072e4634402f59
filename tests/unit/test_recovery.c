/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A log and the segment that a dead collector left: every published event is read. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reader/loaded_log.h"
#include "reader/recovery.h"
#include "tests/support/recording_rig.h"

static void read_log(struct loaded_log *log, const struct recording_rig *rig,
		     const struct loaded_log_options *options)
{
	struct mt_error error = {0};
	enum mt_status status = loaded_log_read(log, rig->builder.path, options, &error);
	if (status != MT_OK)
		fail_msg("%s", error.message);
}

static void begin(struct ring_builder *ring, uint64_t serial, uint32_t pid)
{
	ring->count = 0;
	ring_builder_image(ring, serial, pid, "/bin/prog", "prog");
	ring_builder_thread(ring, serial, false, pid);
}

static void put_blocks(struct ring_builder *ring, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		ring_builder_event(ring, RING_ALLOCATE, 0, 0x1000 + (first + i) * 16, 10);
}

static void what_was_not_committed_is_taken_from_spool_and_rings(void **state)
{
	struct recording_rig rig;
	struct ring_builder ring = {0};
	struct loaded_log log;
	(void)state;
	recording_rig_init(&rig, 1);
	begin(&ring, 1, 100);
	put_blocks(&ring, 0, 5);
	recording_rig_publish(&rig, 0, 0, &ring);
	(void)recording_rig_round(&rig, 1);
	recording_rig_commit(&rig); /* these are in the log */
	ring.count = 0;
	put_blocks(&ring, 5, 7);
	ring_builder_event(&ring, RING_RELEASE, 0, 0x1000, 0);
	recording_rig_publish(&rig, 0, 0, &ring);
	(void)recording_rig_round(&rig, 2); /* in the spool */
	ring.count = 0;
	put_blocks(&ring, 12, 11);
	ring_builder_event(&ring, RING_RELEASE, 0, 0x1000 + 5 * 16, 0);
	recording_rig_publish(&rig, 0, 0, &ring); /* in the ring */
	read_log(&log, &rig, NULL);
	assert_true(log.was_recovered);
	assert_int_equal(log.replay.images[0]->totals.allocations, 23);
	assert_int_equal(log.replay.images[0]->totals.deallocations, 2);
	assert_int_equal(log.replay.images[0]->totals.live_blocks, 21);
	assert_int_equal(log.replay.images[0]->totals.unmatched_frees, 0);
	assert_non_null(loaded_log_incomplete_reason(&log));
	loaded_log_release(&log);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

/* Two processes with two threads each that hand blocks around, killed after any step. */
struct workload {
	struct ring_builder rings[4];
	uint64_t stamp;
	uint64_t allocations[2];
	uint64_t releases[2];
	uint64_t live[2][64]; /* addresses */
	uint32_t live_count[2];
	uint64_t next_address;
	uint32_t seed;
};

static uint32_t roll(struct workload *work, uint32_t sides)
{
	work->seed = work->seed * 1664525u + 1013904223u;
	return (work->seed >> 8) % sides;
}

static void step(struct workload *work, uint32_t ring_index)
{
	struct ring_builder *ring = &work->rings[ring_index];
	uint32_t image = ring_index / 2;
	uint32_t *count = &work->live_count[image];
	ring_builder_stamp(ring, ++work->stamp);
	if (roll(work, 8) == 0) {
		uint64_t frames[] = {0x400000 + roll(work, 50) * 8, 0x500000 + roll(work, 9) * 8,
				     0};
		ring_builder_stack(ring, roll(work, 20), 0, frames);
	}
	if (*count == 64 || (*count > 0 && roll(work, 2))) {
		uint32_t which = roll(work, *count);
		ring_builder_event(ring, RING_RELEASE, 0, work->live[image][which], 0);
		work->live[image][which] = work->live[image][--*count];
		work->releases[image]++;
		return;
	}
	uint64_t address = 0x10000 + work->next_address++ % 500 * 8; /* some come again */
	for (uint32_t i = 0; i < *count; i++)
		if (work->live[image][i] == address)
			address = 0x900000 + work->next_address * 8;
	ring_builder_event(ring, RING_ALLOCATE, roll(work, 20), address, 8 + roll(work, 5));
	work->live[image][(*count)++] = address;
	work->allocations[image]++;
}

static void check_totals(const struct recording_rig *rig, const struct workload *work)
{
	struct loaded_log log;
	read_log(&log, rig, NULL);
	for (uint32_t i = 0; i < log.info.image_count; i++) {
		const struct replay_totals *totals = &log.replay.images[i]->totals;
		uint32_t which = log.info.images[i].pid == 100 ? 0 : 1;
		assert_int_equal(totals->allocations, work->allocations[which]);
		assert_int_equal(totals->deallocations, work->releases[which]);
		assert_int_equal(totals->live_blocks, work->live_count[which]);
		assert_int_equal(totals->unmatched_frees + totals->overwritten, 0);
	}
	assert_int_equal(log.info.image_count, 2);
	loaded_log_release(&log);
}

static void killed_at_any_point_nothing_published_is_lost(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 6; seed++) {
		struct recording_rig rig;
		struct workload work = {.seed = seed};
		recording_rig_init(&rig, 1);
		for (uint32_t r = 0; r < 4; r++) {
			if (r % 2 == 0)
				ring_builder_image(&work.rings[r], r / 2 + 1, 100 + r / 2,
						   "/bin/prog", "prog");
			ring_builder_thread(&work.rings[r], r / 2 + 1, false, 100 + r);
			recording_rig_publish(&rig, r, r / 2, &work.rings[r]);
		}
		for (uint32_t turn = 0; turn < 40; turn++) {
			for (uint32_t r = 0; r < 4; r++)
				work.rings[r].count = 0;
			for (uint32_t i = roll(&work, 300); i > 0; i--)
				step(&work, roll(&work, 4));
			for (uint32_t r = 0; r < 4; r++)
				recording_rig_publish(&rig, r, r / 2, &work.rings[r]);
			if (roll(&work, 3) == 0)
				check_totals(&rig, &work);
			(void)recording_rig_round(&rig, turn + 1);
			if (roll(&work, 4) == 0)
				recording_rig_commit(&rig);
			if (roll(&work, 3) == 0)
				check_totals(&rig, &work);
		}
		for (uint32_t r = 0; r < 4; r++)
			ring_builder_release(&work.rings[r]);
		recording_rig_release(&rig);
	}
}

/* Two processes, both with committed and uncommitted events that name stacks of before. */
static void two_processes(struct recording_rig *rig)
{
	static const uint64_t frames[] = {0x401000, 0x402000, 0};
	struct ring_builder ring = {0};
	recording_rig_init(rig, 1);
	for (uint32_t i = 0; i < 2; i++) {
		begin(&ring, i + 1, 100 + i);
		ring_builder_stack(&ring, 7, 0, frames);
		ring_builder_event(&ring, RING_ALLOCATE, 7, 0x1000, 10);
		recording_rig_publish(rig, i, i, &ring);
	}
	(void)recording_rig_round(rig, 1);
	recording_rig_commit(rig);
	for (uint32_t i = 0; i < 2; i++) {
		ring.count = 0;
		ring_builder_event(&ring, RING_ALLOCATE, 7, 0x2000, 20 + i);
		recording_rig_publish(rig, i, i, &ring);
	}
	ring_builder_release(&ring);
}

static void one_process_of_several_can_be_asked_for(void **state)
{
	struct recording_rig rig;
	struct loaded_log log;
	(void)state;
	two_processes(&rig);
	for (uint32_t i = 0; i < 2; i++) {
		read_log(&log, &rig, &(struct loaded_log_options){.pid = 100 + i});
		assert_int_equal(log.damage.status, MT_OK);
		assert_int_equal(log.replay.images[i]->totals.allocations, 2);
		assert_int_equal(log.replay.images[i]->totals.live_bytes, 30 + i);
		assert_int_equal(log.replay.images[!i]->totals.allocations, 0);
		loaded_log_release(&log);
	}
	recording_rig_release(&rig);
}

static void a_child_forked_since_the_last_commit_has_its_parents_command(void **state)
{
	struct recording_rig rig;
	struct ring_builder ring = {0};
	struct loaded_log log;
	(void)state;
	recording_rig_init(&rig, 1);
	begin(&ring, 1, 100);
	put_blocks(&ring, 0, 1);
	recording_rig_publish(&rig, 0, 0, &ring);
	(void)recording_rig_round(&rig, 1);
	recording_rig_commit(&rig);
	struct image_slot *slot = &rig.segment.header->images[1];
	atomic_store(&slot->pid, 101);
	atomic_store(&slot->parent_serial, 1);
	atomic_store(&slot->serial, 2);
	ring.count = 0;
	ring_builder_thread(&ring, 2, false, 101);
	put_blocks(&ring, 0, 3);
	recording_rig_publish(&rig, 1, 1, &ring);
	read_log(&log, &rig, NULL);
	assert_int_equal(log.info.image_count, 2);
	assert_int_equal(log.info.images[1].origin, IMAGE_FORK);
	assert_int_equal(log.info.images[1].parent, 0);
	assert_string_equal(log.info.images[1].command, log.info.images[0].command);
	assert_string_equal(log.info.images[1].path, "/bin/prog");
	assert_int_equal(log.replay.images[1]->totals.allocations, 3);
	loaded_log_release(&log);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

/* A process that forks and ends before its child has said anything. */
static void start_parent(struct recording_rig *rig, struct ring_builder *ring)
{
	recording_rig_init(rig, 1);
	begin(ring, 1, 100);
	put_blocks(ring, 0, 1);
	recording_rig_publish(rig, 0, 0, ring);
	(void)recording_rig_round(rig, 1);
}

static void finish_parent(struct recording_rig *rig)
{
	struct recorded_image *parent = recording_image(rig->recording, 1);
	assert_non_null(parent);
	drain_finish_rings(&rig->drain, 0);
	recording_end_image(rig->recording, parent, 2, &(struct image_end){0});
	recording_rig_commit(rig);
	drain_release_rings(&rig->drain, 0);
	recording_rig_commit(rig); /* its memory goes */
}

static void check_family(const struct recording_rig *rig, uint32_t count)
{
	struct loaded_log log;
	read_log(&log, rig, NULL);
	assert_int_equal(log.info.image_count, count);
	for (uint32_t i = 1; i < count; i++) {
		assert_int_equal(log.info.images[i].origin, IMAGE_FORK);
		assert_int_equal(log.info.images[i].parent, i - 1);
		assert_int_equal(log.info.images[i].parent_pid, 99 + i);
		assert_string_equal(log.info.images[i].command, log.info.images[0].command);
		assert_string_equal(log.info.images[i].path, "/bin/prog");
	}
	loaded_log_release(&log);
}

static void a_child_that_outlives_its_parents_in_silence_has_their_command(void **state)
{
	struct recording_rig rig;
	struct ring_builder ring = {0};
	(void)state;
	start_parent(&rig, &ring);
	struct recorded_image *child = recording_image(rig.recording, 2);
	assert_non_null(child);
	recording_image_forked(child, 1, 101, 2);
	struct recorded_image *grandchild = recording_image(rig.recording, 3);
	assert_non_null(grandchild);
	recording_image_forked(grandchild, 2, 102, 2);
	finish_parent(&rig);
	recording_end_image(rig.recording, child, 3, &(struct image_end){0});
	recording_rig_commit(&rig);
	ring.count = 0;
	ring_builder_thread(&ring, 3, false, 102);
	put_blocks(&ring, 0, 3);
	recording_rig_publish(&rig, 1, 1, &ring);
	(void)recording_rig_round(&rig, 4);
	recording_rig_commit(&rig);
	check_family(&rig, 3);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

static void a_child_that_recovery_finds_has_the_command_of_a_parent_that_has_ended(void **state)
{
	struct recording_rig rig;
	struct ring_builder ring = {0};
	(void)state;
	start_parent(&rig, &ring);
	finish_parent(&rig);
	struct image_slot *slot = &rig.segment.header->images[1];
	atomic_store(&slot->pid, 101);
	atomic_store(&slot->parent_serial, 1);
	atomic_store(&slot->serial, 2);
	ring.count = 0;
	ring_builder_thread(&ring, 2, false, 101);
	put_blocks(&ring, 0, 3);
	recording_rig_publish(&rig, 1, 1, &ring);
	check_family(&rig, 2);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

/* One process has written over its ring: the other's events are all there. */
static void one_damaged_ring_costs_only_itself(void **state)
{
	struct loaded_log log;
	(void)state;
	for (int damage = 0; damage < 4; damage++) {
		struct recording_rig rig;
		two_processes(&rig);
		struct ring_header *header = segment_file_ring(&rig.segment, 0);
		uint64_t *words = (uint64_t *)segment_file_words(&rig.segment, 0);
		uint64_t tail = atomic_load(&header->tail);
		if (damage == 0)
			atomic_store(&header->head, tail + RING_WORDS + 1);
		else if (damage == 1)
			atomic_store(&header->head, tail - 1);
		else if (damage == 2)
			atomic_store(&header->tail, tail + 1); /* a hole */
		else
			words[tail % RING_WORDS] = UINT64_MAX;
		read_log(&log, &rig, NULL);
		assert_int_equal(log.replay.images[1]->totals.allocations, 2);
		assert_int_equal(log.replay.images[0]->totals.allocations, 1);
		assert_non_null(loaded_log_incomplete_reason(&log));
		loaded_log_release(&log);
		recording_rig_release(&rig);
	}
}

static void another_recordings_segment_is_not_used(void **state)
{
	struct recording_rig rig;
	struct loaded_log log;
	(void)state;
	two_processes(&rig);
	rig.segment.header->start_realtime_ns++;
	read_log(&log, &rig, NULL);
	assert_false(log.was_recovered);
	assert_int_equal(log.replay.images[0]->totals.allocations, 1);
	loaded_log_release(&log);
	recording_rig_release(&rig);
}

static void spool_offsets_at_the_end_of_numbers_end(void **state)
{
	struct recording_rig rig;
	struct loaded_log log;
	(void)state;
	two_processes(&rig);
	struct segment_header *header = rig.segment.header;
	memset(rig.segment.spool, 0, rig.segment.spool_bytes);
	atomic_store(&header->spool_tail, UINT64_MAX / 8 * 8 - 64);
	atomic_store(&header->spool_head, UINT64_MAX - 3);
	read_log(&log, &rig, NULL);
	assert_true(log.replay.images[0]->totals.allocations >= 1);
	loaded_log_release(&log);
	recording_rig_release(&rig);
}

/* Reads with a byte of the segment changed, in what is not zero or near it. */
static void a_changed_segment_never_crashes_the_reader(void **state)
{
	struct recording_rig rig;
	struct workload work = {.seed = 4711};
	(void)state;
	two_processes(&rig);
	int fd = open(rig.segment.path, O_RDWR | O_CLOEXEC);
	uint8_t *bytes = mmap(NULL, rig.segment.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			      0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	for (int i = 0; i < 400; i++) {
		uint64_t at;
		do {
			at = ((uint64_t)roll(&work, 1u << 24) << 4 | roll(&work, 16)) %
			     rig.segment.size_bytes;
			if (roll(&work, 4) == 0)
				at %= SEGMENT_HEADER_BYTES;
		} while (bytes[at] == 0 && roll(&work, 3000) != 0);
		uint8_t old = bytes[at];
		struct loaded_log log;
		struct mt_error error = {0};
		bytes[at] = (uint8_t)(roll(&work, 2) ? roll(&work, 256) : 0xff);
		if (loaded_log_read(&log, rig.builder.path, NULL, &error) == MT_OK)
			loaded_log_release(&log);
		else
			assert_true(strlen(error.message) > 0);
		bytes[at] = old;
	}
	(void)munmap(bytes, rig.segment.size_bytes);
	(void)close(fd);
	recording_rig_release(&rig);
}

static void a_cut_segment_never_crashes_the_reader(void **state)
{
	struct recording_rig rig;
	(void)state;
	two_processes(&rig);
	for (uint64_t size = rig.segment.size_bytes; size > 0; size = size * 7 / 8) {
		struct loaded_log log;
		struct mt_error error = {0};
		assert_int_equal(truncate(rig.segment.path, (off_t)size), 0);
		assert_int_equal(loaded_log_read(&log, rig.builder.path, NULL, &error), MT_OK);
		assert_true(log.replay.images[0]->totals.allocations >= 1);
		loaded_log_release(&log);
	}
	/* The rig's own mapping has lost its file. */
	rig.segment.size_bytes = 0;
	recording_rig_release(&rig);
}

/* As text, from the outermost: "100 200", "cut 300". */
static const char *frames_of(const struct stack_trie *trie, uint32_t node, char *text, size_t bytes)
{
	text[0] = '\0';
	for (; node != STACK_ROOT; node = trie->nodes[node].parent) {
		char rest[64];
		(void)snprintf(rest, sizeof(rest), "%.60s", text);
		if (trie->nodes[node].offset & RING_FRAME_TRUNCATED)
			(void)snprintf(text, bytes, "cut %s", rest);
		else
			(void)snprintf(text, bytes, "%llx %s",
				       (unsigned long long)trie->nodes[node].offset, rest);
	}
	return text;
}

/* Of a recording whose log has few stack traces, the words behind the last commit may build on one
 * that it does not have. */
static void a_trace_that_builds_on_a_lost_one_is_cut(void **state)
{
	struct recording_rig rig;
	struct ring_builder ring = {0};
	struct loaded_log log;
	char text[128];
	(void)state;
	recording_rig_init_unfreed(&rig, 1);
	begin(&ring, 1, 100);
	ring_builder_stack(&ring, 1, 0, (const uint64_t[]){0x100, 0x200, 0});
	ring_builder_event(&ring, RING_ALLOCATE, 1, 0x1000, 10);
	ring_builder_stack(&ring, 2, 1, (const uint64_t[]){0x300, 0});
	recording_rig_publish(&rig, 0, 0, &ring);
	(void)recording_rig_round(&rig, 1);
	recording_rig_commit(&rig);
	ring.count = 0;
	ring_builder_stack(&ring, 3, 2, (const uint64_t[]){0x400, 0});
	ring_builder_event(&ring, RING_ALLOCATE, 3, 0x2000, 20);
	ring_builder_event(&ring, RING_ALLOCATE, 1, 0x3000, 30);
	recording_rig_publish(&rig, 0, 0, &ring);
	(void)recording_rig_round(&rig, 2);
	read_log(&log, &rig, NULL);
	assert_true(log.was_recovered);
	assert_int_equal(log.info.loss & LOG_LOSS_NONSENSE, 0);
	const struct replay_image *image = log.replay.images[0];
	assert_int_equal(image->totals.live_bytes, 60);
	for (uint32_t i = 0; i < image->costs.count; i++) {
		const struct stack_cost *cost = &image->costs.items[i];
		assert_string_equal(frames_of(&image->trie, cost->stack, text, sizeof(text)),
				    cost->live_bytes == 20 ? "cut 400 " : "100 200 ");
	}
	loaded_log_release(&log);
	ring_builder_release(&ring);
	recording_rig_release(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_not_committed_is_taken_from_spool_and_rings),
		cmocka_unit_test(killed_at_any_point_nothing_published_is_lost),
		cmocka_unit_test(one_process_of_several_can_be_asked_for),
		cmocka_unit_test(a_child_forked_since_the_last_commit_has_its_parents_command),
		cmocka_unit_test(a_child_that_outlives_its_parents_in_silence_has_their_command),
		cmocka_unit_test(
			a_child_that_recovery_finds_has_the_command_of_a_parent_that_has_ended),
		cmocka_unit_test(one_damaged_ring_costs_only_itself),
		cmocka_unit_test(another_recordings_segment_is_not_used),
		cmocka_unit_test(spool_offsets_at_the_end_of_numbers_end),
		cmocka_unit_test(a_changed_segment_never_crashes_the_reader),
		cmocka_unit_test(a_cut_segment_never_crashes_the_reader),
		cmocka_unit_test(a_trace_that_builds_on_a_lost_one_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
