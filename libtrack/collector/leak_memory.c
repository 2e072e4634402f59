/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_memory.h"

#include <stdlib.h>
#include <string.h>

#include "common/leak_protocol.h"
#include "common/process_read.h"
#include "common/sys.h"

#define WAIT_STEP_NS 10000000L
#define PAGE_IS_THERE (3ull << 62) /* present, or swapped out */
/* Shorter ranges are read whole: asking what is there costs as much. */
#define SPARSE_BYTES (1u << 20)

/*
 * Whether the process still waits for this scan. When the collector's clock has stood still for too
 * long it goes on: its memory changes, and its ring is its own again.
 */
static bool is_attended(struct process_memory *memory)
{
	uint32_t turn = atomic_load(&memory->slot->scan_turn);
	bool waits = turn == LEAK_SCAN_TURN_READ || turn == LEAK_SCAN_TURN_GIVEN ||
		     (turn == LEAK_SCAN_TURN_ASKED && !memory->has_begun);
	if (!waits || atomic_load(memory->is_ended))
		memory->is_failed = true;
	return !memory->is_failed;
}

/* Hands the request over, and waits for the contents. */
static bool await_contents(struct process_memory *memory)
{
	_Atomic uint32_t *turn = &memory->slot->scan_turn;
	const struct leak_scan_request *request = (const void *)memory->words;
	atomic_store(turn, LEAK_SCAN_TURN_READ);
	sys_futex_wake(turn);
	for (;;) {
		uint32_t now = atomic_load(turn);
		if (now == LEAK_SCAN_TURN_GIVEN)
			break;
		if (now != LEAK_SCAN_TURN_READ || atomic_load(memory->is_ended)) {
			memory->is_failed = true;
			return false;
		}
		sys_futex_wait(turn, now, WAIT_STEP_NS);
	}
	memory->has_begun = true;
	if (request->count == UINT32_MAX)
		memory->is_failed = true;
	return !memory->is_failed;
}

/* Ranges that are read together, up to LEAK_SCAN_CONTENT_WORDS words. */
struct batch {
	uint32_t count;
	uint64_t word_count;
	struct leak_range pieces[LEAK_SCAN_RANGES];
	size_t ranges[LEAK_SCAN_RANGES]; /* which of the caller's each piece is of */
};

/* returns  the contents; NULL: they can't be had that way, or not any more */
static const uint64_t *read_directly(struct process_memory *memory, const struct batch *batch)
{
	struct iovec ranges[LEAK_SCAN_RANGES];
	size_t count = 0;
	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->pieces[i].size_bytes > 0)
			ranges[count++] = (struct iovec){(void *)batch->pieces[i].address,
							 batch->pieces[i].size_bytes};
	bool is_good = process_read(memory->direct_pid, ranges, count, (char *)memory->direct);
	/* Afterwards: what was read is what it was while the process waited. */
	return is_attended(memory) && is_good ? memory->direct : NULL;
}

static bool ask(struct process_memory *memory, const struct batch *batch)
{
	struct leak_scan_request *request = (void *)memory->words;
	if (!is_attended(memory))
		return false;
	request->kind = LEAK_SCAN_MEMORY;
	request->count = batch->count;
	for (uint32_t i = 0; i < batch->count; i++) {
		request->ranges[i].address = batch->pieces[i].address;
		request->ranges[i].size_bytes = batch->pieces[i].size_bytes;
	}
	return await_contents(memory);
}

/* returns  the contents; NULL: they can't be had */
static const uint64_t *ask_for(struct process_memory *memory, const struct batch *batch)
{
	const uint64_t *contents = memory->words + LEAK_SCAN_REQUEST_WORDS;
	if (!memory->direct)
		return ask(memory, batch) ? contents : NULL;
	/* Another reader may want the ring next. */
	(void)pthread_mutex_lock(memory->turns); /* a mutex of ours */
	bool is_good = ask(memory, batch);
	if (is_good)
		memcpy(memory->direct, contents, batch->word_count * 8);
	(void)pthread_mutex_unlock(memory->turns);
	return is_good ? memory->direct : NULL;
}

static void give_batch(struct process_memory *memory, struct batch *batch,
		       leak_words_function *give, void *give_context)
{
	const uint64_t *words = NULL;
	if (batch->count == 0 || memory->is_failed)
		return;
	if (memory->direct_pid) {
		words = read_directly(memory, batch);
		memory->direct_pid = words ? memory->direct_pid : 0;
	}
	if (!words && !memory->is_failed)
		words = ask_for(memory, batch);
	for (uint32_t i = 0; words && i < batch->count; i++) {
		uint64_t piece = batch->pieces[i].size_bytes / 8;
		give(give_context, batch->ranges[i], batch->pieces[i].address, words, piece);
		words += piece;
	}
	batch->count = 0;
	batch->word_count = 0;
}

void process_memory_read(struct process_memory *memory, const struct leak_range *ranges,
			 size_t count, leak_words_function *give, void *give_context)
{
	struct batch batch;
	batch.count = 0;
	batch.word_count = 0;
	for (size_t i = 0; i < count && !memory->is_failed; i++) {
		uint64_t address = ranges[i].address;
		uint64_t left = ranges[i].size_bytes / 8;
		while (left > 0 && !memory->is_failed) {
			uint64_t room = LEAK_SCAN_CONTENT_WORDS - batch.word_count;
			uint64_t piece = left < room ? left : room;
			batch.pieces[batch.count] = (struct leak_range){address, piece * 8};
			batch.ranges[batch.count++] = i;
			batch.word_count += piece;
			address += piece * 8;
			left -= piece;
			if (batch.word_count == LEAK_SCAN_CONTENT_WORDS ||
			    batch.count == LEAK_SCAN_RANGES)
				give_batch(memory, &batch, give, give_context);
		}
	}
	give_batch(memory, &batch, give, give_context);
}

struct copy {
	uint64_t address; /* of the range */
	uint64_t *words;
};

static void copy_words(void *context, size_t range, uint64_t address, const uint64_t *words,
		       size_t word_count)
{
	struct copy *copy = context;
	(void)range;
	memcpy(copy->words + (address - copy->address) / 8, words, word_count * 8);
}

bool process_memory_copy(struct process_memory *memory, uint64_t address, size_t size_bytes,
			 void *destination)
{
	uint64_t first = address & ~7ull;
	struct leak_range range = {first, (address + size_bytes + 7 - first) & ~7ull};
	struct copy copy = {.address = first, .words = malloc(range.size_bytes + 8)};
	if (!copy.words) {
		memory->is_failed = true;
		return false;
	}
	process_memory_read(memory, &range, 1, copy_words, &copy);
	if (!memory->is_failed)
		memcpy(destination, (const char *)copy.words + (address - first), size_bytes);
	free(copy.words);
	return !memory->is_failed;
}

void process_memory_read_directly(struct process_memory *memory, uint64_t area)
{
	struct leak_scan_area asked;
	struct leak_scan_area seen;
	if (!process_memory_copy(memory, area, sizeof(asked), &asked))
		return;
	memory->direct = malloc(LEAK_SCAN_CONTENT_WORDS * 8);
	memory->direct_pid = memory->direct ? atomic_load(&memory->slot->watched_pid) : 0;
	bool is_same = memory->direct_pid &&
		       process_memory_copy(memory, area, sizeof(seen), &seen) &&
		       memcmp(&asked, &seen, sizeof(seen)) == 0;
	if (is_same && memory->direct_pid) /* else it was asked for a second time */
		return;
	memory->direct_pid = 0;
	process_memory_release(memory);
}

bool process_memory_share(const struct process_memory *memory, struct process_memory *ret_other)
{
	*ret_other = *memory;
	ret_other->direct = memory->direct_pid ? malloc(LEAK_SCAN_CONTENT_WORDS * 8) : NULL;
	return ret_other->direct != NULL;
}

void process_memory_release(struct process_memory *memory)
{
	free(memory->direct);
	memory->direct = NULL;
}

/* What is there of some pages, as runs. */
static void read_runs(struct process_memory *memory, uint64_t address, const uint64_t *pages,
		      size_t page_count, leak_words_function *give, void *give_context)
{
	for (size_t page = 0; page < page_count;) {
		size_t end = page + 1;
		if (!(pages[page] & PAGE_IS_THERE)) {
			page++;
			continue;
		}
		while (end < page_count && pages[end] & PAGE_IS_THERE)
			end++;
		struct leak_range run = {address + page * SEGMENT_PAGE,
					 (end - page) * SEGMENT_PAGE};
		process_memory_read(memory, &run, 1, give, give_context);
		page = end;
	}
}

#define PAGES_AT_A_TIME 8192u

void process_memory_read_present(struct process_memory *memory, const struct leak_range *range,
				 leak_words_function *give, void *give_context)
{
	struct leak_scan_request *request = (void *)memory->words;
	const uint64_t *contents = memory->words + LEAK_SCAN_REQUEST_WORDS;
	uint64_t at = range->address;
	uint64_t left = range->size_bytes;
	bool is_whole_pages = at % SEGMENT_PAGE == 0 && left % SEGMENT_PAGE == 0;
	uint64_t *pages = left > SPARSE_BYTES && is_whole_pages
				  ? malloc(PAGES_AT_A_TIME * sizeof(*pages))
				  : NULL;
	while (pages && left > 0 && is_attended(memory)) {
		uint64_t count = left / SEGMENT_PAGE;
		count = count < PAGES_AT_A_TIME ? count : PAGES_AT_A_TIME;
		request->kind = LEAK_SCAN_PAGEMAP;
		request->count = 1;
		request->ranges[0].address = at;
		request->ranges[0].size_bytes = count * sizeof(*pages);
		if (!await_contents(memory)) {
			/* Without a pagemap everything is read. */
			memory->is_failed = atomic_load(memory->is_ended);
			break;
		}
		memcpy(pages, contents, count * sizeof(*pages));
		read_runs(memory, at, pages, count, give, give_context);
		at += count * SEGMENT_PAGE;
		left -= count * SEGMENT_PAGE;
	}
	free(pages);
	struct leak_range rest = {at, left};
	if (left > 0)
		process_memory_read(memory, &rest, 1, give, give_context);
}
