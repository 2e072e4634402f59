/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A word is looked up in four steps: the span of all nodes, and a bit for each page of 64 KiB with
 * a node in it, which tells most words that are pointers to something else (both in leak_sift.c);
 * the region of 2 MiB, in a hash table, which tells the nodes that begin in its page of 4 KiB; a
 * search among these. Nodes that are longer than a region are few, and are searched where the
 * word's region has no other nodes.
 *
 * The last two steps read memory that is not in a cache where there are many nodes. So words are
 * looked up in batches, step by step.
 */
#include "libtrack/collector/leak_index.h"

#include <stdlib.h>
#include <string.h>

#define REGION_BITS 21u
#define PAGE_BITS 12u
#define REGION_PAGES (1u << (REGION_BITS - PAGE_BITS))

#define MARKS_FEWEST (1u << 12)
#define MARKS_MOST (1u << 23)
#define MARKS_PER_PAGE 8u

struct leak_region {
	uint64_t number;                  /* address >> REGION_BITS */
	uint32_t filled;                  /* entries that are made */
	uint32_t first[REGION_PAGES + 1]; /* the first node that begins in the page or behind it */
};

static uint32_t region_slot(const struct leak_index *index, uint64_t number)
{
	return (uint32_t)((number * 0x9e3779b97f4a7c15u) >> 32) & index->region_mask;
}

static struct leak_region *find_region(const struct leak_index *index, uint64_t number)
{
	uint32_t slot = region_slot(index, number);
	while (index->regions[slot] && index->regions[slot]->number != number)
		slot = (slot + 1) & index->region_mask;
	return index->regions[slot];
}

static void put_region(struct leak_index *index, struct leak_region *region)
{
	uint32_t slot = region_slot(index, region->number);
	while (index->regions[slot])
		slot = (slot + 1) & index->region_mask;
	index->regions[slot] = region;
}

static bool grow_regions(struct leak_index *index)
{
	struct leak_region **old = index->regions;
	uint32_t old_mask = index->region_mask;
	uint32_t mask = old ? old_mask * 2 + 1 : 255;
	index->regions = calloc((size_t)mask + 1, sizeof(struct leak_region *));
	if (!index->regions) {
		index->regions = old;
		return false;
	}
	index->region_mask = mask;
	for (uint32_t slot = 0; old && slot <= old_mask; slot++)
		if (old[slot])
			put_region(index, old[slot]);
	free(old);
	return true;
}

/* Adds the region that comes after all others. returns NULL: no memory */
static struct leak_region *add_region(struct leak_index *index, uint64_t number)
{
	if (index->region_count * 2 > index->region_mask && !grow_regions(index))
		return NULL;
	struct leak_region *region = malloc(sizeof(*region));
	if (!region)
		return NULL;
	region->number = number;
	region->filled = 0;
	put_region(index, region);
	index->region_count++;
	return region;
}

/* In pages before `end` that have no entry yet, `node` is the first that begins there or later. */
static void fill_region(struct leak_region *region, uint32_t end, uint32_t node)
{
	while (region->filled < end)
		region->first[region->filled++] = node;
}

/* Goes on to the region `number`, at or behind the current one. returns NULL: no memory */
static struct leak_region *next_region(struct leak_index *index, struct leak_region *current,
				       uint64_t number, uint32_t node)
{
	if (current && current->number == number)
		return current;
	if (current)
		fill_region(current, REGION_PAGES + 1, node);
	return add_region(index, number);
}

/* Enters all nodes, by ascending address. */
static bool enter_nodes(struct leak_index *index)
{
	struct leak_region *current = NULL;
	for (uint32_t i = 0; i < index->count; i++) {
		const struct leak_extent *extent = &index->extents[i];
		uint64_t first = extent->address >> REGION_BITS;
		uint64_t last = (extent->end - 1) >> REGION_BITS;
		current = next_region(index, current, first, i);
		if (!current)
			return false;
		fill_region(current, (uint32_t)(extent->address >> PAGE_BITS) % REGION_PAGES + 1,
			    i);
		if (last > first + 1)
			index->large[index->large_count++] = i;
		else if (last > first)
			current = next_region(index, current, last, i + 1);
		if (!current)
			return false;
	}
	if (current)
		fill_region(current, REGION_PAGES + 1, index->count);
	return true;
}

/* The last page that a pointer to the node may be in: see leak_is_empty_array. */
static uint64_t last_marked(const struct leak_extent *extent)
{
	return (extent->end + 7) >> LEAK_PAGE_BITS;
}

/* returns  false: no memory */
static bool mark_pages(struct leak_index *index)
{
	uint64_t wanted = MARKS_FEWEST;
	for (uint32_t i = 0; i < index->count && wanted < MARKS_MOST; i++) {
		const struct leak_extent *extent = &index->extents[i];
		uint64_t first = extent->address >> LEAK_PAGE_BITS;
		bool is_known = i > 0 && last_marked(extent - 1) == first;
		wanted += (last_marked(extent) - first + !is_known) * MARKS_PER_PAGE;
	}
	uint32_t bits = MARKS_FEWEST;
	while (bits < wanted && bits < MARKS_MOST)
		bits *= 2;
	index->page_mask = bits - 1;
	index->pages = calloc(bits / 64, sizeof(*index->pages));
	if (!index->pages)
		return false;
	for (uint32_t i = 0; i < index->count; i++) {
		uint64_t first = index->extents[i].address >> LEAK_PAGE_BITS;
		uint64_t last = last_marked(&index->extents[i]);
		if (last - first >= bits) {
			memset(index->pages, 0xff, bits / 8);
			break;
		}
		for (uint64_t page = first; page <= last; page++)
			index->pages[leak_page_bit(page, index->page_mask) / 64] |=
				1ull << leak_page_bit(page, index->page_mask) % 64;
	}
	return true;
}

bool leak_index_build(struct leak_index *index, struct leak_extent *taken_extents, uint32_t count)
{
	uint64_t high = 0;
	*index = (struct leak_index){
		.extents = taken_extents, .count = count, .sift = leak_sift_best()};
	index->large = malloc(((size_t)count + 1) * sizeof(*index->large));
	if (!index->large || !grow_regions(index) || !enter_nodes(index) || !mark_pages(index)) {
		leak_index_release(index);
		return false;
	}
	for (uint32_t i = 0; i < count; i++)
		high = taken_extents[i].end > high ? taken_extents[i].end : high;
	index->low = count ? taken_extents[0].address : 0;
	index->span = count ? high + 8 - index->low : 0; /* see leak_is_empty_array */
	return true;
}

void leak_index_release(struct leak_index *index)
{
	for (uint32_t slot = 0; index->regions && slot <= index->region_mask; slot++)
		free(index->regions[slot]);
	free(index->regions);
	free(index->extents);
	free(index->pages);
	free(index->large);
	*index = (struct leak_index){0};
}

/*
 * Where a page's nodes [first, end) are searched first: where the address would be if they were all
 * of one size.
 */
static uint32_t guess(uint32_t first, uint32_t end, uint64_t address)
{
	uint64_t in_page = address % (1u << PAGE_BITS);
	return first + (uint32_t)((uint64_t)(end - first) * in_page >> PAGE_BITS);
}

#define NEIGHBOURS 3u
#define MANY 32u /* nodes, more than which take more lines of the cache than to guess first */

/*
 * The last of nodes [first, end) that begins at or before `address`, `first` - 1 if none does. What
 * a comparison gives nobody can foretell: to halve without a branch takes half as long.
 */
static uint32_t last_before(const struct leak_index *index, uint32_t first, uint32_t end,
			    uint64_t address)
{
	const struct leak_extent *extents = index->extents;
	if (end - first > MANY) {
		uint32_t middle = guess(first, end, address);
		uint32_t low = middle - first > NEIGHBOURS ? middle - NEIGHBOURS : first;
		uint32_t high = end - middle > NEIGHBOURS ? middle + NEIGHBOURS : end;
		if (low > first && extents[low].address > address)
			high = low;
		else
			first = low;
		if (high == end || extents[high].address > address)
			end = high;
		else
			first = high;
	}
	uint32_t found = first - 1;
	for (uint32_t left = end - first; left > 0;) {
		uint32_t half = (left + 1) / 2;
		uint32_t next = found + half;
		found = extents[next].address <= address ? next : found;
		left -= half;
	}
	return found;
}

static uint32_t find_large(const struct leak_index *index, uint64_t address)
{
	uint32_t first = 0;
	uint32_t end = index->large_count;
	while (first < end) {
		uint32_t middle = first + (end - first) / 2;
		if (index->extents[index->large[middle]].address <= address)
			first = middle + 1;
		else
			end = middle;
	}
	return first ? index->large[first - 1] : LEAK_INDEX_NONE;
}

/* The node `found` if the address is in it. */
static uint32_t check_found(const struct leak_index *index, uint32_t found, uint64_t address)
{
	if (found >= index->count)
		return LEAK_INDEX_NONE;
	const struct leak_extent *extent = &index->extents[found];
	if (address >= extent->end &&
	    !leak_is_empty_array(extent->end - extent->address, address - extent->address))
		return LEAK_INDEX_NONE;
	return found;
}

uint32_t leak_index_find(const struct leak_index *index, uint64_t address)
{
	if (address - index->low >= index->span)
		return LEAK_INDEX_NONE;
	const struct leak_region *region = find_region(index, address >> REGION_BITS);
	if (!region)
		return check_found(index, find_large(index, address), address);
	uint32_t page = (uint32_t)(address >> PAGE_BITS) % REGION_PAGES;
	return check_found(
		index, last_before(index, region->first[page], region->first[page + 1], address),
		address);
}

size_t leak_index_sift(const struct leak_index *index, struct leak_batch *batch,
		       const uint64_t *words, size_t count, struct leak_extent own, uint64_t place,
		       uint64_t place_step)
{
	const struct leak_sieve sieve = {
		.low = index->low,
		.span = index->span,
		.own = own,
		.pages = index->pages,
		.page_mask = index->page_mask,
		.place = place,
		.place_step = place_step,
	};
	return index->sift(&sieve, batch, words, count);
}

void leak_index_find_batch(const struct leak_index *index, struct leak_batch *batch)
{
	const struct leak_region *regions[LEAK_BATCH_WORDS];
	uint32_t firsts[LEAK_BATCH_WORDS];
	uint32_t ends[LEAK_BATCH_WORDS];
	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t word = batch->words[i];
		regions[i] = find_region(index, word >> REGION_BITS);
		if (regions[i])
			__builtin_prefetch(&regions[i]->first[(word >> PAGE_BITS) % REGION_PAGES]);
	}
	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t word = batch->words[i];
		if (!regions[i])
			continue;
		uint32_t page = (uint32_t)(word >> PAGE_BITS) % REGION_PAGES;
		firsts[i] = regions[i]->first[page];
		ends[i] = regions[i]->first[page + 1];
		__builtin_prefetch(&index->extents[guess(firsts[i], ends[i], word)]);
	}
	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t word = batch->words[i];
		uint32_t found = regions[i] ? last_before(index, firsts[i], ends[i], word)
					    : find_large(index, word);
		batch->nodes[i] = check_found(index, found, word);
	}
}
