/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of many ranges, nested and overlapping as they like, owns an address.
 *
 * Ranges are added with a rank, then cut once into disjoint pieces: at every address the range of
 * the highest rank owns it. Cutting takes O(n log n) for any input, however hostile; a lookup is
 * one binary search.
 */
#ifndef MEMTRACE_READER_ADDRESS_MAP_H
#define MEMTRACE_READER_ADDRESS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_MAP_NONE UINT32_MAX

struct address_range {
	uint64_t start;
	uint64_t end; /* first address behind it */
	uint64_t rank;
	uint32_t value; /* what the caller wants to hear of it; not ADDRESS_MAP_NONE */
};

struct address_piece {
	uint64_t start; /* it ends where the next one starts */
	uint32_t value; /* ADDRESS_MAP_NONE: a gap that nothing owns. The last piece is one */
};

struct address_map {
	struct address_range *ranges; /* [range_count] until address_map_cut */
	size_t range_count;
	size_t range_capacity;
	struct address_piece *pieces; /* [piece_count] by start, since address_map_cut */
	size_t piece_count;
};

/* An empty map is zeroed. Empty and reversed ranges are ignored. returns false: no memory */
bool address_map_add(struct address_map *map, const struct address_range *range);

/* Cuts what was added into pieces; nothing is added later. returns false: no memory */
bool address_map_cut(struct address_map *map);

/* The piece that `address` is in; NULL before the first. Borrowed from the map. */
const struct address_piece *address_map_find_piece(const struct address_map *map, uint64_t address);

/* The value of the range that owns `address`; ADDRESS_MAP_NONE. */
uint32_t address_map_find(const struct address_map *map, uint64_t address);

void address_map_release(struct address_map *map);

#endif
