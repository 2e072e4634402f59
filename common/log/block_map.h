/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the address of a live block to its slot (event_state.h): what the encoder needs to match a
 * release with its allocation, and a leak check to tell pointers.
 *
 * A hash table of (hash, slot); the addresses themselves are in pages of BLOCK_MAP_PAGE_SLOTS that
 * the map's owner provides. The collector puts them into the segment, where they outlive it.
 */
#ifndef MEMTRACE_COMMON_LOG_BLOCK_MAP_H
#define MEMTRACE_COMMON_LOG_BLOCK_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_MAP_PAGE_SLOTS 512u
#define BLOCK_MAP_NONE UINT32_MAX

struct block_map_pages {
	void *context;
	/* A page for the addresses of slots [first_slot, + BLOCK_MAP_PAGE_SLOTS). NULL: none is to
	 * be had */
	uint64_t *(*take)(void *context, uint64_t image_serial, uint32_t first_slot);
};

struct block_map_entry {
	uint32_t hash;
	uint32_t slot; /* BLOCK_MAP_NONE: empty */
};

struct block_map {
	const struct block_map_pages *source; /* borrowed */
	uint64_t image_serial;
	uint64_t **pages; /* [page_count] by slot / BLOCK_MAP_PAGE_SLOTS */
	uint32_t page_count;
	struct block_map_entry *entries; /* [1 << bits] */
	unsigned bits;
	uint32_t count;
};

/* source  borrowed. returns false: no memory */
bool block_map_init(struct block_map *map, const struct block_map_pages *source,
		    uint64_t image_serial);
void block_map_release(struct block_map *map);

static inline uint32_t block_map_hash(uint64_t address)
{
	return (uint32_t)((address * 0x9e3779b97f4a7c15u) >> 32);
}

static inline uint64_t block_map_address(const struct block_map *map, uint32_t slot)
{
	return map->pages[slot / BLOCK_MAP_PAGE_SLOTS][slot % BLOCK_MAP_PAGE_SLOTS];
}

static inline void block_map_prefetch(const struct block_map *map, uint64_t address)
{
	__builtin_prefetch(&map->entries[block_map_hash(address) >> (32 - map->bits)]);
}

/* returns  the slot of the block at `address`, BLOCK_MAP_NONE: no block is live there */
uint32_t block_map_find(const struct block_map *map, uint64_t address);

/* Makes sure that `slot` has its place in a page. returns false: no page is to be had */
bool block_map_take_page(struct block_map *map, uint32_t slot);

/* Enters a block whose address is not in the map. returns false: no memory or page */
bool block_map_add(struct block_map *map, uint64_t address, uint32_t slot);

/* Takes a block out. returns its slot, BLOCK_MAP_NONE: it isn't there */
uint32_t block_map_remove(struct block_map *map, uint64_t address);

#endif
