/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stamps that put the events of several threads into one order.
 *
 * On a machine with an invariant time-stamp counter this is one counter for all processors. The
 * counter's read is no memory operation: unless it is fenced it may run ahead of the loads that got
 * the block, from the allocator or from another thread. On x86-64 it can't be late: it retires
 * before the stores that hand the block on become visible. On aarch64 stores may become visible
 * before an older instruction is done, hence a barrier behind the read too. An ISB waits for
 * branches, not for loads; but the hooks look at the block's address first, and the branch on that
 * waits for the load.
 */
#ifndef MEMTRACE_COMMON_COUNTER_H
#define MEMTRACE_COMMON_COUNTER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in nanoseconds: for intervals and deadlines, and in place of the counter. */
static inline uint64_t clock_monotonic_ns(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t counter_read(bool is_fenced, bool uses_clock)
{
	if (__builtin_expect(uses_clock, 0))
		return clock_monotonic_ns();
#if defined(__x86_64__)
	if (is_fenced)
		__builtin_ia32_lfence();
	return __builtin_ia32_rdtsc();
#else
	uint64_t value;
	if (is_fenced)
		__asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(value)::"memory");
	else
		__asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
	return value;
#endif
}

#endif
