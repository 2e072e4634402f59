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
	uint32_t stack; /* for live_stack_node() */
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
 * The stack trace of a deferred block is one that was told (common/log/told_stacks.h), and stays
 * out of the log until something in it has the trace. Meanwhile nothing that is told may be folded.
 */
#define LIVE_STACK_IS_TOLD 0x80000000u
_Static_assert(LIMIT_STACK_NODES <= LIVE_STACK_IS_TOLD, "nodes leave the bit free");

/* The node of the image's trie, made if need be. returns STACK_NONE: no memory */
static inline uint32_t live_stack_node(struct recorded_image *image, uint32_t stack)
{
	return stack & LIVE_STACK_IS_TOLD ? recording_stack(image, stack & ~LIVE_STACK_IS_TOLD)
					  : stack;
}

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
struct leak_node *live_blocks_list(struct live_blocks *ret_blocks,
				   const struct recorded_image *image,
				   const struct deferred_block *deferred, size_t deferred_count,
				   uint32_t *ret_node_count);

void live_blocks_release(struct live_blocks *blocks);

#endif
