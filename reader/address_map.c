/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sweep over the ranges by start. Those that have started are in a heap by rank; the ones that
 * have ended leave it when they come to its top. Each step takes a range in or out, so there are at
 * most two steps a range.
 */
#include "reader/address_map.h"

#include <stdlib.h>

struct sweep {
	const struct address_range **heap; /* [count] highest rank first */
	size_t count;
	struct address_piece *pieces; /* [piece_count] room for two a range */
	size_t piece_count;
};

bool address_map_add(struct address_map *map, const struct address_range *range)
{
	if (range->start >= range->end)
		return true;
	if (map->range_count == map->range_capacity) {
		size_t capacity = map->range_capacity ? map->range_capacity * 2 : 64;
		struct address_range *grown = realloc(map->ranges, capacity * sizeof(*grown));
		if (!grown)
			return false;
		map->ranges = grown;
		map->range_capacity = capacity;
	}
	map->ranges[map->range_count++] = *range;
	return true;
}

static void heap_push(struct sweep *sweep, const struct address_range *range)
{
	size_t at = sweep->count++;
	while (at > 0 && sweep->heap[(at - 1) / 2]->rank < range->rank) {
		sweep->heap[at] = sweep->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	sweep->heap[at] = range;
}

static void heap_pop(struct sweep *sweep)
{
	const struct address_range *last = sweep->heap[--sweep->count];
	size_t at = 0;
	for (;;) {
		size_t child = at * 2 + 1;
		if (child >= sweep->count)
			break;
		if (child + 1 < sweep->count &&
		    sweep->heap[child + 1]->rank > sweep->heap[child]->rank)
			child++;
		if (sweep->heap[child]->rank <= last->rank)
			break;
		sweep->heap[at] = sweep->heap[child];
		at = child;
	}
	sweep->heap[at] = last;
}

static void sweep_emit(struct sweep *sweep, uint64_t start)
{
	uint32_t value = sweep->count ? sweep->heap[0]->value : ADDRESS_MAP_NONE;
	if (sweep->piece_count && sweep->pieces[sweep->piece_count - 1].value == value)
		return;
	sweep->pieces[sweep->piece_count++] = (struct address_piece){.start = start,
								     .value = value};
}

static void sweep_run(struct sweep *sweep, const struct address_range *ranges, size_t range_count)
{
	size_t next = 0;
	while (next < range_count || sweep->count) {
		uint64_t at = next < range_count ? ranges[next].start : UINT64_MAX;
		if (sweep->count && sweep->heap[0]->end <= at)
			at = sweep->heap[0]->end;
		while (sweep->count && sweep->heap[0]->end <= at)
			heap_pop(sweep);
		for (; next < range_count && ranges[next].start == at; next++)
			heap_push(sweep, &ranges[next]);
		sweep_emit(sweep, at);
	}
}

static int by_start(const void *left, const void *right)
{
	const struct address_range *a = left;
	const struct address_range *b = right;
	return (a->start > b->start) - (a->start < b->start);
}

bool address_map_cut(struct address_map *map)
{
	if (map->range_count == 0)
		return true;
	size_t count = map->range_count;
	struct sweep sweep = {
		.heap = calloc(count, sizeof(const struct address_range *)),
		.pieces = calloc(count * 2 + 1, sizeof(*sweep.pieces)),
	};
	if (!sweep.heap || !sweep.pieces) {
		free(sweep.heap);
		free(sweep.pieces);
		return false;
	}
	qsort(map->ranges, count, sizeof(*map->ranges), by_start);
	sweep_run(&sweep, map->ranges, count);
	free(sweep.heap);
	free(map->ranges);
	map->ranges = NULL;
	map->range_count = map->range_capacity = 0;
	struct address_piece *fitted = realloc(sweep.pieces,
					       sweep.piece_count * sizeof(*sweep.pieces));
	map->pieces = fitted ? fitted : sweep.pieces;
	map->piece_count = sweep.piece_count;
	return true;
}

const struct address_piece *address_map_find_piece(const struct address_map *map, uint64_t address)
{
	size_t low = 0;
	size_t high = map->piece_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (map->pieces[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &map->pieces[low - 1] : NULL;
}

uint32_t address_map_find(const struct address_map *map, uint64_t address)
{
	const struct address_piece *piece = address_map_find_piece(map, address);
	return piece ? piece->value : ADDRESS_MAP_NONE;
}

void address_map_release(struct address_map *map)
{
	free(map->ranges);
	free(map->pieces);
	*map = (struct address_map){0};
}
