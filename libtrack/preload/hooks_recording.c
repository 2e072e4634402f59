/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/hooks_recording.h"

#include <errno.h>
#include <sys/single_threaded.h>

#include "libtrack/preload/leak_check.h"
#include "libtrack/preload/leak_park.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/sampler.h"
#include "libtrack/preload/scrub.h"
#include "libtrack/preload/slack.h"
#include "libtrack/preload/tracker.h"

/* True when events are to be recorded; the first call starts the tracker. */
static inline bool is_recording(void)
{
	uint32_t state = atomic_load_explicit(&tracker.state, memory_order_relaxed);
	if (__builtin_expect(state == TRACKER_RECORDING, 1))
		return true;
	if (state == TRACKER_OFF) {
		tracker_start();
		state = atomic_load_explicit(&tracker.state, memory_order_relaxed);
	}
	if (state == TRACKER_STOPPED)
		sampler_rest();
	return state == TRACKER_RECORDING;
}

static inline void record(enum allocation_kind kind, void *block, size_t size_bytes,
			  const struct unwind_start *start)
{
	uint64_t interval_bytes = 0;
	if (!sampler_takes(size_bytes, &interval_bytes))
		return;
	recorder_allocated(kind, block, size_bytes, interval_bytes, start);
	if (!interval_bytes)
		slack_note(block, size_bytes);
}

/* Counted, to say so if the program comes to a bad end. */
static __attribute__((noinline, cold)) void note_failure(void)
{
	if (tracker_records())
		atomic_fetch_add_explicit(
			&tracker.segment->images[tracker.image_index].failed_allocations, 1,
			memory_order_relaxed);
}

static inline bool scrubs(void)
{
	return __builtin_expect(atomic_load_explicit(&tracker.scrubs, memory_order_relaxed), 0);
}

static inline void made(enum allocation_kind kind, void *block, size_t size_bytes,
			const struct unwind_start *start)
{
	if (scrubs())
		scrub_fresh(block, size_bytes);
	record(kind, block, size_bytes, start);
}

void *recorded_malloc(size_t size_bytes)
{
	void *block = real.malloc(size_bytes);
	if (!block) {
		note_failure();
	} else if (is_recording()) {
		struct unwind_start start = UNWIND_START();
		made(ALLOCATION_MALLOC, block, size_bytes, &start);
	}
	return block;
}

/* Says whether the real free is to be called, and records the release. */
static inline bool release(enum allocation_kind kind, void *block)
{
	if (__builtin_expect(is_from_bootstrap_pool(block), 0))
		return false;
	if (block && is_recording()) {
		size_t size_bytes = recorder_released(kind, block);
		if (scrubs())
			scrub_released(block, size_bytes);
	}
	return true;
}

void recorded_free(void *block)
{
	if (release(ALLOCATION_MALLOC, block))
		real.free(block);
}

void *recorded_calloc(size_t count, size_t size_bytes)
{
	void *block = real.calloc(count, size_bytes);
	/* pthread_create comes this way, for the thread's TLS. */
	if (__builtin_expect(atomic_load_explicit(&tracker.awaits_threads, memory_order_relaxed),
			     0) &&
	    !__libc_single_threaded)
		leak_check_threads_begin();
	if (!block) {
		note_failure();
	} else if (is_recording()) {
		struct unwind_start start = UNWIND_START();
		record(ALLOCATION_CALLOC, block, count * size_bytes, &start);
	}
	return block;
}

/* A block of the bootstrap pool that is resized moves to the real allocator. */
static void *leave_bootstrap_pool(void *old, size_t size_bytes)
{
	size_t old_bytes = bootstrap_size(old);
	void *block = real.malloc(size_bytes);
	if (block)
		__builtin_memcpy(block, old, old_bytes < size_bytes ? old_bytes : size_bytes);
	return block;
}

static inline void *move_block(void *old, size_t size_bytes, const struct unwind_start *start)
{
	uint64_t interval_bytes = 0;
	bool is_old_recorded = old && recorder_move_begins(old);
	void *block = scrubs() ? scrub_realloc(old, size_bytes) : real.realloc(old, size_bytes);
	if (!block) {
		if (size_bytes > 0)
			note_failure();
		if (is_old_recorded && size_bytes > 0)
			recorder_move_failed(old);
		return NULL;
	}
	if (!sampler_takes(size_bytes, &interval_bytes))
		return block;
	if (is_old_recorded)
		recorder_moved(block, size_bytes, interval_bytes, start);
	else
		recorder_allocated(ALLOCATION_REALLOC, block, size_bytes, interval_bytes, start);
	if (!interval_bytes)
		slack_note(block, size_bytes);
	return block;
}

static inline void *resize(void *old, size_t size_bytes, const struct unwind_start *start)
{
	if (__builtin_expect(is_from_bootstrap_pool(old), 0))
		return leave_bootstrap_pool(old, size_bytes);
	if (!is_recording())
		return real.realloc(old, size_bytes);
	/* To a leak scan neither block is live while it is moving. */
	thread_self.is_moving = 1;
	void *block = move_block(old, size_bytes, start);
	thread_self.is_moving = 0;
	if (__builtin_expect(thread_self.park_wanted, 0))
		leak_park_deferred();
	return block;
}

void *recorded_realloc(void *old, size_t size_bytes)
{
	struct unwind_start start = UNWIND_START();
	return resize(old, size_bytes, &start);
}

void *recorded_reallocarray(void *old, size_t count, size_t size_bytes)
{
	struct unwind_start start = UNWIND_START();
	size_t total;
	if (__builtin_mul_overflow(count, size_bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return resize(old, total, &start);
}

void *recorded_memalign(size_t alignment, size_t size_bytes)
{
	void *block = real.memalign(alignment, size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		made(ALLOCATION_ALIGNED, block, size_bytes, &start);
	}
	return block;
}

void *recorded_aligned_alloc(size_t alignment, size_t size_bytes)
{
	void *block = real.aligned_alloc(alignment, size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		made(ALLOCATION_ALIGNED, block, size_bytes, &start);
	}
	return block;
}

int recorded_posix_memalign(void **ret_block, size_t alignment, size_t size_bytes)
{
	int failure = real.posix_memalign(ret_block, alignment, size_bytes);
	if (failure == 0 && *ret_block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		made(ALLOCATION_ALIGNED, *ret_block, size_bytes, &start);
	}
	return failure;
}

void *recorded_valloc(size_t size_bytes)
{
	void *block = real.valloc(size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		made(ALLOCATION_ALIGNED, block, size_bytes, &start);
	}
	return block;
}

void *recorded_pvalloc(size_t size_bytes)
{
	void *block = real.pvalloc(size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		made(ALLOCATION_ALIGNED, block, size_bytes, &start);
	}
	return block;
}
