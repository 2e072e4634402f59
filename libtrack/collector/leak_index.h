/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which block a word points to, of blocks that don't overlap: the words of a whole process are
 * looked up once each.
 */
#ifndef MEMTRACE_COLLECTOR_LEAK_INDEX_H
#define MEMTRACE_COLLECTOR_LEAK_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libtrack/collector/leak_sift.h"

#define LEAK_INDEX_NONE UINT32_MAX

struct leak_region;

struct leak_index {
	struct leak_extent *extents; /* [count] by ascending address, not overlapping */
	uint32_t count;
	uint64_t low; /* words in [low, low + span) may be pointers, */
	uint64_t span;
	uint64_t *pages; /* if their page has its bit: [page_mask / 64 + 1] of leak_page_bit() */
	uint32_t page_mask;
	leak_sift_function *sift;
	struct leak_region **regions; /* [region_mask + 1] hash table by address */
	uint32_t region_mask;
	uint32_t region_count;
	uint32_t *large; /* [large_count] nodes too long for regions, ascending */
	uint32_t large_count;
};

/*
 * taken_extents  [count] of malloc; the index's from now on
 * returns        false: no memory, all is freed
 */
bool leak_index_build(struct leak_index *index, struct leak_extent *taken_extents, uint32_t count);
void leak_index_release(struct leak_index *index);

/* The node that an address lies in; LEAK_INDEX_NONE: none. */
uint32_t leak_index_find(const struct leak_index *index, uint64_t address);

/* What new[] returns for no objects is behind the block, which has their number only. */
static inline bool leak_is_empty_array(uint64_t size_bytes, uint64_t offset)
{
	return size_bytes == 8 && offset == 8;
}

/*
 * Adds those of words [count] that may be pointers to a node, until the batch is full.
 *
 * own         where a word points that is of no interest: the node that it is in
 * place       of the first word; of the next one `place_step` more
 * returns     how many words were looked at
 */
size_t leak_index_sift(const struct leak_index *index, struct leak_batch *batch,
		       const uint64_t *words, size_t count, struct leak_extent own, uint64_t place,
		       uint64_t place_step);

/* Finds the nodes of a batch's words. */
void leak_index_find_batch(const struct leak_index *index, struct leak_batch *batch);

#endif
