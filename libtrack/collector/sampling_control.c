/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/sampling_control.h"

#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "common/counter.h"
#include "common/log/recording.h"
#include "common/segment.h"
#include "libtrack/collector/process_table.h"

#define FIRST_INTERVAL_BYTES 4096u
#define RAISE_FACTOR 4u
#define LEAST_STEP 64u /* of the limit: by so little the log may grow without a raise */
#define INTERVAL_MAX (1ull << 56)
#define OVERHEAD_WINDOW_US 200000u
#define OVERHEAD_CPU_NS_MIN 50000000u /* less CPU time in a window says nothing */

void sampling_control_init(struct sampling_control *control, const struct sampling_options *options,
			   struct segment_header *segment)
{
	*control = (struct sampling_control){
		.options = *options,
		.segment = segment,
		.next_log_bytes = options->max_log_bytes / 2,
	};
	if (options->is_exact)
		return;
	segment->session_flags |= SESSION_MAY_SAMPLE;
	if (options->max_overhead > 0)
		segment->session_flags |= SESSION_MEASURE_OVERHEAD;
	atomic_store(&segment->interval_bytes, options->interval_bytes);
}

static void raise_interval(struct sampling_control *control, uint64_t factor)
{
	uint64_t interval = atomic_load(&control->segment->interval_bytes);
	interval = interval ? interval * factor : FIRST_INTERVAL_BYTES;
	if (interval <= INTERVAL_MAX)
		atomic_store(&control->segment->interval_bytes, interval);
}

void sampling_control_limit_log(struct sampling_control *control, uint64_t log_bytes)
{
	if (control->options.is_exact || control->options.max_log_bytes == 0)
		return;
	/*
	 * Once for all that has come at a time: what comes next is sampled more sparsely already,
	 * and only its growth tells whether that is enough.
	 */
	uint64_t limit = control->options.max_log_bytes;
	if (log_bytes <= control->next_log_bytes)
		return;
	uint64_t left = log_bytes < limit ? limit - log_bytes : 0;
	raise_interval(control, RAISE_FACTOR);
	control->next_log_bytes = log_bytes +
				  (left / 2 > limit / LEAST_STEP ? left / 2 : limit / LEAST_STEP);
}

/* CPU time of all living processes, and what their trackers have spent of it. */
static void add_up(const struct sampling_control *control, const struct process_table *processes,
		   uint64_t *ret_cpu_ns, uint64_t *ret_ticks)
{
	*ret_cpu_ns = 0;
	*ret_ticks = 0;
	for (size_t i = 0; i < processes->count; i++) {
		const struct watched_image *watched = &processes->images[i];
		struct timespec used;
		clockid_t clock;
		if (watched->is_dead ||
		    clock_getcpuclockid((pid_t)watched->image->pid, &clock) != 0 ||
		    clock_gettime(clock, &used) != 0)
			continue;
		*ret_cpu_ns += (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
		*ret_ticks += atomic_load(&control->segment->images[watched->slot].overhead_ticks);
	}
}

void sampling_control_limit_overhead(struct sampling_control *control,
				     const struct process_table *processes, uint64_t now_us)
{
	if (control->options.is_exact || control->options.max_overhead <= 0 ||
	    now_us - control->window_start_us < OVERHEAD_WINDOW_US)
		return;
	bool uses_clock = control->segment->session_flags & SESSION_CLOCK_STAMPS;
	uint64_t counter = counter_read(false, uses_clock);
	uint64_t cpu_ns;
	uint64_t ticks;
	add_up(control, processes, &cpu_ns, &ticks);
	uint64_t window_cpu_ns = cpu_ns - control->window_cpu_ns;
	double ns_per_tick = (double)(now_us - control->window_start_us) * 1000 /
			     (double)(counter - control->window_counter);
	double overhead_ns = (double)(ticks - control->window_ticks) * ns_per_tick;
	/* Of a tree whose processes came or went in the window the difference makes no sense. */
	bool is_measured = control->window_counter && cpu_ns >= control->window_cpu_ns &&
			   ticks >= control->window_ticks && window_cpu_ns > OVERHEAD_CPU_NS_MIN;
	if (is_measured) {
		double own_ns = (double)window_cpu_ns - overhead_ns;
		double ratio = overhead_ns / (own_ns > 1 ? own_ns : 1);
		double excess = ratio / control->options.max_overhead;
		if (excess > 1)
			raise_interval(control, excess > 16  ? 16
						: excess > 2 ? (uint64_t)excess
							     : 2);
	}
	control->window_start_us = now_us;
	control->window_counter = counter;
	control->window_cpu_ns = cpu_ns;
	control->window_ticks = ticks;
}
