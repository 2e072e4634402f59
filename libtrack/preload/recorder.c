/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events: allocations, releases, moves. */
#include "libtrack/preload/recorder.h"

#include "common/counter.h"
#include "libtrack/preload/deferred_blocks.h"
#include "libtrack/preload/foreign_blocks.h"
#include "libtrack/preload/recorded_map.h"
#include "libtrack/preload/recorder_groups.h"
#include "libtrack/preload/stack_capture.h"

#define EVENT_WORDS 4 /* wide, address, w0, w1 */
_Static_assert(ALLOCATION_KIND_COUNT <= RING_KIND_MASK + 1, "a kind has three bits in a ring");

static inline void put_event(struct thread_block *block, enum ring_record type, unsigned kind,
			     unsigned slot, uint64_t address)
{
	if (__builtin_expect(ring_address_fits(address), 1)) {
		thread_put(block, ring_word(type, kind, slot, address));
		return;
	}
	thread_put(block, RING_WIDE | (uint64_t)type << 4);
	thread_put(block, address);
	thread_put(block, ring_word(type, kind, slot, 0));
}

static void put_interval(struct thread_block *block, uint64_t interval_bytes)
{
	block->interval_bytes = interval_bytes;
	thread_put(block, ring_note_word(RING_NOTE_INTERVAL, 1));
	thread_put(block, interval_bytes);
}

/* What was made, and how it came to be recorded. */
struct allocation {
	enum ring_record type;
	enum allocation_kind kind;
	const void *address;
	size_t size_bytes;
	uint64_t interval_bytes;
};

static inline void record_named(struct thread_block *block, const struct allocation *allocation,
				struct stack_name name)
{
	if (!thread_reserve(block, GROUP_OVERHEAD_WORDS + stack_words(block, name) + EVENT_WORDS))
		return;
	/* Frames may be in modules that another thread has announced. */
	group_begin(block, (uint64_t)allocation->address, name.is_new);
	if (__builtin_expect(block->interval_bytes != allocation->interval_bytes, 0))
		put_interval(block, allocation->interval_bytes);
	if (name.is_new)
		put_stack(block, name);
	put_event(block, allocation->type, allocation->kind, name.slot,
		  (uint64_t)allocation->address);
	thread_put(block, allocation->size_bytes);
	group_end(block);
}

/* Tells the number of a stack trace, and the trace if it is new. returns 0: it can't have one */
static __attribute__((noinline)) uint32_t number_stack(struct thread_block *block,
						       struct stack_name name)
{
	uint32_t number = deferred_blocks_number_stack();
	if (!number || !thread_reserve(block, GROUP_OVERHEAD_WORDS + stack_words(block, name) + 3))
		return 0;
	group_begin_note(block);
	if (name.is_new)
		put_stack(block, name);
	thread_put(block, ring_note_word(RING_NOTE_NUMBER, 2));
	thread_put(block, name.slot);
	thread_put(block, number);
	group_end(block);
	stack_capture_numbered(block, name, number);
	return number;
}

/* Where the allocation is put down for a scan to look at. returns NULL: it is to be told of */
static inline _Atomic uint64_t *deferred_slot(const struct thread_block *block,
					      const struct allocation *allocation)
{
	if (allocation->type != RING_ALLOCATE || allocation->size_bytes > DEFERRED_SIZE_MAX ||
	    block->is_side || thread_self.ignoring ||
	    (thread_self.is_elsewhere && (uintptr_t)allocation->address % DEFERRED_GRANULE != 0))
		return NULL;
	_Atomic uint64_t *slot = deferred_blocks_find((uintptr_t)allocation->address);
	return __builtin_expect(slot != NULL, 1)
		       ? slot
		       : deferred_blocks_make((uintptr_t)allocation->address);
}

static inline void defer(_Atomic uint64_t *slot, const struct allocation *allocation,
			 uint32_t number)
{
	thread_self.deferred = ~(uintptr_t)allocation->address;
	atomic_store_explicit(
		slot,
		deferred_slot_make(
			(uintptr_t)allocation->address,
			atomic_load_explicit(&tracker.segment->deferred_time, memory_order_relaxed),
			allocation->size_bytes, allocation->kind, number),
		memory_order_relaxed);
}

static inline void record_allocation(struct thread_block *block,
				     const struct allocation *allocation,
				     const struct unwind_start *start)
{
	_Atomic uint64_t *slot = tracker.deferred_low_bits ? deferred_slot(block, allocation)
							   : NULL;
	struct stack_name name;
	if (!slot) {
		name = stack_capture(block, start);
	} else {
		uint32_t number = stack_capture_number(block, start, &name);
		if (__builtin_expect(!number, 0))
			number = number_stack(block, name);
		if (number)
			return defer(slot, allocation, number);
	}
	record_named(block, allocation, name);
}

/* A call that comes out of code which the tracker itself has called. */
static bool is_foreign(void)
{
	return __builtin_expect(thread_self.activity == THREAD_FOREIGN, 0);
}

static void skip_event(void)
{
	atomic_fetch_add_explicit(&tracker.segment->images[tracker.image_index].skipped_events, 1,
				  memory_order_relaxed);
}

#define MEASURED_CALLS 64u

/* Every MEASURED_CALLSth event is timed, and stands for as many. returns 0: not this one */
static inline uint64_t measure_begin(struct thread_block *block)
{
	if (__builtin_expect(!tracker.measures_overhead, 1) || ++block->call_count % MEASURED_CALLS)
		return 0;
	return counter_read(false, tracker.segment->session_flags & SESSION_CLOCK_STAMPS);
}

static inline void measure_end(uint64_t begin)
{
	if (__builtin_expect(begin == 0, 1))
		return;
	uint64_t end = counter_read(false, tracker.segment->session_flags & SESSION_CLOCK_STAMPS);
	atomic_fetch_add_explicit(&tracker.segment->images[tracker.image_index].overhead_ticks,
				  (end - begin) * MEASURED_CALLS, memory_order_relaxed);
}

static inline void record(const struct allocation *allocation, const struct unwind_start *start)
{
	if (is_foreign()) {
		/* Where blocks are marked, an unmarked one is nobody's. */
		if (!tracker.marks_blocks)
			foreign_blocks_add(allocation->address);
		return;
	}
	struct thread_block *block = is_paused() ? NULL : thread_enter();
	if (!block)
		return;
	uint64_t begin = measure_begin(block);
	if (!tracker.marks_blocks || recorded_map_add(allocation->address))
		record_allocation(block, allocation, start);
	else
		skip_event();
	if (__builtin_expect(thread_self.ignoring, 0))
		recorder_note_ignore(block, allocation->address);
	measure_end(begin);
	thread_leave(block);
}

void recorder_allocated(enum allocation_kind kind, const void *address, size_t size_bytes,
			uint64_t interval_bytes, const struct unwind_start *start)
{
	const struct allocation allocation = {RING_ALLOCATE, kind, address, size_bytes,
					      interval_bytes};
	record(&allocation, start);
}

void recorder_moved(const void *address, size_t size_bytes, uint64_t interval_bytes,
		    const struct unwind_start *start)
{
	/* The collector does not know of a block that had been deferred. */
	bool is_known = !thread_self.moving;
	const struct allocation allocation = {is_known ? RING_MOVE_END : RING_ALLOCATE,
					      ALLOCATION_REALLOC, address, size_bytes,
					      interval_bytes};
	record(&allocation, start);
}

struct recorder_position recorder_position(void)
{
	struct thread_self *self = &thread_self;
	self->deferred = 0;
	return (struct recorder_position){
		.countdown = self->countdown,
		.head = self->block ? self->block->head : 0,
	};
}

bool recorder_has_seen(const struct recorder_position *before, const void *address)
{
	const struct thread_self *self = &thread_self;
	const struct thread_block *block = self->block;
	if (self->countdown != before->countdown || self->deferred == ~(uintptr_t)address)
		return true;
	if (!block || block->head == before->head)
		return false;
	/* An allocation ends with its word and its size; the address may be in a word before. */
	uint64_t word = block->words[(block->head - 2) & (RING_WORDS - 1)];
	uint64_t wide = block->words[(block->head - 3) & (RING_WORDS - 1)];
	return (word & RING_TYPE_MASK) == RING_ALLOCATE &&
	       (ring_address_fits((uint64_t)address) ? ring_word_address(word) : wide) ==
		       (uint64_t)address;
}

/* The block is in the log, and its mark is taken off. */
static inline bool take_from_log(const void *address)
{
	if (tracker.marks_blocks)
		return recorded_map_take(address);
	return !foreign_blocks_remove(address) && !is_foreign();
}

static bool record_address(enum ring_record type, enum allocation_kind kind, const void *address)
{
	struct thread_block *block = thread_enter();
	if (!block)
		return false;
	uint64_t begin = measure_begin(block);
	bool has_room = thread_reserve(block, GROUP_OVERHEAD_WORDS + EVENT_WORDS);
	if (has_room) {
		group_begin(block, (uint64_t)address, false);
		put_event(block, type, kind, 0, (uint64_t)address);
		group_end(block);
	}
	measure_end(begin);
	thread_leave(block);
	return has_room;
}

/* No bit of the map of recorded blocks is meant for them: all are recorded. */
static const void *pool_address(const void *address)
{
	return (const void *)(RING_POOL_ADDRESS | (uintptr_t)address);
}

void recorder_pool_allocated(const void *address, size_t size_bytes,
			     const struct unwind_start *start)
{
	struct thread_block *block = is_paused() ? NULL : thread_enter();
	if (!block)
		return;
	const struct allocation allocation = {RING_ALLOCATE, ALLOCATION_POOL, pool_address(address),
					      size_bytes, 0};
	record_named(block, &allocation, stack_capture(block, start));
	thread_leave(block);
}

void recorder_pool_released(const void *address)
{
	/* Else: recording is over. */
	(void)record_address(RING_RELEASE, ALLOCATION_POOL, pool_address(address));
}

size_t recorder_released(enum allocation_kind kind, const void *address)
{
	if (__builtin_expect(thread_self.releasing == address, 0))
		return 0;
	uint64_t deferred = deferred_blocks_take(address);
	if (deferred)
		return deferred_slot_size(deferred);
	if (take_from_log(address))
		(void)record_address(RING_RELEASE, kind, address); /* else: recording is over */
	return 0;
}

bool recorder_move_begins(const void *address)
{
	thread_self.moving = deferred_blocks_take(address);
	if (thread_self.moving)
		return true;
	return take_from_log(address) &&
	       record_address(RING_MOVE_BEGIN, ALLOCATION_REALLOC, address);
}

void recorder_move_failed(const void *address)
{
	if (thread_self.moving) {
		_Atomic uint64_t *slot = deferred_blocks_find((uintptr_t)address);
		if (slot) /* else: a handler has forked meanwhile, and this is the child */
			atomic_store_explicit(slot, thread_self.moving, memory_order_relaxed);
		return;
	}
	if (!tracker.marks_blocks || recorded_map_add(address))
		(void)record_address(RING_MOVE_FAILED, ALLOCATION_REALLOC, address);
}
