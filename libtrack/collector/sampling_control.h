/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decides the sampling interval of a recording, which every tracker reads from the segment.
 *
 *   exact    0 for ever
 *   BYTES    from the start; raised only for a limit
 *   auto     0, until a limit asks for more
 *
 * Limits only ever raise it. The log's size: when half of what is left of max_log_bytes is used,
 * the interval is raised fourfold, so that each half lasts about twice as long as the one before;
 * what finishing the log will add is counted in advance. The overhead: the time that trackers spend
 * on recording, which they measure on every 64th event, against the CPU time of their processes.
 */
#ifndef MEMTRACE_COLLECTOR_SAMPLING_CONTROL_H
#define MEMTRACE_COLLECTOR_SAMPLING_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

struct segment_header;
struct process_table;

struct sampling_options {
	bool is_exact;           /* never sample */
	uint64_t interval_bytes; /* from the start; 0: begin exact */
	uint64_t max_log_bytes;  /* 0: no limit */
	double max_overhead;     /* as a part of the program's own time; 0: no limit */
};

struct sampling_control {
	struct sampling_options options;
	struct segment_header *segment; /* borrowed */
	uint64_t next_log_bytes;        /* the size at which the interval is raised next */
	uint64_t window_start_us;       /* of the overhead's measurement */
	uint64_t window_cpu_ns;
	uint64_t window_ticks;
	uint64_t window_counter;
};

/* Sets the segment's first interval and flags. options  copied; segment  borrowed */
void sampling_control_init(struct sampling_control *control, const struct sampling_options *options,
			   struct segment_header *segment);

/* log_bytes  of the log if it were finished now */
void sampling_control_limit_log(struct sampling_control *control, uint64_t log_bytes);

/* To be called now and then. */
void sampling_control_limit_overhead(struct sampling_control *control,
				     const struct process_table *processes, uint64_t now_us);

#endif
