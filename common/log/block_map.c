/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linear probing. The home of an entry is the top `bits` of its hash, so entries can be moved, when
 * the table grows and when a removal shifts back what follows, without a look at the address.
 */
#include "common/log/block_map.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BITS 10u
#define LAST_BITS 31u

static uint32_t home_of(const struct block_map *map, uint32_t hash)
{
	return hash >> (32 - map->bits);
}

static uint32_t mask_of(const struct block_map *map)
{
	return (1u << map->bits) - 1;
}

static struct block_map_entry *make_entries(unsigned bits)
{
	struct block_map_entry *entries = malloc(sizeof(*entries) << bits);
	if (entries)
		memset(entries, 0xff, sizeof(*entries) << bits); /* all empty */
	return entries;
}

bool block_map_init(struct block_map *map, const struct block_map_pages *source,
		    uint64_t image_serial)
{
	*map = (struct block_map){
		.source = source, .image_serial = image_serial, .bits = FIRST_BITS};
	map->entries = make_entries(FIRST_BITS);
	return map->entries != NULL;
}

void block_map_release(struct block_map *map)
{
	free(map->pages);
	free(map->entries);
	*map = (struct block_map){0};
}

uint32_t block_map_find(const struct block_map *map, uint64_t address)
{
	uint32_t hash = block_map_hash(address);
	uint32_t mask = mask_of(map);
	for (uint32_t at = home_of(map, hash); map->entries[at].slot != BLOCK_MAP_NONE;
	     at = (at + 1) & mask)
		if (map->entries[at].hash == hash &&
		    block_map_address(map, map->entries[at].slot) == address)
			return map->entries[at].slot;
	return BLOCK_MAP_NONE;
}

static void put(struct block_map *map, struct block_map_entry entry)
{
	uint32_t mask = mask_of(map);
	uint32_t at = home_of(map, entry.hash);
	while (map->entries[at].slot != BLOCK_MAP_NONE)
		at = (at + 1) & mask;
	map->entries[at] = entry;
}

static bool grow_entries(struct block_map *map)
{
	struct block_map larger = *map;
	if (map->bits == LAST_BITS)
		return false;
	larger.bits = map->bits + 1;
	larger.entries = make_entries(larger.bits);
	if (!larger.entries)
		return false;
	for (uint32_t at = 0; at <= mask_of(map); at++)
		if (map->entries[at].slot != BLOCK_MAP_NONE)
			put(&larger, map->entries[at]);
	free(map->entries);
	*map = larger;
	return true;
}

static uint64_t *page_of(struct block_map *map, uint32_t slot)
{
	uint32_t index = slot / BLOCK_MAP_PAGE_SLOTS;
	if (index < map->page_count)
		return map->pages[index];
	if ((map->page_count & (map->page_count + 1)) == 0) {
		size_t capacity = ((size_t)map->page_count + 1) * 2;
		uint64_t **grown = realloc(map->pages, capacity * sizeof(*grown));
		if (!grown)
			return NULL;
		map->pages = grown;
	}
	/* Slots are given out in order, so pages are needed in order. */
	uint64_t *page = index > map->page_count
				 ? NULL
				 : map->source->take(map->source->context, map->image_serial,
						     index * BLOCK_MAP_PAGE_SLOTS);
	if (page)
		map->pages[map->page_count++] = page;
	return page;
}

bool block_map_take_page(struct block_map *map, uint32_t slot)
{
	return page_of(map, slot) != NULL;
}

bool block_map_add(struct block_map *map, uint64_t address, uint32_t slot)
{
	uint64_t *page = page_of(map, slot);
	if (!page || ((uint64_t)(map->count + 1) * 3 > (2ull << map->bits) && !grow_entries(map)))
		return false;
	page[slot % BLOCK_MAP_PAGE_SLOTS] = address;
	put(map, (struct block_map_entry){.hash = block_map_hash(address), .slot = slot});
	map->count++;
	return true;
}

/* Closes the gap at `hole`: what was pushed past it by probing moves back. */
static void shift_back(struct block_map *map, uint32_t hole)
{
	uint32_t mask = mask_of(map);
	for (uint32_t at = (hole + 1) & mask; map->entries[at].slot != BLOCK_MAP_NONE;
	     at = (at + 1) & mask) {
		uint32_t home = home_of(map, map->entries[at].hash);
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			map->entries[hole] = map->entries[at];
			hole = at;
		}
	}
	map->entries[hole].slot = BLOCK_MAP_NONE;
}

uint32_t block_map_remove(struct block_map *map, uint64_t address)
{
	uint32_t hash = block_map_hash(address);
	uint32_t mask = mask_of(map);
	for (uint32_t at = home_of(map, hash); map->entries[at].slot != BLOCK_MAP_NONE;
	     at = (at + 1) & mask) {
		uint32_t slot = map->entries[at].slot;
		if (map->entries[at].hash != hash || block_map_address(map, slot) != address)
			continue;
		shift_back(map, at);
		map->count--;
		return slot;
	}
	return BLOCK_MAP_NONE;
}
