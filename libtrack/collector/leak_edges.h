/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pointers from block to block, found by reading the memory of all blocks once. */
#ifndef MEMTRACE_COLLECTOR_LEAK_EDGES_H
#define MEMTRACE_COLLECTOR_LEAK_EDGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libtrack/collector/leak_index.h"

struct leak_range {
	uint64_t address;
	uint64_t size_bytes;
};

/* Words [word_count] of range number `range`; a long range comes in pieces. */
typedef void leak_words_function(void *context, size_t range, uint64_t address,
				 const uint64_t *words, size_t word_count);

/* The memory of the process. What can't be read is zero. */
struct leak_memory {
	void *context;
	/* Reads the aligned words of ranges [count] in order. */
	void (*read)(void *context, const struct leak_range *ranges, size_t count,
		     leak_words_function *give, void *give_context);
	/* Whether there is a C++ virtual function table at `address`. */
	bool (*is_vtable)(void *context, uint64_t address);
};

/*
 * An edge is a node, and if it leads to its inside, one more word: the offset. The edges of a node
 * end where those of the next one begin, or with an edge to itself, if these are elsewhere.
 */
#define LEAK_EDGE_IS_INSIDE 0x80000000u

struct leak_edge_chunk;

struct leak_edges {
	const uint32_t **starts; /* [nodes + 1] where the edges of each node begin; NULL is last */
	struct leak_edge_chunk *chunks; /* that they are in */
};

struct leak_reading;

/*
 * Begins to read, in a thread for each of the memories but the first.
 *
 * memories  [memory_count] at least 1: the same memory, for as many threads to read it. They must
 *           last as long as the reading
 * returns   NULL: no memory
 */
struct leak_reading *leak_reading_begin(const struct leak_index *index,
					const struct leak_memory *memories, size_t memory_count);

/* Reads on in this thread, to the end. The reading is gone then. returns false: no memory */
bool leak_reading_finish(struct leak_reading *reading, struct leak_edges *ret_edges);

/* Waits for the threads, which read no more than what they have begun with. */
void leak_reading_abandon(struct leak_reading *reading);

void leak_edges_release(struct leak_edges *edges);

#endif
