/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/stack_check.h"

#include <stdatomic.h>
#include <string.h>

#include "common/sys.h"
#include "libtrack/preload/tracker.h"

#define PRINTED_MAX 10u

static void put_text(char *line, size_t *used, const char *text)
{
	size_t length = strlen(text);
	memcpy(line + *used, text, length);
	*used += length;
}

static void put_hex(char *line, size_t *used, uint64_t number)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		line[(*used)++] = "0123456789abcdef"[number >> shift & 15];
}

static void print_difference(const char *what, size_t at, uint64_t ours, uint64_t theirs,
			     size_t our_count, size_t their_count)
{
	static _Atomic uint32_t printed;
	char line[256];
	size_t used = 0;
	if (atomic_fetch_add(&printed, 1) >= PRINTED_MAX)
		return;
	put_text(line, &used, "memtrace: stack traces differ from ");
	put_text(line, &used, what);
	put_text(line, &used, " at frame ");
	put_hex(line, &used, at);
	put_text(line, &used, ": ");
	put_hex(line, &used, ours);
	put_text(line, &used, ", not ");
	put_hex(line, &used, theirs);
	put_text(line, &used, " (frames: ");
	put_hex(line, &used, our_count);
	put_text(line, &used, ", ");
	put_hex(line, &used, their_count);
	put_text(line, &used, ")\n");
	(void)sys_write(2, line, used);
}

/* Compares leaf-first traces. returns true if they are the same */
static bool compare(const char *what, const uint64_t *ours, size_t our_count,
		    const uint64_t *theirs, size_t their_count, bool ours_is_truncated)
{
	size_t both = our_count < their_count ? our_count : their_count;
	for (size_t i = 0; i < both; i++) {
		if (RING_FRAME_ADDRESS(ours[i]) == RING_FRAME_ADDRESS(theirs[i]))
			continue;
		print_difference(what, i, ours[i], theirs[i], our_count, their_count);
		return false;
	}
	/* A trace that says that it is cut off may be shorter. */
	if (our_count == their_count || (ours_is_truncated && our_count < their_count))
		return true;
	print_difference(what, both, our_count > both ? ours[both] : 0,
			 their_count > both ? theirs[both] : 0, our_count, their_count);
	return false;
}

/* libunwind holds locks meanwhile: a handler that jumps away from them would leave them held. */
static size_t steps_without_signals(const struct unwind_start *start, uint64_t *frames)
{
	uint64_t mask = sys_block_signals();
	thread_self.activity = THREAD_FOREIGN;
	size_t count = unwind_by_steps(start, frames, LIMIT_FRAMES);
	thread_self.activity = THREAD_RECORDING;
	sys_set_signal_mask(mask);
	return count;
}

#ifdef MEMTRACE_HAS_FAST_UNWINDER
/* Whether these frames, leaf first, are the whole trace that has the hash. */
static bool has_hash(uint64_t expected, const uint64_t *frames, size_t count)
{
	uint64_t hash = stack_names_seed;
	for (size_t i = count; i-- > 0;)
		hash = stack_names_mix(hash, frames[i]);
	hash |= hash == 0;
	if (hash == expected)
		return true;
	print_difference("the one remembered", 0, hash, expected, count, count);
	return false;
}
#endif

void stack_check(struct thread_block *block, const struct unwind_start *start, uint64_t remembered)
{
	uint64_t *ours = block->checked;
	struct image_slot *image = &tracker.segment->images[tracker.image_index];
	const struct stack_names *names = &block->names;
	bool is_truncated = names->depth > 0 && names->previous[0] == RING_FRAME_TRUNCATED;
	bool is_guessed = false;
	bool is_same = true;
	size_t count = 0;
	for (size_t i = names->depth; i-- > (is_truncated ? 1u : 0u);) {
		ours[count++] = names->previous[i];
		is_guessed = is_guessed || (names->previous[i] & RING_FRAME_GUESSED);
	}
#ifdef MEMTRACE_HAS_FAST_UNWINDER
	bool plain_is_truncated;
	size_t plain = unwind_plainly(&block->unwind, start, block->frames, LIMIT_FRAMES,
				      &plain_is_truncated);
	if (remembered) {
		is_same = has_hash(remembered, block->frames, plain) && !plain_is_truncated;
		is_truncated = plain_is_truncated;
		is_guessed = false;
		for (count = 0; count < plain; count++) {
			ours[count] = block->frames[count];
			is_guessed = is_guessed || (ours[count] & RING_FRAME_GUESSED);
		}
	} else {
		/* At the limit the plain walk has a place or two more. */
		is_same = compare("a plain walk", ours, count, block->frames, plain,
				  plain_is_truncated && count >= LIMIT_FRAMES - 2);
	}
#endif
	size_t steps = steps_without_signals(start, block->frames);
	if (steps > 0 && !is_guessed)
		is_same = compare("libunwind", ours, count, block->frames, steps, is_truncated) &&
			  is_same;
	atomic_fetch_add_explicit(&image->checked_stacks, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&image->guessed_stacks, is_guessed, memory_order_relaxed);
	atomic_fetch_add_explicit(&image->differing_stacks, !is_same, memory_order_relaxed);
}
