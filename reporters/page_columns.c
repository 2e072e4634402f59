/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/page_columns.h"

#include <stdlib.h>
#include <string.h>

static bool add_process(struct page_threads *threads, const struct log_image *image,
			uint32_t process)
{
	size_t first = threads->count;
	uint32_t *numbers = calloc((size_t)image->thread_count + 1, sizeof(*numbers));
	threads->of_process[process] = numbers;
	if (!numbers)
		return false;
	for (uint32_t t = 0; t < image->thread_count; t++) {
		size_t entry = first;
		while (entry < threads->count &&
		       strcmp(threads->items[entry].name, image->threads[t].name) != 0)
			entry++;
		if (entry == threads->count) {
			struct page_thread *grown = realloc(threads->items,
							    (entry + 1) * sizeof(*grown));
			if (!grown)
				return false;
			threads->items = grown;
			threads->items[threads->count++] = (struct page_thread){
				.process = process, .name = image->threads[t].name};
		}
		numbers[t] = (uint32_t)entry;
	}
	return true;
}

bool page_threads_gather(struct page_threads *threads, const struct profile *profile)
{
	const struct log_info *info = &profile->log->info;
	threads->of_process = calloc((size_t)info->image_count + 1, sizeof(uint32_t *));
	if (!threads->of_process)
		return false;
	threads->process_count = info->image_count;
	for (uint32_t i = 0; i < info->image_count; i++)
		if (!add_process(threads, &info->images[i], i))
			return false;
	return true;
}

void page_threads_release(struct page_threads *threads)
{
	for (uint32_t i = 0; i < threads->process_count; i++)
		free(threads->of_process[i]);
	free(threads->of_process);
	free(threads->items);
	*threads = (struct page_threads){0};
}

static void describe(cJSON *list, const char *name, size_t count, const char *encoding)
{
	cJSON *column = cJSON_CreateObject();
	(void)cJSON_AddStringToObject(column, "name", name);
	(void)cJSON_AddNumberToObject(column, "count", (double)count);
	(void)cJSON_AddStringToObject(column, "encoding", encoding);
	(void)cJSON_AddItemToArray(list, column);
}

/* Writes `value` for each i of [0, count), as it is or as the difference to the one before. */
#define COLUMN(name, count, value)                                                                 \
	do {                                                                                       \
		describe(list, name, count, "varint");                                             \
		for (size_t i = 0; i < (count); i++)                                               \
			buffer_varint(columns, value);                                             \
	} while (0)

#define DELTA_COLUMN(name, count, value)                                                           \
	do {                                                                                       \
		uint64_t before = 0;                                                               \
		describe(list, name, count, "delta");                                              \
		for (size_t i = 0; i < (count); i++) {                                             \
			uint64_t now = value;                                                      \
			buffer_zigzag(columns, (int64_t)(now - before));                           \
			before = now;                                                              \
		}                                                                                  \
	} while (0)

static void write_tree(const struct profile *profile, cJSON *list, struct buffer *columns)
{
	const struct profile_frame *frames = profile->frames;
	const struct profile_node *nodes = profile->nodes;
	COLUMN("frames.function", profile->frame_count, frames[i].function);
	COLUMN("frames.file", profile->frame_count, frames[i].file);
	COLUMN("frames.line", profile->frame_count, frames[i].line);
	COLUMN("frames.module", profile->frame_count, frames[i].module);
	COLUMN("frames.flags", profile->frame_count, frames[i].flags);
	COLUMN("nodes.parent", profile->node_count, i - nodes[i].parent);
	COLUMN("nodes.frame", profile->node_count, nodes[i].frame);
}

static uint32_t thread_entry(const struct page_threads *threads, const struct profile *profile,
			     const struct profile_row *row)
{
	if (row->thread >= profile->log->info.images[row->process].thread_count)
		return 0;
	return threads->of_process[row->process][row->thread];
}

static void write_rows(const struct profile *profile, const struct page_threads *threads,
		       cJSON *list, struct buffer *columns)
{
	const struct profile_row *rows = profile->rows;
	size_t count = profile->row_count;
	DELTA_COLUMN("rows.node", count, rows[i].node);
	COLUMN("rows.thread", count, thread_entry(threads, profile, &rows[i]));
	COLUMN("rows.kind", count, rows[i].kind);
	COLUMN("rows.leak", count, 0);
	COLUMN("rows.allocations", count, rows[i].costs.allocations);
	COLUMN("rows.allocated_bytes", count, rows[i].costs.allocated_bytes);
	COLUMN("rows.peak_blocks", count, rows[i].costs.peak_blocks);
	COLUMN("rows.peak_bytes", count, rows[i].costs.peak_bytes);
	COLUMN("rows.live_blocks", count, rows[i].costs.live_blocks);
	COLUMN("rows.live_bytes", count, rows[i].costs.live_bytes);
	COLUMN("rows.temporary", count, profile->errors ? 0 : rows[i].costs.temporary);
}

static void write_times(const struct profile *profile, cJSON *list, struct buffer *columns)
{
	const struct timeline *timeline = &profile->log->replay.timeline;
	const struct log_info *info = &profile->log->info;
	DELTA_COLUMN("timeline.time_us", timeline->count, timeline->points[i].time_us);
	COLUMN("timeline.live_bytes", timeline->count, timeline->points[i].live_bytes);
	COLUMN("timeline.max_bytes", timeline->count, timeline->points[i].max_bytes);
	DELTA_COLUMN("rss.time_us", info->sample_count, info->samples[i].time_us);
	COLUMN("rss.bytes", info->sample_count, info->samples[i].rss_bytes);
	COLUMN("rss.tracker_bytes", info->sample_count, info->samples[i].tracker_bytes);
}

void page_columns_write(const struct profile *profile, const struct page_threads *threads,
			cJSON *list, struct buffer *columns)
{
	write_tree(profile, list, columns);
	write_rows(profile, threads, list, columns);
	write_times(profile, list, columns);
}
