/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_scans.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/leak_protocol.h"
#include "common/log/recording_state.h"
#include "common/log/told_stacks.h"
#include "common/sys.h"
#include "libtrack/collector/arrays.h"
#include "libtrack/collector/deferred_file.h"
#include "libtrack/collector/leak_groups.h"
#include "libtrack/collector/live_blocks.h"

/* Threads that could not be parked may keep a ring from being decoded in full. */
#define DECODE_LIMIT_US 500000u
/* A process goes on without a verdict when the clock stands still for some seconds. */
#define CLOCK_STEP_NS 100000000L
#define MANY_BLOCKS (1u << 20)

struct running_scan {
	uint64_t serial; /* of the image */
	uint32_t slot;
	uint64_t asked_us;
	struct leak_scan *scan;        /* NULL: not started yet */
	struct deferred_block *blocks; /* [block_count] that are not in the recording yet */
	size_t block_count;
};

static struct image_slot *slot_of(const struct leak_scans *scans, uint32_t index)
{
	return &scans->segment->header->images[index];
}

static void answer(const struct leak_scans *scans, uint32_t slot)
{
	_Atomic uint32_t *turn = &slot_of(scans, slot)->scan_turn;
	atomic_store(turn, LEAK_SCAN_TURN_OVER);
	sys_futex_wake(turn);
}

static struct running_scan *find(const struct leak_scans *scans, uint64_t serial)
{
	for (size_t i = 0; i < scans->count; i++)
		if (scans->items[i].serial == serial)
			return &scans->items[i];
	return NULL;
}

/* returns  false: no memory */
static bool add(struct leak_scans *scans, const struct watched_image *watched, uint64_t now_us)
{
	if (!array_reserve((void **)&scans->items, scans->count + 1, &scans->capacity,
			   sizeof(*scans->items)))
		return false;
	scans->items[scans->count++] = (struct running_scan){
		.serial = watched->serial, .slot = watched->slot, .asked_us = now_us};
	return true;
}

/* All that the image has published is decoded. */
static bool is_decoded(const struct leak_scans *scans, uint32_t slot)
{
	for (uint32_t i = 0; i < scans->segment->chunk_count * SEGMENT_CHUNK_RINGS; i++) {
		const struct ring_header *ring = segment_file_ring(scans->segment, i);
		if (atomic_load(&ring->owner) == slot + 1 &&
		    recording_decoded_position(scans->recording, i) < atomic_load(&ring->head))
			return false;
	}
	return true;
}

/* The ring that carries the memory; NULL: the process named one that is not its own, or in use. */
static uint64_t *carrier(const struct leak_scans *scans, uint32_t slot)
{
	uint32_t index = atomic_load(&slot_of(scans, slot)->scan_ring);
	if (index >= scans->segment->chunk_count * SEGMENT_CHUNK_RINGS)
		return NULL;
	const struct ring_header *ring = segment_file_ring(scans->segment, index);
	if (atomic_load(&ring->owner) != slot + 1 ||
	    atomic_load(&ring->head) != atomic_load(&ring->tail))
		return NULL;
	return segment_chunk_words(scans->segment->chunks[index / SEGMENT_CHUNK_RINGS],
				   index % SEGMENT_CHUNK_RINGS);
}

/* A thread that keeps the collector's clock going while this one is at a process's many blocks. */
struct ticker {
	struct segment_header *header;
	_Atomic uint32_t is_over;
	pthread_t thread;
	bool has_thread;
};

static void *tick(void *context)
{
	struct ticker *ticker = context;
	while (!atomic_load(&ticker->is_over)) {
		(void)segment_advance_clock(ticker->header);
		sys_futex_wait(&ticker->is_over, 0, CLOCK_STEP_NS);
	}
	return NULL;
}

static void ticker_start(struct ticker *ticker)
{
	/* None: with many blocks there may be no verdict. */
	ticker->has_thread = pthread_create(&ticker->thread, NULL, tick, ticker) == 0;
}

static void ticker_stop(struct ticker *ticker)
{
	atomic_store(&ticker->is_over, 1);
	sys_futex_wake(&ticker->is_over);
	if (ticker->has_thread)
		(void)pthread_join(ticker->thread, NULL); /* a joinable thread of ours */
}

static enum mt_status no_memory(struct mt_error *error)
{
	return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory to record with");
}

/* Takes the blocks into the recording. image  that has them */
static enum mt_status log_blocks(struct leak_scans *scans, struct running_scan *running,
				 struct recorded_image *image, struct mt_error *error)
{
	bool is_sorted = deferred_blocks_sort(running->blocks, running->block_count);
	enum mt_status status = is_sorted ? recording_add_deferred(scans->recording, image,
								   running->blocks,
								   running->block_count, error)
					  : no_memory(error);
	free(running->blocks);
	running->blocks = NULL;
	running->block_count = 0;
	return status;
}

/* What is wanted to be known of a process that goes on is everything. */
static struct leak_interest interest_in(const struct leak_scans *scans, uint32_t slot)
{
	static const struct leak_interest all = {0};
	return atomic_load(&slot_of(scans, slot)->scan_is_last) ? scans->interest : all;
}

static enum mt_status start(struct leak_scans *scans, struct running_scan *running,
			    struct recorded_image *image, struct mt_error *error)
{
	struct ticker ticker = {.header = scans->segment->header};
	/* Releases are matched with their allocations when events are encoded. */
	enum mt_status status = recording_commit(scans->recording, error);
	if (status != MT_OK)
		return status;
	if (!deferred_file_take(scans->deferred, image, &running->blocks, &running->block_count))
		return no_memory(error);
	uint64_t *words = carrier(scans, running->slot);
	struct leak_interest interest = interest_in(scans, running->slot);
	if (image->encoder.state.live_count + running->block_count >= MANY_BLOCKS)
		ticker_start(&ticker);
	image->keeps_told = true;
	if (words)
		running->scan = leak_scan_start(image, running->blocks, running->block_count,
						slot_of(scans, running->slot),
						&scans->segment->header->doorbell, words, interest);
	/* The log gets them while they are scanned. */
	if (!interest.summed)
		status = log_blocks(scans, running, image, error);
	ticker_stop(&ticker);
	return status;
}

/* Brings the stack traces of the marks into the log. returns false: no memory */
static bool log_stacks(struct recorded_image *image, struct leak_marks *marks)
{
	bool is_good = true;
	for (size_t i = 0; i < marks->count && is_good; i++) {
		struct leak_mark *mark = &marks->items[i];
		mark->stack = live_stack_node(image, mark->stack);
		is_good = mark->stack != STACK_NONE;
		for (uint32_t step = 0; step < mark->step_count && is_good; step++) {
			mark->steps[step].stack = live_stack_node(image, mark->steps[step].stack);
			is_good = mark->steps[step].stack != STACK_NONE;
		}
	}
	image->has_marks = true;
	/* Of one trace that was told twice, or is in the log already. */
	return is_good && leak_groups_join(marks);
}

/*
 * Keeps the blocks whose stack traces marks have: of these the log tells how their blocks grew.
 * returns  false: no memory
 */
static bool keep_marked(struct running_scan *running, struct recorded_image *image,
			const struct leak_marks *marks)
{
	enum { NOT_KNOWN, IS_MARKED, IS_NOT };
	uint8_t *is_marked = calloc((size_t)image->trie.node_count + 1, 1);
	uint8_t *verdicts = calloc((size_t)image->told.trie.node_count + 1, 1);
	size_t kept = 0;
	bool is_good = is_marked && verdicts;
	for (size_t i = 0; i < marks->count && is_good; i++)
		is_marked[marks->items[i].stack] = 1;
	for (size_t i = 0; i < running->block_count && is_good && marks->count > 0; i++) {
		const struct deferred_block *block = &running->blocks[i];
		uint32_t told = recording_read_deferred(image, block).stack;
		if (verdicts[told] == NOT_KNOWN) {
			uint32_t node = told_stacks_search(&image->told, told, &image->trie);
			is_good = node != STACK_NONE;
			verdicts[told] = is_good && is_marked[node] ? IS_MARKED : IS_NOT;
		}
		if (verdicts[told] == IS_MARKED)
			running->blocks[kept++] = *block;
	}
	running->block_count = kept;
	free(is_marked);
	free(verdicts);
	return is_good;
}

static enum mt_status write_marks(struct leak_scans *scans, const struct recorded_image *image,
				  struct leak_marks *marks, uint64_t now_us, struct mt_error *error)
{
	struct buffer *payload = &scans->recording->scratch;
	buffer_clear(payload);
	leak_marks_encode(marks, payload);
	if (payload->failed || payload->size_bytes > LIMIT_BLOCK_BYTES) {
		leak_marks_release(marks);
		marks->flags = LEAK_SCAN_INCOMPLETE;
		buffer_clear(payload);
		leak_marks_encode(marks, payload);
	}
	recording_add_block(scans->recording, image, LOG_BLOCK_LEAKS, now_us);
	return recording_commit(scans->recording, error);
}

static uint32_t count_lost(const struct leak_marks *marks)
{
	uint64_t blocks = 0;
	if (marks->flags & LEAK_SCAN_INCOMPLETE)
		return LEAK_SCAN_NO_VERDICT;
	for (size_t i = 0; i < marks->count; i++)
		if (marks->items[i].leak_kind == LEAK_DEFINITE)
			blocks += marks->items[i].blocks;
	return blocks < LEAK_SCAN_NO_VERDICT ? (uint32_t)blocks : LEAK_SCAN_NO_VERDICT - 1;
}

/* The image's blocks that are to be in the log, when the process has been answered. */
static enum mt_status log_rest(struct leak_scans *scans, struct running_scan *running,
			       struct recorded_image *image, const struct leak_marks *marks,
			       struct mt_error *error)
{
	struct ticker ticker = {.header = scans->segment->header};
	if (marks->flags & LEAK_SCAN_HAS_SUMS && !keep_marked(running, image, marks))
		return no_memory(error);
	if (running->block_count >= MANY_BLOCKS)
		ticker_start(&ticker); /* others may be waiting */
	enum mt_status status = log_blocks(scans, running, image, error);
	ticker_stop(&ticker);
	return status;
}

/* Ends a scan. image  NULL: it is gone, nothing is written */
static enum mt_status finish(struct leak_scans *scans, struct running_scan *running,
			     struct recorded_image *image, uint64_t now_us, struct mt_error *error)
{
	enum mt_status status = MT_OK;
	struct leak_marks marks = {.flags = LEAK_SCAN_INCOMPLETE};
	if (running->scan)
		marks = leak_scan_finish(running->scan);
	running->scan = NULL;
	if (image) {
		atomic_store(&slot_of(scans, running->slot)->scan_lost, count_lost(&marks));
		status = log_stacks(image, &marks)
				 ? write_marks(scans, image, &marks, now_us, error)
				 : no_memory(error);
		answer(scans, running->slot);
		if (status == MT_OK && running->blocks)
			status = log_rest(scans, running, image, &marks, error);
		image->keeps_told = false;
	}
	leak_marks_release(&marks);
	free(running->blocks);
	*running = scans->items[--scans->count];
	return status;
}

enum mt_status leak_scans_log_left(struct leak_scans *scans, uint64_t serial,
				   struct recorded_image *image, struct mt_error *error)
{
	struct running_scan *running = find(scans, serial);
	image->keeps_told = false;
	return running && running->blocks ? log_blocks(scans, running, image, error) : MT_OK;
}

/* NULL: it has gone, and everything of it is put down. */
static const struct watched_image *find_watched(const struct leak_scans *scans, uint64_t serial)
{
	for (size_t i = 0; i < scans->processes->count; i++)
		if (scans->processes->images[i].serial == serial)
			return &scans->processes->images[i];
	return NULL;
}

static enum mt_status step(struct leak_scans *scans, struct running_scan *running, uint64_t now_us,
			   struct mt_error *error)
{
	const struct watched_image *watched = find_watched(scans, running->serial);
	if (!watched || watched->is_dead) {
		if (running->scan)
			leak_scan_cancel(running->scan);
		/* A dead one's blocks are waited for: leak_scans_log_left(). */
		bool is_over = !watched && (!running->scan || leak_scan_is_over(running->scan));
		return is_over ? finish(scans, running, NULL, now_us, error) : MT_OK;
	}
	if (running->scan)
		return leak_scan_is_over(running->scan)
			       ? finish(scans, running, watched->image, now_us, error)
			       : MT_OK;
	bool is_late = now_us - running->asked_us > DECODE_LIMIT_US;
	if (!is_late && !is_decoded(scans, running->slot))
		return MT_OK;
	enum mt_status status = start(scans, running, watched->image, error);
	if (status == MT_OK && !running->scan)
		status = finish(scans, running, watched->image, now_us, error);
	return status;
}

enum mt_status leak_scans_step(struct leak_scans *scans, uint64_t now_us, struct mt_error *error)
{
	for (size_t i = 0; i < scans->processes->count; i++) {
		const struct watched_image *watched = &scans->processes->images[i];
		uint32_t turn = atomic_load(&slot_of(scans, watched->slot)->scan_turn);
		if (turn != LEAK_SCAN_TURN_ASKED || find(scans, watched->serial))
			continue;
		/* One that was taken for dead must not wait for ever. */
		if (watched->is_dead || !add(scans, watched, now_us))
			answer(scans, watched->slot);
	}
	enum mt_status status = MT_OK;
	for (size_t i = scans->count; i-- > 0 && status == MT_OK;)
		status = step(scans, &scans->items[i], now_us, error);
	if (status == MT_OK && scans->count == 0 && scans->deferred->header)
		leak_ahead_step(&scans->ahead, scans->processes, scans->deferred, now_us);
	return status;
}

bool leak_scans_are_on(const struct leak_scans *scans)
{
	return scans->count > 0;
}

void leak_scans_release(struct leak_scans *scans)
{
	for (size_t i = 0; i < scans->count; i++) {
		free(scans->items[i].blocks);
		if (!scans->items[i].scan)
			continue;
		leak_scan_cancel(scans->items[i].scan);
		struct leak_marks marks = leak_scan_finish(scans->items[i].scan);
		leak_marks_release(&marks);
	}
	free(scans->items);
	*scans = (struct leak_scans){0};
}
