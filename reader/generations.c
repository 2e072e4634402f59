/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/generations.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CURRENT 256u
#define FIRST_PIECE_US 8u

bool generations_init(struct generations *generations, uint64_t end_us, uint64_t count_max)
{
	*generations = (struct generations){
		.count_max = count_max,
		.piece_us = end_us / GENERATIONS_PIECES + 1,
		.current_capacity = FIRST_CURRENT,
		.mask = FIRST_CURRENT * 2 - 1,
	};
	generations->piece_count = (uint32_t)(end_us / generations->piece_us) + 1;
	generations->current = malloc(FIRST_CURRENT * sizeof(*generations->current));
	generations->slots = calloc(FIRST_CURRENT * 2, sizeof(*generations->slots));
	if (generations->current && generations->slots)
		return true;
	generations_release(generations);
	return false;
}

bool generations_init_open(struct generations *generations, uint64_t count_max)
{
	if (!generations_init(generations, 0, count_max))
		return false;
	generations->piece_us = FIRST_PIECE_US;
	generations->is_open = true;
	return true;
}

void generations_release(struct generations *generations)
{
	free(generations->items);
	free(generations->current);
	free(generations->slots);
	*generations = (struct generations){0};
}

static uint32_t hash_of(const struct generation *key)
{
	uint64_t hash = ((uint64_t)key->image << 32 | key->cost) * 0x9e3779b97f4a7c15u;
	hash = (hash ^ hash >> 31 ^ ((uint32_t)key->born << 16 | key->died)) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(hash >> 32);
}

static bool is_same(const struct generation *a, const struct generation *b)
{
	return a->cost == b->cost && a->born == b->born && a->died == b->died &&
	       a->image == b->image;
}

bool generations_append(struct generations *generations, const struct generation *generation)
{
	if (generations->count == generations->capacity) {
		size_t capacity = generations->capacity + generations->capacity / 4 + 1024;
		struct generation *grown = realloc(generations->items, capacity * sizeof(*grown));
		if (!grown)
			return false;
		generations->items = grown;
		generations->capacity = capacity;
	}
	generations->items[generations->count++] = *generation;
	return true;
}

/* The slot where a generation is in a table of indexes + 1 into `items`, or would be put. */
static size_t find_slot(const uint32_t *slots, size_t mask, const struct generation *items,
			const struct generation *key)
{
	size_t slot = hash_of(key) & mask;
	while (slots[slot] && !is_same(&items[slots[slot] - 1], key))
		slot = (slot + 1) & mask;
	return slot;
}

/* Makes one of all items of one key. returns false: no memory */
static bool merge(struct generations *generations)
{
	size_t mask = 1023;
	size_t count = 0;
	while (mask < generations->count * 2)
		mask = mask * 2 + 1;
	uint32_t *slots = calloc(mask + 1, sizeof(*slots));
	if (!slots || generations->count >= UINT32_MAX) {
		free(slots);
		return false;
	}
	for (size_t i = 0; i < generations->count; i++) {
		struct generation item = generations->items[i];
		if (item.born == item.died)
			continue;
		size_t slot = find_slot(slots, mask, generations->items, &item);
		if (slots[slot]) {
			generations->items[slots[slot] - 1].blocks += item.blocks;
			generations->items[slots[slot] - 1].bytes += item.bytes;
		} else {
			generations->items[count++] = item;
			slots[slot] = (uint32_t)count;
		}
	}
	free(slots);
	generations->count = 0;
	for (size_t i = 0; i < count; i++)
		if (generations->items[i].blocks || generations->items[i].bytes)
			generations->items[generations->count++] = generations->items[i];
	generations->has_corrections = false;
	return true;
}

/* Makes one piece of every two. */
static bool put_together(struct generations *generations)
{
	generations->piece_us *= 2;
	generations->piece_count = (generations->piece_count + 1) / 2;
	for (size_t i = 0; i < generations->count; i++) {
		generations->items[i].born /= 2;
		if (generations->items[i].died != GENERATION_NEVER)
			generations->items[i].died /= 2;
	}
	return merge(generations);
}

/* The current piece is over. */
static bool end_piece(struct generations *generations)
{
	for (uint32_t i = 0; i < generations->current_count; i++)
		if (!generations_append(generations, &generations->current[i]))
			return false;
	if (generations->current_count)
		memset(generations->slots, 0,
		       ((size_t)generations->mask + 1) * sizeof(*generations->slots));
	generations->current_count = 0;
	uint64_t count_max = generations->count_max + generations->cost_count * GENERATIONS_OF_COST;
	while (generations->count >= count_max && generations->piece_count > 1)
		if (!put_together(generations))
			return false;
	return true;
}

bool generations_reach(struct generations *generations, uint64_t now_us)
{
	if (!generations->is_open)
		return true;
	if (now_us / generations->piece_us >= GENERATIONS_PIECES && !end_piece(generations))
		return false;
	while (now_us / generations->piece_us >= GENERATIONS_PIECES)
		if (!put_together(generations))
			return false;
	uint32_t piece_count = (uint32_t)(now_us / generations->piece_us) + 1;
	if (piece_count > generations->piece_count)
		generations->piece_count = piece_count;
	return true;
}

static bool grow_current(struct generations *generations)
{
	uint32_t capacity = generations->current_capacity * 2;
	uint32_t mask = capacity * 2 - 1;
	struct generation *items = realloc(generations->current, (size_t)capacity * sizeof(*items));
	if (!items)
		return false;
	generations->current = items;
	uint32_t *slots = calloc((size_t)mask + 1, sizeof(*slots));
	if (!slots)
		return false;
	for (uint32_t i = 0; i < generations->current_count; i++)
		slots[find_slot(slots, mask, items, &items[i])] = i + 1;
	free(generations->slots);
	generations->slots = slots;
	generations->mask = mask;
	generations->current_capacity = capacity;
	return true;
}

/* The generation that a block belongs to. returns false: to none */
static bool generation_of(const struct generations *generations, const struct ended_block *block,
			  struct generation *ret_generation)
{
	*ret_generation = (struct generation){
		.image = block->image,
		.cost = block->cost,
		.born = (uint16_t)generations_piece(generations, block->born_us),
		.died = block->is_immortal
				? GENERATION_NEVER
				: (uint16_t)generations_piece(generations, block->died_us),
		.blocks = block->blocks,
		.bytes = block->bytes,
	};
	return ret_generation->born != ret_generation->died;
}

bool generations_add(struct generations *generations, const struct ended_block *block)
{
	struct generation generation;
	if (!generation_of(generations, block, &generation))
		return true;
	if (generation.died != generations->current_died) {
		/* Pieces may be longer afterwards. */
		if (!end_piece(generations))
			return false;
		if (!generation_of(generations, block, &generation))
			return true;
		generations->current_died = generation.died;
	}
	if (generations->current_count == generations->current_capacity &&
	    !grow_current(generations))
		return false;
	size_t slot = find_slot(generations->slots, generations->mask, generations->current,
				&generation);
	if (generations->slots[slot]) {
		struct generation *item = &generations->current[generations->slots[slot] - 1];
		item->blocks += generation.blocks;
		item->bytes += generation.bytes;
		return true;
	}
	generations->current[generations->current_count++] = generation;
	generations->slots[slot] = generations->current_count;
	return true;
}

bool generations_take(struct generations *generations, const struct ended_block *block)
{
	struct generation generation;
	if (!generation_of(generations, block, &generation))
		return true;
	/* What was added may be among the items already: the difference is made at the end. */
	generation.blocks = 0 - generation.blocks;
	generation.bytes = 0 - generation.bytes;
	generations->has_corrections = true;
	return generations_append(generations, &generation);
}

/* The order in which they pack well. */
static int compare(const void *a, const void *b)
{
	const struct generation *left = a;
	const struct generation *right = b;
	if (left->died != right->died)
		return left->died < right->died ? -1 : 1;
	if (left->image != right->image)
		return left->image < right->image ? -1 : 1;
	if (left->cost != right->cost)
		return left->cost < right->cost ? -1 : 1;
	return (left->born > right->born) - (left->born < right->born);
}

bool generations_finish(struct generations *generations)
{
	if (!end_piece(generations) || (generations->has_corrections && !merge(generations)))
		return false;
	/* Not by piece, for pieces are put together, and most were sorted for nothing. */
	if (generations->count)
		qsort(generations->items, generations->count, sizeof(*generations->items), compare);
	return true;
}
