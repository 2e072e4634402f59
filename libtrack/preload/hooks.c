/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interposed allocator functions. Each does what the real one does, with the same result and
 * errno, and tells the recorder. This file is compiled with frame pointers: UNWIND_START() reads
 * the caller's registers off the hook's own frame.
 */
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/tracker.h"

#define EXPORT __attribute__((visibility("default")))

/* Not in the headers of every glibc that has or had them. */
void cfree(void *block);
void free_sized(void *block, size_t size_bytes);
void free_aligned_sized(void *block, size_t alignment, size_t size_bytes);

/* True when events are to be recorded; the first call starts the tracker. */
static inline bool is_recording(void)
{
	uint32_t state = atomic_load_explicit(&tracker.state, memory_order_relaxed);
	if (__builtin_expect(state == TRACKER_OFF, 0)) {
		tracker_start();
		state = atomic_load_explicit(&tracker.state, memory_order_relaxed);
	}
	return state == TRACKER_RECORDING;
}

EXPORT void *malloc(size_t size_bytes)
{
	void *block = real.malloc(size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		recorder_allocated(ALLOCATION_MALLOC, block, size_bytes, &start);
	}
	return block;
}

EXPORT void free(void *block)
{
	if (__builtin_expect(is_from_bootstrap_pool(block), 0))
		return;
	if (block && is_recording())
		recorder_released(ALLOCATION_MALLOC, block);
	real.free(block);
}

EXPORT void *calloc(size_t count, size_t size_bytes)
{
	void *block = real.calloc(count, size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		recorder_allocated(ALLOCATION_CALLOC, block, count * size_bytes, &start);
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

static inline void *resize(void *old, size_t size_bytes, const struct unwind_start *start)
{
	if (__builtin_expect(is_from_bootstrap_pool(old), 0))
		return leave_bootstrap_pool(old, size_bytes);
	if (!is_recording())
		return real.realloc(old, size_bytes);
	if (!old) {
		void *block = real.realloc(NULL, size_bytes);
		if (block)
			recorder_allocated(ALLOCATION_REALLOC, block, size_bytes, start);
		return block;
	}
	recorder_move_begins(old);
	void *block = real.realloc(old, size_bytes);
	if (block)
		recorder_moved(block, size_bytes, start);
	else if (size_bytes > 0)
		recorder_move_failed(old);
	return block;
}

EXPORT void *realloc(void *old, size_t size_bytes)
{
	struct unwind_start start = UNWIND_START();
	return resize(old, size_bytes, &start);
}

EXPORT void *reallocarray(void *old, size_t count, size_t size_bytes)
{
	struct unwind_start start = UNWIND_START();
	size_t total;
	if (__builtin_mul_overflow(count, size_bytes, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return resize(old, total, &start);
}

EXPORT void *memalign(size_t alignment, size_t size_bytes)
{
	void *block = real.memalign(alignment, size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		recorder_allocated(ALLOCATION_ALIGNED, block, size_bytes, &start);
	}
	return block;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size_bytes)
{
	void *block = real.aligned_alloc(alignment, size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		recorder_allocated(ALLOCATION_ALIGNED, block, size_bytes, &start);
	}
	return block;
}

EXPORT int posix_memalign(void **ret_block, size_t alignment, size_t size_bytes)
{
	int failure = real.posix_memalign(ret_block, alignment, size_bytes);
	if (failure == 0 && *ret_block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		recorder_allocated(ALLOCATION_ALIGNED, *ret_block, size_bytes, &start);
	}
	return failure;
}

EXPORT void *valloc(size_t size_bytes)
{
	void *block = real.valloc(size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		recorder_allocated(ALLOCATION_ALIGNED, block, size_bytes, &start);
	}
	return block;
}

EXPORT void *pvalloc(size_t size_bytes)
{
	void *block = real.pvalloc(size_bytes);
	if (block && is_recording()) {
		struct unwind_start start = UNWIND_START();
		recorder_allocated(ALLOCATION_ALIGNED, block, size_bytes, &start);
	}
	return block;
}

EXPORT void cfree(void *block)
{
	if (is_from_bootstrap_pool(block))
		return;
	if (block && is_recording())
		recorder_released(ALLOCATION_MALLOC, block);
	real.cfree(block);
}

EXPORT void free_sized(void *block, size_t size_bytes)
{
	if (is_from_bootstrap_pool(block))
		return;
	if (block && is_recording())
		recorder_released(ALLOCATION_MALLOC, block);
	if (real.free_sized)
		real.free_sized(block, size_bytes);
	else
		real.free(block);
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size_bytes)
{
	if (is_from_bootstrap_pool(block))
		return;
	if (block && is_recording())
		recorder_released(ALLOCATION_ALIGNED, block);
	if (real.free_aligned_sized)
		real.free_aligned_sized(block, alignment, size_bytes);
	else
		real.free(block);
}
