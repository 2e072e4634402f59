/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/live_blocks.h"

#include <stdlib.h>

#include "common/log/recording_state.h"
#include "libtrack/collector/arrays.h"
#include "libtrack/collector/key_order.h"

static bool is_scanned(unsigned kind)
{
	/* What the program maps itself is no block that could be lost, but memory like its data. */
	return kind != ALLOCATION_MMAP && kind != ALLOCATION_BRK;
}

/* Slots of blocks that the program wants to be ignored. returns NULL: no memory */
static uint8_t *list_ignored(const struct recorded_image *image)
{
	const struct event_encoder *encoder = &image->encoder;
	uint8_t *is_ignored = calloc((size_t)encoder->state.slot_count + 1, 1);
	for (size_t i = 0; is_ignored && i < image->ignored_count; i++) {
		uint32_t slot = block_map_find(&encoder->map, image->ignored[i].address);
		/* Else another block has come to its address since. */
		if (slot < encoder->birth_capacity && slot < encoder->state.slot_count &&
		    encoder->births[slot].event < image->ignored[i].event)
			is_ignored[slot] = 1;
	}
	return is_ignored;
}

static struct live_block describe_block(const struct recorded_image *image,
					const struct event_class *class, uint32_t slot)
{
	struct block_birth birth = {0};
	if (slot < image->encoder.birth_capacity)
		birth = image->encoder.births[slot];
	return (struct live_block){
		.size_bytes = class->size_bytes,
		.time_us = birth.time_us,
		.stack = class->stack,
		.thread = birth.thread,
		.kind = class->kind,
	};
}

/* Takes down the live blocks that the recording has. */
static void list_recorded(const struct recorded_image *image, const uint8_t *is_ignored,
			  struct live_blocks *blocks, struct keyed *places)
{
	const struct event_state *state = &image->encoder.state;
	for (uint32_t c = 0; c < state->class_count; c++) {
		const struct event_class *class = &state->classes[c];
		for (uint32_t local = 0; is_scanned(class->kind) && local < class->used; local++) {
			uint32_t slot = class->locals[local];
			if (slot & LOCAL_FREE)
				continue;
			uint32_t index = blocks->count++;
			blocks->items[index] = describe_block(image, class, slot);
			blocks->items[index].is_ignored = is_ignored[slot];
			/* Those of pools have a mark in their top bits. */
			uint64_t address = block_map_address(&image->encoder.map, slot) &
					   ((1ull << LIMIT_ADDRESS_BITS) - 1);
			places[index] = (struct keyed){address, index};
		}
	}
}

static void list_deferred(const struct recorded_image *image, const struct deferred_block *deferred,
			  size_t count, struct live_blocks *blocks, struct keyed *places)
{
	for (size_t i = 0; i < count; i++) {
		struct deferred_allocation allocation = recording_read_deferred(image,
										&deferred[i]);
		if (allocation.kind >= ALLOCATION_KIND_COUNT || !is_scanned(allocation.kind))
			continue;
		uint32_t index = blocks->count++;
		blocks->items[index] = (struct live_block){
			.size_bytes = allocation.size_bytes,
			.time_us = allocation.time_us,
			.stack = allocation.stack | LIVE_STACK_IS_TOLD,
			.thread = allocation.thread,
			.kind = (uint8_t)allocation.kind,
		};
		places[index] = (struct keyed){allocation.address, index};
	}
}

/* Merges places [0, middle) and [middle, count), each ascending. returns NULL: no memory */
static struct keyed *merge(const struct keyed *places, size_t middle, size_t count)
{
	struct keyed *merged = large_array(count + 1, sizeof(*merged));
	size_t first = 0;
	size_t second = middle;
	for (size_t i = 0; merged && i < count; i++) {
		/* Of one address the one with the lower number comes first. */
		bool takes_first = first < middle &&
				   (second == count || places[first].key <= places[second].key);
		merged[i] = takes_first ? places[first++] : places[second++];
	}
	return merged;
}

/* Sorts what was recorded, and puts it among what was deferred. returns false: no memory */
static bool sort_places(struct keyed **places, size_t recorded_count, size_t count)
{
	if (!key_order_sort(*places, recorded_count))
		return false;
	if (recorded_count == 0 || recorded_count == count)
		return true;
	struct keyed *merged = merge(*places, recorded_count, count);
	if (!merged)
		return false;
	free(*places);
	*places = merged;
	return true;
}

/* returns  the addresses of all blocks, ascending; NULL: no memory */
static struct keyed *list_all(struct live_blocks *blocks, const struct recorded_image *image,
			      const struct deferred_block *deferred, size_t deferred_count)
{
	size_t capacity = (size_t)image->encoder.state.live_count + deferred_count + 1;
	struct keyed *places = large_array(capacity, sizeof(*places));
	uint8_t *is_ignored = list_ignored(image);
	blocks->items = large_array(capacity, sizeof(*blocks->items));
	bool is_good = places && is_ignored && blocks->items && capacity <= LEAK_NODES_MAX;
	if (is_good) {
		list_recorded(image, is_ignored, blocks, places);
		uint32_t recorded_count = blocks->count;
		list_deferred(image, deferred, deferred_count, blocks, places);
		is_good = sort_places(&places, recorded_count, blocks->count);
	}
	free(is_ignored);
	if (is_good)
		return places;
	free(places);
	return NULL;
}

static bool is_of_pool(const struct live_blocks *blocks, const struct keyed *place)
{
	return blocks->items[place->item].kind == ALLOCATION_POOL;
}

/* Of two blocks of malloc at one address the earlier is gone, though nobody has seen its end. */
static uint32_t drop_replaced(const struct live_blocks *blocks, struct keyed *places,
			      uint32_t count)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < count; i++) {
		bool is_replacement = kept > 0 && places[kept - 1].key == places[i].key &&
				      !is_of_pool(blocks, &places[kept - 1]) &&
				      !is_of_pool(blocks, &places[i]);
		kept -= is_replacement;
		places[kept++] = places[i];
	}
	return kept;
}

static struct leak_node node_of(const struct live_blocks *blocks, const struct keyed *place)
{
	const struct live_block *block = &blocks->items[place->item];
	return (struct leak_node){
		.address = place->key,
		.size_bytes = block->size_bytes,
		.slot = (uint32_t)place->item,
		.is_ignored = block->is_ignored,
		.is_of_pool = is_of_pool(blocks, place),
	};
}

/* What a pool has made of a chunk at the chunk's address comes behind the chunk. */
static void put_chunks_first(const struct live_blocks *blocks, struct keyed *places, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct keyed place = places[i];
		uint32_t at = i;
		while (at > 0 && places[at - 1].key == place.key &&
		       blocks->items[places[at - 1].item].size_bytes <
			       blocks->items[place.item].size_bytes) {
			places[at] = places[at - 1];
			at--;
		}
		places[at] = place;
	}
}

/* returns  [*ret_count]; NULL: no memory */
static struct leak_node *make_nodes(struct live_blocks *blocks, struct keyed *places,
				    uint32_t *ret_count)
{
	uint32_t count = 0;
	struct leak_node *nodes = large_array((size_t)blocks->count + 1, sizeof(*nodes));
	blocks->chunks = malloc(((size_t)blocks->count + 1) * sizeof(*blocks->chunks));
	if (!nodes || !blocks->chunks) {
		free(nodes);
		return NULL;
	}
	uint32_t place_count = drop_replaced(blocks, places, blocks->count);
	put_chunks_first(blocks, places, place_count);
	for (uint32_t i = 0; i < place_count; i++) {
		uint64_t end = places[i].key + blocks->items[places[i].item].size_bytes;
		if (i + 1 < place_count && places[i + 1].key < end)
			blocks->chunks[blocks->chunk_count++] = (uint32_t)places[i].item;
		else
			nodes[count++] = node_of(blocks, &places[i]);
	}
	*ret_count = count;
	return nodes;
}

struct leak_node *live_blocks_list(struct live_blocks *ret_blocks,
				   const struct recorded_image *image,
				   const struct deferred_block *deferred, size_t deferred_count,
				   uint32_t *ret_node_count)
{
	*ret_blocks = (struct live_blocks){0};
	struct keyed *places = list_all(ret_blocks, image, deferred, deferred_count);
	struct leak_node *nodes = places ? make_nodes(ret_blocks, places, ret_node_count) : NULL;
	free(places);
	if (!nodes)
		live_blocks_release(ret_blocks);
	return nodes;
}

void live_blocks_release(struct live_blocks *blocks)
{
	free(blocks->items);
	free(blocks->chunks);
	*blocks = (struct live_blocks){0};
}
