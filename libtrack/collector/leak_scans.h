/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The leak scans that processes of a recording have asked for, from the question to the log. */
#ifndef MEMTRACE_COLLECTOR_LEAK_SCANS_H
#define MEMTRACE_COLLECTOR_LEAK_SCANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"
#include "libtrack/collector/leak_ahead.h"
#include "libtrack/collector/leak_scan.h"
#include "libtrack/collector/process_table.h"

struct deferred_file;
struct running_scan;

struct leak_scans {
	struct segment_file *segment;
	struct deferred_file *deferred;
	struct recording *recording;
	const struct process_table *processes;
	struct leak_interest interest;
	struct running_scan *items; /* [count] */
	size_t count;
	size_t capacity;
	struct leak_ahead ahead;
};

/*
 * Starts what was asked for, and writes what was found. To be called when the rings were decoded as
 * far as they can be.
 *
 * returns  MT_ERR_IO, MT_ERR_NO_MEMORY: the log can't be written
 */
enum mt_status leak_scans_step(struct leak_scans *scans, uint64_t now_us,
			       struct mt_error *error) MT_MUST_CHECK;

/*
 * Takes what is not in the recording yet of an image that has ended while it was scanned.
 * returns  as recording_commit
 */
enum mt_status leak_scans_log_left(struct leak_scans *scans, uint64_t serial,
				   struct recorded_image *image,
				   struct mt_error *error) MT_MUST_CHECK;

/* Something is waiting for the collector: it should not sleep long. */
bool leak_scans_are_on(const struct leak_scans *scans);

/* Ends what is still running. */
void leak_scans_release(struct leak_scans *scans);

#endif
