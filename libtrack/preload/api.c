/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What programs call through include/memtrace/memtrace.h: the object memtrace_api_v1.
 *
 * The functions' addresses are the program's only way to them, so that a program that looks for
 * symbols finds one that nobody else has.
 */
#include <memtrace/memtrace.h>
#include <string.h>

#include "libtrack/preload/leak_check.h"
#include "libtrack/preload/real.h"
#include "libtrack/preload/recorder.h"
#include "libtrack/preload/tracker.h"

#define EXPORT __attribute__((visibility("default")))

static void pool_allocated(const void *block, size_t size_bytes)
{
	if (!block || !tracker_records())
		return;
	struct unwind_start start = UNWIND_START();
	recorder_pool_allocated(block, size_bytes, &start);
}

static void pool_released(const void *block)
{
	if (block && tracker_records())
		recorder_pool_released(block);
}

static void pool_moved(const void *old_block, const void *block, size_t size_bytes)
{
	if (!tracker_records())
		return;
	struct unwind_start start = UNWIND_START();
	if (old_block)
		recorder_pool_released(old_block);
	if (block)
		recorder_pool_allocated(block, size_bytes, &start);
}

static void note_marker(enum ring_marker kind, const char *text)
{
	struct thread_block *block = tracker_records() ? thread_enter() : NULL;
	if (!block)
		return;
	recorder_note_marker(block, kind, text);
	thread_leave(block);
}

static void pause_recording(void)
{
	atomic_store(&tracker.has_paused, 1);
	if (atomic_fetch_add(&tracker.paused, 1) == 0)
		note_marker(RING_MARKER_PAUSE, "");
}

static void resume_recording(void)
{
	uint32_t paused = atomic_load(&tracker.paused);
	/* One resume too many does nothing. */
	while (paused > 0 && !atomic_compare_exchange_weak(&tracker.paused, &paused, paused - 1))
		;
	if (paused == 1)
		note_marker(RING_MARKER_RESUME, "");
}

static void marker(const char *text)
{
	if (text)
		note_marker(RING_MARKER_TEXT, text);
}

static void is_recording(int *ret_is_recording)
{
	*ret_is_recording = tracker_records() && atomic_load(&tracker.paused) == 0;
}

static void leak_check(int *ret_has_leaks)
{
	*ret_has_leaks = leak_check_now(false);
}

EXPORT extern const struct memtrace_api memtrace_api_v1;
const struct memtrace_api memtrace_api_v1 = {
	.size_bytes = sizeof(struct memtrace_api),
	.pool_allocated = pool_allocated,
	.pool_released = pool_released,
	.pool_moved = pool_moved,
	.pause = pause_recording,
	.resume = resume_recording,
	.marker = marker,
	.is_recording = is_recording,
	.leak_check = leak_check,
	.ignore = leak_check_ignore,
	.disable = leak_check_disable,
	.enable = leak_check_enable,
};
