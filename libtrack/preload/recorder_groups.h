/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How record groups are written, for recorder.c and recorder_notes.c.
 *
 * A record group is what one call of a hook writes: a stamp if one is due (page_owners.h), the time
 * if it has moved on, the definition of a new stack trace, and the event. It is published as a
 * whole.
 */
#ifndef MEMTRACE_PRELOAD_RECORDER_GROUPS_H
#define MEMTRACE_PRELOAD_RECORDER_GROUPS_H

#include "common/counter.h"
#include "libtrack/preload/page_owners.h"
#include "libtrack/preload/thread.h"
#include "libtrack/preload/tracker.h"

#define GROUP_OVERHEAD_WORDS 4 /* stamp, epoch, and a sampling interval's note */
#define NO_STAMP UINT64_MAX

/*
 * Whether the order of this group and other threads' has to be told: where they touch the same
 * memory, and once a tick, so that what happens in other memory is in step as well as its times
 * are.
 */
static inline bool must_stamp(const struct thread_block *block, uint64_t address, bool is_tick)
{
	return is_tick || block->is_side || !page_owners_has(address, block->ring_index);
}

static inline bool is_stamping(const struct thread_block *block)
{
	return atomic_load_explicit(&tracker.stamping, memory_order_relaxed) || block->is_side;
}

/*
 * `busy` comes first, also if there is no stamp because no other thread is known yet: this group
 * may be under way when one comes, whose events must not overtake it.
 */
static inline void busy_begin(struct thread_block *block)
{
	atomic_store_explicit(&block->ring->busy, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void busy_end(struct thread_block *block)
{
	atomic_store_explicit(&block->ring->busy, 0, memory_order_release);
}

static inline void put_stamp(struct thread_block *block)
{
	block->group = block->head;
	thread_put(block, RING_STAMP);
}

static inline void put_time(struct thread_block *block, uint64_t elapsed_us)
{
	if (elapsed_us != block->epoch_us) {
		block->epoch_us = elapsed_us;
		thread_put(block, RING_EPOCH | elapsed_us << 4);
	}
}

static inline uint64_t elapsed_us(void)
{
	return atomic_load_explicit(&tracker.segment->elapsed_us, memory_order_relaxed);
}

/*
 * Of an event of the block at `address`.
 *
 * is_stamped  if any is: other threads' words may rest on what the group defines
 */
static inline void group_begin(struct thread_block *block, uint64_t address, bool is_stamped)
{
	uint64_t now_us = elapsed_us();
	block->group = NO_STAMP;
	busy_begin(block);
	if (is_stamping(block)) {
		if (must_stamp(block, address, is_stamped || now_us != block->epoch_us)) {
			page_owners_claim(address, block->ring_index);
			put_stamp(block);
		} else {
			busy_end(block);
		}
	}
	put_time(block, now_us);
}

/* Of something that is not about a block. */
static inline void group_begin_note(struct thread_block *block)
{
	block->group = NO_STAMP;
	busy_begin(block);
	if (is_stamping(block))
		put_stamp(block);
	put_time(block, elapsed_us());
}

static inline void put_stamp_value(struct thread_block *block)
{
	bool uses_clock = tracker.segment->session_flags & SESSION_CLOCK_STAMPS;
	block->words[block->group & (RING_WORDS - 1)] = RING_STAMP | counter_read(true, uses_clock)
									     << 4;
}

static inline void group_end(struct thread_block *block)
{
	if (block->group != NO_STAMP)
		put_stamp_value(block);
	atomic_store_explicit(&block->ring->head, block->head, memory_order_release);
	busy_end(block);
}

/* Words of the definition of a new name, for which there must be room. */
static inline uint64_t stack_words(const struct thread_block *block, struct stack_name name)
{
	return name.is_new ? 1u + block->names.depth - name.kept : 0;
}

static inline void put_stack(struct thread_block *block, struct stack_name name)
{
	struct stack_names *names = &block->names;
	uint64_t count = names->depth - name.kept;
	if (tracker.deferred_low_bits)
		names->numbers[name.slot] = 0;
	thread_put(block, RING_STACK | (uint64_t)name.slot << RING_STACK_SLOT_SHIFT |
				  count << RING_STACK_COUNT_SHIFT |
				  (uint64_t)name.kept << RING_STACK_KEPT_SHIFT |
				  (uint64_t)name.base << RING_STACK_BASE_SHIFT);
	for (uint32_t i = name.kept; i < names->depth; i++)
		thread_put(block, names->previous[i]);
}

/* By the program (api.c). Releases are recorded all the same. */
static inline bool is_paused(void)
{
	return __builtin_expect(atomic_load_explicit(&tracker.paused, memory_order_relaxed) != 0,
				0);
}

#endif
