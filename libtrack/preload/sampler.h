/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which allocations are recorded: all, or those that a Poisson process on the allocated bytes
 * hits, with a mean of T bytes between two hits.
 *
 * Each thread counts down an exponentially distributed number of bytes; the block at which the
 * count reaches 0 is taken, and the next number is drawn. So a block of k bytes is taken with the
 * probability 1 - exp(-k / T), whatever was before. The T that a number was drawn with goes with
 * the block that it led to: the collector may change T at any time, and samples stay unbiased.
 *
 * A count of 0 means that every allocation is to be looked at: it is what a thread starts with,
 * and what it keeps while all are recorded.
 */
#ifndef MEMTRACE_PRELOAD_SAMPLER_H
#define MEMTRACE_PRELOAD_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libtrack/preload/thread.h"
#include "libtrack/preload/tracker.h"

/* The whole cost of an allocation that isn't taken. Counts `size_bytes` down. */
static inline bool sampler_passes(size_t size_bytes)
{
	uint64_t left = thread_self.countdown;
	if (__builtin_expect(left <= size_bytes, 0))
		return false;
	thread_self.countdown = left - size_bytes;
	return true;
}

/* The same where there is a choice. */
bool sampler_decides(size_t size_bytes, uint64_t *ret_interval_bytes);

/*
 * Says whether an allocation that sampler_passes() did not let pass is to be recorded. Draws the
 * next number if so.
 *
 * ret_interval_bytes  set to the T that it was taken with, or left alone: all are
 */
static inline bool sampler_takes(size_t size_bytes, uint64_t *ret_interval_bytes)
{
	return !tracker.marks_blocks || sampler_decides(size_bytes, ret_interval_bytes);
}

/* Nothing will be recorded any more: lets all allocations of the thread pass. */
void sampler_rest(void);

#endif
