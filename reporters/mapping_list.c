/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/mapping_list.h"

#include <stdlib.h>
#include <string.h>

#include "reporters/json.h"
#include "reporters/text.h"

#define TOP_TEXT 10u
#define TOP_JSON 1000u
#define FRAME_COLUMNS 41u /* beside two figures and the source, in a line of 80 */

static const char *const source_names[] = {
#define X(number, name, text) text,
	MAPPING_SOURCES(X)
#undef X
};

static int by_stack(const void *left, const void *right)
{
	const struct profile_row *a = left;
	const struct profile_row *b = right;
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	return (a->kind > b->kind) - (a->kind < b->kind);
}

static int descending(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int by_size(const void *left, const void *right)
{
	const struct profile_row *a = left;
	const struct profile_row *b = right;
	int order = descending(a->costs.peak_bytes, b->costs.peak_bytes);
	order = order ? order : descending(a->costs.live_bytes, b->costs.live_bytes);
	order = order ? order : descending(a->costs.allocated_bytes, b->costs.allocated_bytes);
	return order ? order : by_stack(left, right);
}

/* Of several threads and processes. */
static void join(struct profile_row *sum, const struct profile_row *row)
{
	sum->costs.allocations += row->costs.allocations;
	sum->costs.allocated_bytes += row->costs.allocated_bytes;
	sum->costs.peak_blocks += row->costs.peak_blocks;
	sum->costs.peak_bytes += row->costs.peak_bytes;
	sum->costs.live_blocks += row->costs.live_blocks;
	sum->costs.live_bytes += row->costs.live_bytes;
}

enum mt_status mapping_list_gather(struct mapping_list *list, const struct profile *profile,
				   struct mt_error *error)
{
	size_t count = profile->mapping_count;
	*list = (struct mapping_list){.items = calloc(count + 1, sizeof(*list->items))};
	if (!list->items)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	memcpy(list->items, profile->mappings, count * sizeof(*list->items));
	qsort(list->items, count, sizeof(*list->items), by_stack);
	for (size_t i = 0; i < count; i++) {
		if (list->count > 0 &&
		    by_stack(&list->items[list->count - 1], &list->items[i]) == 0)
			join(&list->items[list->count - 1], &list->items[i]);
		else
			list->items[list->count++] = list->items[i];
	}
	qsort(list->items, list->count, sizeof(*list->items), by_size);
	return MT_OK;
}

void mapping_list_release(struct mapping_list *list)
{
	free(list->items);
	*list = (struct mapping_list){0};
}

static const struct profile_frame *frame_of(const struct profile *profile, uint32_t node)
{
	return node ? &profile->frames[profile->nodes[node].frame] : NULL;
}

void mapping_list_add_json(cJSON *report, const struct mapping_list *list,
			   const struct profile *profile)
{
	const struct mapping_totals *totals = &profile->mapping_totals;
	cJSON *mappings = cJSON_AddObjectToObject(report, "mappings");
	json_add_count(mappings, "mapped", totals->mapped);
	json_add_count(mappings, "unmapped", totals->unmapped);
	json_add_count(mappings, "mapped_bytes", totals->mapped_bytes);
	json_add_count(mappings, "peak_bytes", totals->peak_bytes);
	(void)cJSON_AddNumberToObject(mappings, "peak_time_seconds", (double)totals->peak_us / 1e6);
	json_add_count(mappings, "live_bytes", totals->live_bytes);
	json_add_count(mappings, "live_ranges", totals->live_ranges);
	cJSON *stacks = cJSON_AddArrayToObject(mappings, "stacks");
	for (size_t i = 0; i < list->count && i < TOP_JSON; i++) {
		const struct profile_row *row = &list->items[i];
		cJSON *item = cJSON_CreateObject();
		(void)cJSON_AddStringToObject(item, "source", source_names[row->kind]);
		json_add_count(item, "mapped", row->costs.allocations);
		json_add_count(item, "mapped_bytes", row->costs.allocated_bytes);
		json_add_count(item, "peak_bytes", row->costs.peak_bytes);
		json_add_count(item, "live_bytes", row->costs.live_bytes);
		json_add_count(item, "live_ranges", row->costs.live_blocks);
		(void)cJSON_AddItemToObject(item, "stack", json_stack(profile, row->node));
		(void)cJSON_AddItemToArray(stacks, item);
	}
}

void mapping_list_print(const struct mapping_list *list, const struct profile *profile,
			FILE *output)
{
	const struct mapping_totals *totals = &profile->mapping_totals;
	char a[TEXT_FIGURE_BYTES];
	char b[TEXT_FIGURE_BYTES];
	(void)fputs("\nmapped by the program itself (address space, apart from the heap above)\n",
		    output);
	(void)fprintf(output, "  peak          %s at %.2f s\n",
		      text_of_bytes(totals->peak_bytes, a), (double)totals->peak_us / 1e6);
	(void)fprintf(output, "  mapped        %s in %s calls\n",
		      text_of_bytes(totals->mapped_bytes, a), text_of_count(totals->mapped, b));
	(void)fprintf(output, "  at the end    %s in %s %s\n", text_of_bytes(totals->live_bytes, a),
		      text_of_count(totals->live_ranges, b),
		      totals->live_ranges == 1 ? "range" : "ranges");
	if (list->count > 0)
		(void)fputs("\n  at their peak   at the end   source       from\n", output);
	for (size_t i = 0; i < list->count && i < TOP_TEXT; i++) {
		const struct profile_row *row = &list->items[i];
		const struct profile_frame *frame = frame_of(profile, row->node);
		(void)fprintf(output, "  %11s  %11s   %-11s  ",
			      text_of_bytes(row->costs.peak_bytes, a),
			      text_of_bytes(row->costs.live_bytes, b), source_names[row->kind]);
		if (frame)
			print_frame_within(profile, frame, FRAME_COLUMNS, output);
		(void)fputc('\n', output);
	}
}
