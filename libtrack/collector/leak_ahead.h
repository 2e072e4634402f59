/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a leak scan will need, seen to while the program runs: for the scan the program waits.
 */
#ifndef MEMTRACE_COLLECTOR_LEAK_AHEAD_H
#define MEMTRACE_COLLECTOR_LEAK_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "libtrack/collector/process_table.h"

struct deferred_file;

struct leak_ahead {
	size_t memory_bytes; /* that malloc has at hand */
	uint64_t last_us;
	uint64_t last_serial;     /* images up to this one were looked at */
	struct stat executable;   /* of the last one that was searched; all 0: none was */
	bool executable_has_none; /* of LeakSanitizer's names */
};

/* To be called now and then, when no process waits. Some of the calls take a millisecond or more.
 */
void leak_ahead_step(struct leak_ahead *ahead, const struct process_table *processes,
		     struct deferred_file *deferred, uint64_t now_us);

#endif
