/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which live blocks can still be reached: memcheck's four kinds, as an algorithm on words.
 *
 * The nodes are the live blocks of a process, the edges the pointers in them. Words of the roots
 * are given by the owner (leak_graph_visit_root), words of the blocks are read through struct
 * leak_memory, all of them once:
 *
 *   reachable   a chain of pointers to the beginnings of blocks leads from a root to it; a pointer
 *               into a block counts as one to its beginning where a heuristic explains it
 *   possible    a chain leads to it in which some pointer is into a block
 *   definite    none does, and no other lost block that is not part of its own cycle points to it
 *   indirect    none does, but a definitely lost block leads to it
 *
 * Of a cycle of lost blocks that nothing else leads to, the one with the lowest address is the
 * definite one, unless a later one leads to it: as memcheck does it.
 */
#ifndef MEMTRACE_COLLECTOR_LEAK_GRAPH_H
#define MEMTRACE_COLLECTOR_LEAK_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/format.h"
#include "libtrack/collector/leak_edges.h"
#include "libtrack/collector/leak_index.h"

#define LEAK_HOLDER_NONE UINT32_MAX
#define LEAK_HOLDER_ROOT 0x80000000u /* the rest is the number of a root; else of a node */
#define LEAK_NODES_MAX LEAK_HOLDER_ROOT
_Static_assert(LEAK_NODES_MAX <= LEAK_EDGE_IS_INSIDE, "edges have the number of a node too");

struct leak_node {
	uint64_t address;
	uint64_t size_bytes;     /* as requested */
	uint64_t indirect_bytes; /* of a definite one: what is lost only through it */
	uint64_t held_at;        /* where the pointer to it was found, if in a root */
	uint32_t holder;         /* and in what: LEAK_HOLDER_* */
	uint32_t slot;           /* the owner's */
	uint8_t kind;            /* enum leak_kind; LEAK_DEFINITE until something leads to it */
	uint8_t offered;         /* interior pointers to it that wait for the heuristics */
	bool is_of_pool;         /* the program's own: not made by malloc */
	bool is_ignored;         /* the program says that it is no leak: reachable */
};

struct leak_offer {
	uint32_t node;
	uint64_t offset; /* of the pointer into it */
	uint64_t held_at;
	uint32_t holder;
};

struct leak_graph {
	struct leak_node *nodes; /* [count] by ascending address, not overlapping */
	uint32_t count;
	struct leak_index index;
	uint64_t *reached; /* a bit for each node whose kind is not LEAK_DEFINITE */
	uint32_t *queue;   /* [queued] nodes that were reached; those before `taken` are followed */
	uint32_t queued;
	uint32_t taken;
	struct leak_offer *offers; /* [offer_count] */
	size_t offer_count;
	size_t offer_capacity;
	struct leak_reading *reading; /* of the edges; NULL: none is under way */
	struct leak_edges edges;
	uint32_t leader;  /* whose clique is being gathered */
	uint8_t reaching; /* enum leak_kind that the flood gives: reachable or possible */
	bool is_failed;   /* no memory: the kinds mean nothing */
	bool skips_bins;  /* leave out what looks like glibc's pointers to free chunks */
};

/*
 * taken_nodes  [count] of malloc, in any order; the graph's from now on
 * returns      false: no memory, the nodes are freed
 */
bool leak_graph_init(struct leak_graph *graph, struct leak_node *taken_nodes, uint32_t count);
void leak_graph_release(struct leak_graph *graph);

/* The node that an address lies in, UINT32_MAX: none. A block of no bytes counts as one byte. */
uint32_t leak_graph_find(const struct leak_graph *graph, uint64_t address);

/*
 * Begins to read the blocks, so that the roots can be visited meanwhile. For leak_graph_classify,
 * with the same memories.
 *
 * returns  false: no memory
 */
bool leak_graph_begin_reading(struct leak_graph *graph, const struct leak_memory *memories,
			      size_t memory_count);

/* What was begun and is of no use comes to its end: before the memories do. */
void leak_graph_end_reading(struct leak_graph *graph);

/* Words of a root, found at `address`. */
void leak_graph_visit_root(struct leak_graph *graph, uint32_t root, uint64_t address,
			   const uint64_t *words, size_t word_count);

/* Says that a node is reachable for a reason that is not in memory. */
void leak_graph_mark(struct leak_graph *graph, uint32_t node, uint32_t root);

/*
 * When all roots are visited: gives every node its kind.
 *
 * memories  [memory_count] at least 1: the same memory, for as many threads to read it
 * returns   false: no memory
 */
bool leak_graph_classify(struct leak_graph *graph, const struct leak_memory *memories,
			 size_t memory_count);

#endif
