/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libmemtrace-reader's functions: include/memtrace/reader.h over loaded_log, profile and window. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/memtrace/reader.h"
#include "reader/loaded_log.h"
#include "reader/log_window.h"
#include "reader/profile.h"

struct memtrace_log {
	struct loaded_log log;
	struct profile *profile;
};

struct memtrace_window {
	const struct profile *profile;
	struct log_window window;
};

/* Fills in what of a struct the caller knows. Both begin with a size_t, the caller's size. */
static void fill(void *ret_struct, const void *filled, size_t filled_bytes)
{
	size_t known_bytes;
	memcpy(&known_bytes, ret_struct, sizeof(known_bytes));
	size_t bytes = known_bytes < filled_bytes ? known_bytes : filled_bytes;
	if (bytes > sizeof(known_bytes))
		memcpy((char *)ret_struct + sizeof(known_bytes),
		       (const char *)filled + sizeof(known_bytes), bytes - sizeof(known_bytes));
}

#define FILL(ret_struct, filled) fill(ret_struct, &(filled), sizeof(filled))

static void report(struct memtrace_error *ret_error, enum mt_status status,
		   const struct mt_error *error)
{
	if (!ret_error)
		return;
	(void)snprintf(ret_error->message, sizeof(ret_error->message), "%s", error->message);
	switch (status) {
	case MT_OK:
		ret_error->status = MEMTRACE_OK;
		break;
	case MT_ERR_IO:
		ret_error->status = MEMTRACE_ERROR_FILE;
		break;
	case MT_ERR_NO_MEMORY:
		ret_error->status = MEMTRACE_ERROR_MEMORY;
		break;
	case MT_ERR_USAGE:
		ret_error->status = MEMTRACE_ERROR_ARGUMENT;
		break;
	case MT_ERR_NOT_A_LOG:
	case MT_ERR_VERSION:
	case MT_ERR_TRUNCATED:
	case MT_ERR_CORRUPT:
	case MT_ERR_LIMIT:
		ret_error->status = MEMTRACE_ERROR_FORMAT;
		break;
	}
}

struct memtrace_log *memtrace_log_open(const char *path, const struct memtrace_options *options,
				       struct memtrace_error *ret_error)
{
	struct memtrace_options known = {.struct_bytes = sizeof(known)};
	struct mt_error error = {.message = "no memory to open the log"};
	struct memtrace_log *log = calloc(1, sizeof(*log));
	if (!log) {
		report(ret_error, MT_ERR_NO_MEMORY, &error);
		return NULL;
	}
	if (options)
		memcpy(&known, options,
		       options->struct_bytes < sizeof(known) ? options->struct_bytes
							     : sizeof(known));
	const struct loaded_log_options load = {.pid = known.pid,
						.temporary_window = known.temporary_window};
	enum mt_status status = loaded_log_read(&log->log, path, &load, &error);
	if (status == MT_OK) {
		status = profile_new(&log->log, &log->profile, &error);
		if (status == MT_OK)
			return log;
		loaded_log_release(&log->log);
	}
	free(log);
	report(ret_error, status, &error);
	return NULL;
}

void memtrace_log_close(struct memtrace_log *log)
{
	if (!log)
		return;
	profile_free(log->profile);
	loaded_log_release(&log->log);
	free(log);
}

void memtrace_log_info(const struct memtrace_log *log, struct memtrace_info *ret_info)
{
	const struct log_info *known = &log->log.info;
	const struct memtrace_info info = {
		.command = known->run.command,
		.host = known->run.host,
		.version = known->run.version,
		.mode = profile_mode(log->profile),
		.incomplete_reason = loaded_log_incomplete_reason(&log->log),
		.start_ns = known->run.start_realtime_ns,
		.end_us = known->end_us,
		.event_count = log->log.replay.event_count,
		.has_names = !log->profile->needs_symbols,
	};
	FILL(ret_info, info);
}

void memtrace_log_totals(const struct memtrace_log *log, struct memtrace_totals *ret_totals)
{
	const struct replay_totals *known = &log->profile->totals;
	const struct memtrace_totals totals = {
		.allocations = known->allocations,
		.deallocations = known->deallocations,
		.reallocations = known->reallocations,
		.allocated_bytes = known->allocated_bytes,
		.temporary_allocations = log->profile->errors ? 0 : known->temporary,
		.live_allocations = known->live_blocks,
		.live_bytes = known->live_bytes,
		.peak_bytes = known->peak_bytes,
		.peak_us = known->peak_us,
		.anomalies = log->profile->anomalies,
	};
	FILL(ret_totals, totals);
}

size_t memtrace_process_count(const struct memtrace_log *log)
{
	return log->log.info.image_count;
}

bool memtrace_process(const struct memtrace_log *log, size_t process,
		      struct memtrace_process *ret_process)
{
	const struct log_info *info = &log->log.info;
	if (process >= info->image_count)
		return false;
	const struct log_image *image = &info->images[process];
	const struct replay_totals *totals = &log->log.replay.images[process]->totals;
	const struct memtrace_process filled = {
		.pid = image->pid,
		.parent_pid = image->parent_pid,
		.path = image->path,
		.command = image->command,
		.start_us = image->start_us,
		.end_us = image->has_ended ? image->end_us : info->end_us,
		.has_ended = image->has_ended,
		.thread_count = image->thread_count,
		.peak_bytes = totals->peak_bytes,
		.live_bytes = totals->live_bytes,
	};
	FILL(ret_process, filled);
	return true;
}

const char *memtrace_thread_name(const struct memtrace_log *log, size_t process, size_t thread)
{
	const struct log_info *info = &log->log.info;
	if (process >= info->image_count || thread >= info->images[process].thread_count)
		return NULL;
	return info->images[process].threads[thread].name;
}

size_t memtrace_node_count(const struct memtrace_log *log)
{
	return log->profile->node_count;
}

bool memtrace_node(const struct memtrace_log *log, size_t node, struct memtrace_node *ret_node)
{
	const struct profile *profile = log->profile;
	if (node >= profile->node_count)
		return false;
	const struct profile_frame root = {0};
	const struct profile_frame *frame = node ? &profile->frames[profile->nodes[node].frame]
						 : &root;
	const struct memtrace_node filled = {
		.parent = profile->nodes[node].parent,
		.function = profile_text(profile, frame->function),
		.file = profile_text(profile, frame->file),
		.line = frame->line,
		.module = profile_text(profile, frame->module),
		.is_inlined = frame->flags & PROFILE_FRAME_INLINED,
		.is_guessed = frame->flags & PROFILE_FRAME_GUESSED,
		.is_cut = frame->flags & PROFILE_FRAME_CUT,
	};
	FILL(ret_node, filled);
	return true;
}

size_t memtrace_row_count(const struct memtrace_log *log)
{
	return log->profile->row_count;
}

bool memtrace_row(const struct memtrace_log *log, size_t row, struct memtrace_row *ret_row)
{
	static const char *const kinds[] = {
#define X(number, name, text) text,
		ALLOCATION_KINDS(X)
#undef X
	};
	if (row >= log->profile->row_count)
		return false;
	const struct profile_row *known = &log->profile->rows[row];
	const struct memtrace_row filled = {
		.node = known->node,
		.process = known->process,
		.thread = known->thread,
		.kind = kinds[known->kind],
		.allocations = known->costs.allocations,
		.allocated_bytes = known->costs.allocated_bytes,
		.temporary_allocations = log->profile->errors ? 0 : known->costs.temporary,
		.peak_blocks = known->costs.peak_blocks,
		.peak_bytes = known->costs.peak_bytes,
		.live_blocks = known->costs.live_blocks,
		.live_bytes = known->costs.live_bytes,
	};
	FILL(ret_row, filled);
	return true;
}

bool memtrace_row_lifetimes(const struct memtrace_log *log, size_t row, uint64_t *ret_counts,
			    size_t count)
{
	uint64_t counts[LIFETIME_BUCKETS] = {0};
	if (row >= log->profile->row_count || count == 0 || !log->log.replay.has_details)
		return false;
	profile_add_lifetimes(log->profile, &log->profile->rows[row], counts);
	memset(ret_counts, 0, count * sizeof(*ret_counts));
	for (size_t b = 0; b < LIFETIME_BUCKETS; b++)
		ret_counts[b < count ? b : count - 1] += counts[b];
	return true;
}

size_t memtrace_point_count(const struct memtrace_log *log)
{
	return log->log.replay.timeline.count;
}

bool memtrace_point(const struct memtrace_log *log, size_t point, struct memtrace_point *ret_point)
{
	const struct timeline *timeline = &log->log.replay.timeline;
	if (point >= timeline->count)
		return false;
	const struct memtrace_point filled = {
		.time_us = timeline->points[point].time_us,
		.live_bytes = timeline->points[point].live_bytes,
		.max_bytes = timeline->points[point].max_bytes,
	};
	FILL(ret_point, filled);
	return true;
}

struct memtrace_window *memtrace_window_open(const struct memtrace_log *log, uint64_t from_us,
					     uint64_t to_us, struct memtrace_error *ret_error)
{
	struct mt_error error = {.message = "no memory to read the log"};
	struct memtrace_window *window = calloc(1, sizeof(*window));
	enum mt_status status = MT_ERR_NO_MEMORY;
	if (window)
		status = log_window_read(&window->window, &log->log, from_us, to_us, &error);
	if (status == MT_OK) {
		window->profile = log->profile;
		return window;
	}
	free(window);
	report(ret_error, status, &error);
	return NULL;
}

void memtrace_window_close(struct memtrace_window *window)
{
	if (!window)
		return;
	log_window_release(&window->window);
	free(window);
}

bool memtrace_window_row(const struct memtrace_window *window, size_t row,
			 struct memtrace_window_row *ret_row)
{
	if (row >= window->profile->row_count)
		return false;
	const struct profile_row *known = &window->profile->rows[row];
	const struct window_cost *cost =
		&window->window.costs[window->window.firsts[known->process] + known->cost];
	const struct memtrace_window_row filled = {
		.allocations = cost->allocations,
		.allocated_bytes = cost->allocated_bytes,
		.surviving_blocks = cost->surviving_blocks,
		.surviving_bytes = cost->surviving_bytes,
		.live_blocks = cost->live_blocks,
		.live_bytes = cost->live_bytes,
	};
	FILL(ret_row, filled);
	return true;
}
