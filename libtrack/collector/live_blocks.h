/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The blocks that a process holds when it is scanned for leaks. */
#ifndef MEMTRACE_COLLECTOR_LIVE_BLOCKS_H
#define MEMTRACE_COLLECTOR_LIVE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/recording.h"
#include "libtrack/collector/leak_graph.h"

/* What is to be said of a block. */
struct live_block {
	uint64_t size_bytes;
	uint64_t time_us;
	uint32_t stack;
	uint32_t thread;
	uint8_t kind; /* enum allocation_kind */
	bool is_ignored;
};

struct live_blocks {
	struct live_block *items; /* [count] */
	uint32_t count;
	uint32_t *chunks; /* [chunk_count] numbers of those that pools have taken apart */
	uint32_t chunk_count;
};

/*
 * Takes down the live blocks of an image, and makes nodes of them by ascending address. Chunks that
 * pools have made blocks of are what the pool makes of them: they have no node, and count as
 * reachable.
 *
 * deferred         [deferred_count] allocations that are not in the recording yet, by ascending
 *                  address
 * ret_node_count   how many are returned; their slots are the blocks' numbers
 * returns          of malloc; NULL: no memory
 */
struct leak_node *live_blocks_list(struct live_blocks *ret_blocks, struct recorded_image *image,
				   const struct deferred_block *deferred, size_t deferred_count,
				   uint32_t *ret_node_count);

void live_blocks_release(struct live_blocks *blocks);

#endif
