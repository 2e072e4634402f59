/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/growth.h"

#include <stdlib.h>

#include "common/format.h"

#define FIRST (GROWTH_INSTANTS / 4) /* up to here programs are setting up */
#define THIRD ((GROWTH_INSTANTS - FIRST) / 3)

/* The piece of time (reader/generations.h) at whose end an instant is. */
static uint32_t piece_of(const struct generations *generations, size_t instant)
{
	uint32_t end = (uint32_t)((instant + 1) * generations->piece_count / (GROWTH_INSTANTS + 1));
	return end ? end - 1 : 0;
}

/* The item of a row's stack trace, made if there is none. */
static struct growth_item *item_of(struct growth *growth, const struct profile_row *row)
{
	uint32_t *index = &growth->by_node[row->node];
	if (*index == 0) {
		growth->items[growth->count] = (struct growth_item){.node = row->node};
		*index = (uint32_t)++growth->count;
	}
	return &growth->items[*index - 1];
}

static void add_generation(struct growth_item *item, const struct generations *generations,
			   const struct generation *generation)
{
	uint32_t last = piece_of(generations, GROWTH_INSTANTS - 1);
	for (size_t i = 0; i < GROWTH_INSTANTS; i++) {
		uint32_t piece = piece_of(generations, i);
		if (generation->born <= piece && piece < generation->died)
			item->live_bytes[i] += generation->bytes;
	}
	if (generation->born > last || generation->died <= last)
		return;
	/* Until all are added the mean is kept as a sum; ages are in half pieces. */
	item->mean_age_us += ((uint64_t)(last - generation->born) * 2 + 1) * generation->bytes;
	item->live_blocks += generation->blocks;
}

/*
 * Rows are by process and cost, that is of those that have one: not of processes that were not
 * asked for, nor of blocks of pools.
 */
static int by_cost(const void *key, const void *item)
{
	const struct generation *generation = key;
	const struct profile_row *row = item;
	if (generation->image != row->process)
		return generation->image < row->process ? -1 : 1;
	return (generation->cost > row->cost) - (generation->cost < row->cost);
}

static void gather(struct growth *growth, const struct profile *profile)
{
	const struct generations *generations = &profile->log->replay.generations;
	for (size_t i = 0; i < generations->count; i++) {
		const struct generation *generation = &generations->items[i];
		const struct profile_row *row = bsearch(generation, profile->rows,
							profile->row_count, sizeof(*row), by_cost);
		if (row)
			add_generation(item_of(growth, row), generations, generation);
	}
	for (size_t i = 0; i < profile->row_count; i++) {
		const struct profile_row *row = &profile->rows[i];
		if (growth->by_node[row->node])
			item_of(growth, row)->allocated_bytes += row->costs.allocated_bytes;
	}
}

/* Mean of the instants [from, from + THIRD). */
static double mean_of(const struct growth_item *item, size_t from)
{
	double sum = 0;
	for (size_t i = from; i < from + THIRD; i++)
		sum += (double)item->live_bytes[i];
	return sum / THIRD;
}

/* How often there was more than at the instant before: what comes at once, once. */
static unsigned count_rises(const struct growth_item *item)
{
	unsigned rises = 0;
	for (size_t i = FIRST + 1; i < GROWTH_INSTANTS; i++)
		rises += item->live_bytes[i] > item->live_bytes[i - 1];
	return rises;
}

static bool keeps_growing(const struct growth_item *item)
{
	uint64_t last = item->live_bytes[GROWTH_INSTANTS - 1];
	uint64_t largest = 0;
	for (size_t i = FIRST; i < GROWTH_INSTANTS; i++)
		largest = item->live_bytes[i] > largest ? item->live_bytes[i] : largest;
	return last > item->live_bytes[FIRST] && count_rises(item) > 1 &&
	       last >= largest - largest / 4 &&
	       mean_of(item, FIRST) < mean_of(item, FIRST + THIRD) &&
	       mean_of(item, FIRST + THIRD) < mean_of(item, FIRST + 2 * THIRD);
}

static void judge(struct growth_item *item, uint64_t piece_us)
{
	uint64_t last = item->live_bytes[GROWTH_INSTANTS - 1];
	item->mean_age_us = last ? (uint64_t)((double)item->mean_age_us / (double)last *
					      (double)piece_us / 2)
				 : 0;
	item->growth_bytes = keeps_growing(item) ? last - item->live_bytes[FIRST] : 0;
}

static int by_growth(const void *left, const void *right)
{
	const struct growth_item *a = left;
	const struct growth_item *b = right;
	if (a->growth_bytes != b->growth_bytes)
		return a->growth_bytes < b->growth_bytes ? 1 : -1;
	return (a->node > b->node) - (a->node < b->node);
}

enum mt_status growth_gather(struct growth *growth, const struct profile *profile,
			     struct mt_error *error)
{
	const struct generations *generations = &profile->log->replay.generations;
	*growth = (struct growth){
		.items = malloc(((size_t)profile->node_count + 1) * sizeof(*growth->items)),
		.by_node = calloc((size_t)profile->node_count + 1, sizeof(*growth->by_node)),
	};
	if (!growth->items || !growth->by_node) {
		growth_release(growth);
		return mt_error_set(error, MT_ERR_NO_MEMORY, "no memory for the report");
	}
	gather(growth, profile);
	for (size_t i = 0; i < growth->count; i++)
		judge(&growth->items[i], generations->piece_us);
	qsort(growth->items, growth->count, sizeof(*growth->items), by_growth);
	for (size_t i = 0; i < growth->count; i++)
		growth->by_node[growth->items[i].node] = (uint32_t)i + 1;
	for (size_t i = 0; i < GROWTH_INSTANTS; i++)
		growth->instants_us[i] = (piece_of(generations, i) + 1) * generations->piece_us;
	return MT_OK;
}

void growth_release(struct growth *growth)
{
	free(growth->items);
	free(growth->by_node);
	*growth = (struct growth){0};
}

const struct growth_item *growth_find(const struct growth *growth, uint32_t node)
{
	return growth->by_node && growth->by_node[node] ? &growth->items[growth->by_node[node] - 1]
							: NULL;
}
