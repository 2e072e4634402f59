/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Slack: what the allocator's blocks have beyond what was asked for, as malloc_usable_size() says.
 *
 * Measured on every SLACK_STRIDEth allocation of a thread, which stands for as many, and on each of
 * SLACK_LARGE_BYTES and more, whose slack may be large too. A thread begins somewhere in its first
 * stride, so that short threads are not all measured at their first allocation. Not while sampling,
 * and not for the entry points of other allocators (allocators.h).
 */
#ifndef MEMTRACE_PRELOAD_SLACK_H
#define MEMTRACE_PRELOAD_SLACK_H

#include <stddef.h>
#include <stdint.h>

#include "libtrack/preload/thread.h"

#define SLACK_STRIDE 64u
#define SLACK_LARGE_BYTES (64u << 10)

void slack_measure(void *block, size_t size_bytes);

/* `block` was made by the real malloc, for `size_bytes`, and is not the program's yet. */
static inline void slack_note(void *block, size_t size_bytes)
{
	if (__builtin_expect(size_bytes < SLACK_LARGE_BYTES && thread_self.until_slack > 0, 1))
		thread_self.until_slack--;
	else
		slack_measure(block, size_bytes);
}

#endif
