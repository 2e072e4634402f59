/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reporters/row_list.h"

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

static int by_size(const void *left, const void *right)
{
	const struct profile_row *a = left;
	const struct profile_row *b = right;
	int order = profile_costs_compare(&a->costs, &b->costs);
	return order ? order : by_stack(left, right);
}

enum mt_status row_list_gather(struct row_list *list, const struct profile_row *rows, size_t count,
			       struct mt_error *error)
{
	*list = (struct row_list){.items = calloc(count + 1, sizeof(*list->items))};
	if (!list->items)
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	memcpy(list->items, rows, count * sizeof(*list->items));
	qsort(list->items, count, sizeof(*list->items), by_stack);
	for (size_t i = 0; i < count; i++) {
		struct profile_row *last = list->count ? &list->items[list->count - 1] : NULL;
		profile_costs_add(&list->sum, &list->items[i].costs);
		/* Of several threads and processes. */
		if (last && by_stack(last, &list->items[i]) == 0)
			profile_costs_add(&last->costs, &list->items[i].costs);
		else
			list->items[list->count++] = list->items[i];
	}
	qsort(list->items, list->count, sizeof(*list->items), by_size);
	return MT_OK;
}

void row_list_release(struct row_list *list)
{
	free(list->items);
	*list = (struct row_list){0};
}

static const struct profile_frame *frame_of(const struct profile *profile, uint32_t node)
{
	uint32_t site = profile_site(profile, node);
	return site ? &profile->frames[profile->nodes[site].frame] : NULL;
}

void row_list_add_mappings(cJSON *report, const struct row_list *list,
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

void row_list_print_mappings(const struct row_list *list, const struct profile *profile,
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

void row_list_add_pools(cJSON *report, const struct row_list *list, const struct profile *profile)
{
	cJSON *pools = cJSON_AddObjectToObject(report, "pools");
	json_add_count(pools, "allocations", list->sum.allocations);
	json_add_count(pools, "allocated_bytes", list->sum.allocated_bytes);
	json_add_count(pools, "live_allocations", list->sum.live_blocks);
	json_add_count(pools, "live_bytes", list->sum.live_bytes);
	json_add_count(pools, "bytes_at_heap_peak", list->sum.peak_bytes);
	cJSON *stacks = cJSON_AddArrayToObject(pools, "stacks");
	for (size_t i = 0; i < list->count && i < TOP_JSON; i++) {
		const struct profile_row *row = &list->items[i];
		cJSON *item = cJSON_CreateObject();
		json_add_count(item, "allocations", row->costs.allocations);
		json_add_count(item, "allocated_bytes", row->costs.allocated_bytes);
		json_add_count(item, "live_allocations", row->costs.live_blocks);
		json_add_count(item, "live_bytes", row->costs.live_bytes);
		json_add_count(item, "bytes_at_heap_peak", row->costs.peak_bytes);
		(void)cJSON_AddItemToObject(item, "stack", json_stack(profile, row->node));
		(void)cJSON_AddItemToArray(stacks, item);
	}
}

void row_list_print_pools(const struct row_list *list, const struct profile *profile, FILE *output)
{
	char a[TEXT_FIGURE_BYTES];
	char b[TEXT_FIGURE_BYTES];
	if (list->count == 0)
		return;
	(void)fputs("\nblocks of the program's own pools (in memory that is counted above)\n",
		    output);
	(void)fprintf(output, "  allocated     %s in %s allocations\n",
		      text_of_bytes(list->sum.allocated_bytes, a),
		      text_of_count(list->sum.allocations, b));
	(void)fprintf(output, "  never freed   %s in %s blocks\n",
		      text_of_bytes(list->sum.live_bytes, a),
		      text_of_count(list->sum.live_blocks, b));
	(void)fputs("\n  at the peak   never freed   from\n", output);
	for (size_t i = 0; i < list->count && i < TOP_TEXT; i++) {
		const struct profile_row *row = &list->items[i];
		const struct profile_frame *frame = frame_of(profile, row->node);
		(void)fprintf(output, "  %11s  %11s   ", text_of_bytes(row->costs.peak_bytes, a),
			      text_of_bytes(row->costs.live_bytes, b));
		if (frame)
			print_frame(profile, frame, output);
		(void)fputc('\n', output);
	}
}
