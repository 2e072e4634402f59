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
	threads->known_counts[process] = image->thread_count;
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
	threads->known_counts = calloc((size_t)info->image_count + 1, sizeof(uint32_t));
	if (!threads->of_process || !threads->known_counts)
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
	free(threads->known_counts);
	free(threads->items);
	*threads = (struct page_threads){0};
}

uint32_t page_threads_entry(const struct page_threads *threads, uint32_t process, uint32_t thread)
{
	return thread < threads->known_counts[process] ? threads->of_process[process][thread] : 0;
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

static void write_tree(const struct page_tree *tree, cJSON *list, struct buffer *columns)
{
	const struct profile_frame *frames = tree->frames;
	const struct profile_node *nodes = tree->nodes;
	COLUMN("frames.function", tree->frame_count, frames[i].function);
	COLUMN("frames.file", tree->frame_count, frames[i].file);
	COLUMN("frames.line", tree->frame_count, frames[i].line);
	COLUMN("frames.module", tree->frame_count, frames[i].module);
	COLUMN("frames.flags", tree->frame_count, frames[i].flags);
	COLUMN("nodes.parent", tree->node_count, i - nodes[i].parent);
	COLUMN("nodes.frame", tree->node_count, nodes[i].frame);
}

static void write_rows(const struct page_tree *tree, cJSON *list, struct buffer *columns)
{
	const struct page_row *rows = tree->rows;
	size_t count = tree->row_count;
	DELTA_COLUMN("rows.node", count, rows[i].node);
	COLUMN("rows.thread", count, rows[i].thread);
	COLUMN("rows.kind", count, rows[i].kind);
	COLUMN("rows.leak", count, rows[i].leak);
	COLUMN("rows.allocations", count, rows[i].costs.allocations);
	COLUMN("rows.allocated_bytes", count, rows[i].costs.allocated_bytes);
	COLUMN("rows.peak_blocks", count, rows[i].costs.peak_blocks);
	COLUMN("rows.peak_bytes", count, rows[i].costs.peak_bytes);
	COLUMN("rows.live_blocks", count, rows[i].costs.live_blocks);
	COLUMN("rows.live_bytes", count, rows[i].costs.live_bytes);
	COLUMN("rows.temporary", count, rows[i].costs.temporary);
}

static void write_base(const struct page_tree *tree, cJSON *list, struct buffer *columns)
{
	const struct page_base *base = tree->base;
	size_t count = tree->base_count;
	DELTA_COLUMN("base.node", count, base[i].node);
	COLUMN("base.allocations", count, base[i].costs.allocations);
	COLUMN("base.allocated_bytes", count, base[i].costs.allocated_bytes);
	COLUMN("base.peak_blocks", count, base[i].costs.peak_blocks);
	COLUMN("base.peak_bytes", count, base[i].costs.peak_bytes);
	COLUMN("base.live_blocks", count, base[i].costs.live_blocks);
	COLUMN("base.live_bytes", count, base[i].costs.live_bytes);
	COLUMN("base.temporary", count, base[i].costs.temporary);
}

static void write_sources(const struct page_sources *sources, cJSON *list, struct buffer *columns)
{
	const struct page_source *items = sources->items;
	COLUMN("sources.file", sources->count, items[i].file);
	COLUMN("sources.first_line", sources->count, items[i].first_line);
	COLUMN("sources.text", sources->count, items[i].text);
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

/* Blocks of one row that were made and have ended in the same windows. */
struct survivor {
	uint32_t row;
	uint16_t born;
	uint16_t died; /* number of windows: never */
	uint64_t blocks;
	uint64_t bytes;
};

#define NO_ROW UINT32_MAX /* a pool's, or of a process that was not asked for */

/*
 * The page's row of each cost of each process: `ret_firsts` [image_count] gets where those of a
 * process begin. returns NULL: no memory
 */
static uint32_t *rows_of_costs(const struct profile *profile, const struct page_tree *tree,
			       size_t *ret_firsts)
{
	const struct replay *replay = &profile->log->replay;
	size_t count = 0;
	for (uint32_t i = 0; i < replay->image_count; i++) {
		ret_firsts[i] = count;
		count += replay->images[i]->costs.count;
	}
	uint32_t *rows = malloc((count + 1) * sizeof(*rows));
	if (!rows)
		return NULL;
	for (size_t i = 0; i < count; i++)
		rows[i] = NO_ROW;
	for (size_t i = 0; i < profile->row_count; i++)
		rows[ret_firsts[profile->rows[i].process] + profile->rows[i].cost] =
			tree->row_of[i];
	return rows;
}

static int by_row(const void *left, const void *right)
{
	const struct survivor *a = left;
	const struct survivor *b = right;
	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	if (a->born != b->born)
		return a->born < b->born ? -1 : 1;
	return (a->died > b->died) - (a->died < b->died);
}

/* Sorts, and makes one of those that differ in their figures only. returns how many are left */
static size_t settle_survivors(struct survivor *survivors, size_t count)
{
	size_t kept = 0;
	if (count > 1)
		qsort(survivors, count, sizeof(*survivors), by_row);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && by_row(&survivors[kept - 1], &survivors[i]) == 0) {
			survivors[kept - 1].blocks += survivors[i].blocks;
			survivors[kept - 1].bytes += survivors[i].bytes;
		} else {
			survivors[kept++] = survivors[i];
		}
	}
	return kept;
}

/* The log's generations on the rows of the page. returns NULL: no memory */
static struct survivor *gather_survivors(const struct profile *profile,
					 const struct page_tree *tree, size_t *ret_count)
{
	const struct generations *generations = &profile->log->replay.generations;
	struct survivor *survivors = malloc((generations->count + 1) * sizeof(*survivors));
	size_t *firsts = calloc((size_t)profile->log->replay.image_count + 1, sizeof(*firsts));
	uint32_t *rows = firsts ? rows_of_costs(profile, tree, firsts) : NULL;
	size_t count = 0;
	for (size_t i = 0; i < generations->count && survivors && rows; i++) {
		const struct generation *item = &generations->items[i];
		uint32_t row = rows[firsts[item->image] + item->cost];
		if (row == NO_ROW)
			continue;
		survivors[count++] = (struct survivor){
			.row = row,
			.born = item->born,
			.died = item->died == GENERATION_NEVER ? (uint16_t)generations->piece_count
							       : item->died,
			.blocks = item->blocks,
			.bytes = item->bytes,
		};
	}
	bool has_memory = survivors && rows;
	free(firsts);
	free(rows);
	if (has_memory) {
		*ret_count = settle_survivors(survivors, count);
		return survivors;
	}
	free(survivors);
	return NULL;
}

static void write_survivors(const struct profile *profile, const struct page_tree *tree,
			    cJSON *list, struct buffer *columns)
{
	size_t count = 0;
	struct survivor *survivors = gather_survivors(profile, tree, &count);
	if (!survivors)
		columns->failed = true;
	DELTA_COLUMN("survivors.row", count, survivors[i].row);
	COLUMN("survivors.born", count, survivors[i].born);
	COLUMN("survivors.died", count, survivors[i].died);
	COLUMN("survivors.blocks", count, survivors[i].blocks);
	COLUMN("survivors.bytes", count, survivors[i].bytes);
	free(survivors);
}

void page_columns_write(const struct profile *profile, const struct page_tree *tree,
			const struct page_sources *sources, cJSON *list, struct buffer *columns)
{
	write_tree(tree, list, columns);
	write_rows(tree, list, columns);
	if (page_has_windows(profile))
		write_survivors(profile, tree, list, columns);
	write_times(profile, list, columns);
	if (tree->base)
		write_base(tree, list, columns);
	if (sources->count > 0)
		write_sources(sources, list, columns);
}
