/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/patience.h"

#include <linux/futex.h>
#include <stdatomic.h>

#include "common/counter.h"
#include "libtrack/preload/tracker.h"

bool patience_sees_death(void)
{
	/* The futex word of a mutex is its first member; the kernel marks it when the owner dies.
	 */
	const volatile uint32_t *word =
		(const volatile uint32_t *)&tracker.segment->collector_alive;
	return *word & FUTEX_OWNER_DIED;
}

/*
 * Counts a step. Signals end futex calls early, and on a busy machine seconds may pass in which
 * nobody was let run: a step is one that took its time, however long.
 */
static void count_step(struct patience *patience, uint64_t beat_us)
{
	uint64_t now_ns = clock_monotonic_ns();
	if (patience->step_ns && now_ns - patience->step_ns < PATIENCE_STEP_NS)
		return;
	if (patience->step_ns && beat_us != patience->beat_us)
		patience->working_steps++;
	else if (patience->step_ns)
		patience->stalled_steps++;
	patience->step_ns = now_ns;
	patience->beat_us = beat_us;
}

enum patience_end patience_ask(struct patience *patience, uint32_t working_steps)
{
	struct segment_header *segment = tracker.segment;
	uint64_t beat_us = atomic_load_explicit(&segment->elapsed_us, memory_order_relaxed);
	if (atomic_load_explicit(&segment->stopped, memory_order_relaxed))
		return PATIENCE_STOPPED;
	if (patience_sees_death())
		return PATIENCE_STALLED;
	/* The clock plus one: 0 is nobody's. */
	if (atomic_load_explicit(&segment->given_up_us, memory_order_relaxed) == beat_us + 1)
		return PATIENCE_STALLED;
	count_step(patience, beat_us);
	if (patience->working_steps >= working_steps)
		return PATIENCE_REFUSED;
	if (patience->stalled_steps < PATIENCE_STALLED_STEPS)
		return PATIENCE_LEFT;
	atomic_store_explicit(&segment->given_up_us, beat_us + 1, memory_order_relaxed);
	return PATIENCE_STALLED;
}
