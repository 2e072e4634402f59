/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which ranges of an address space are mapped, and by whom.
 *
 * A treap of ranges that don't overlap, by their starts, in one array of nodes: 0 is no node.
 * Priorities are a hash of the node's number, so the same operations always make the same tree.
 * Cutting a range out takes O(log n) and what it removes.
 */
#ifndef MEMTRACE_READER_MAPPING_TREE_H
#define MEMTRACE_READER_MAPPING_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapping_piece {
	uint64_t start;
	uint64_t end;   /* the first address behind it */
	uint32_t owner; /* the caller's */
};

struct mapping_node {
	struct mapping_piece piece;
	uint32_t left;
	uint32_t right; /* of a free node: the next free one */
};

struct mapping_tree {
	struct mapping_node *nodes; /* [capacity] */
	uint32_t root;
	uint32_t capacity;
	uint32_t used; /* nodes ever given out, with node 0 */
	uint32_t free;
};

/* Ranges that were taken out, by ascending start. */
struct mapping_pieces {
	struct mapping_piece *items; /* [count] */
	size_t count;
	size_t capacity;
};

void mapping_tree_release(struct mapping_tree *tree);
void mapping_pieces_release(struct mapping_pieces *pieces);

/* Adds a range, start < end, where nothing is. returns false: no memory */
bool mapping_tree_insert(struct mapping_tree *tree, const struct mapping_piece *piece);

/*
 * Takes out what lies in [start, end); ranges that reach out of it are cut.
 *
 * ret_removed  replaced by what was taken out
 * returns      false: no memory, the tree is as it was
 */
bool mapping_tree_remove(struct mapping_tree *tree, uint64_t start, uint64_t end,
			 struct mapping_pieces *ret_removed);

/* The range that `address` lies in; NULL: none. Borrowed until the next change. */
const struct mapping_piece *mapping_tree_find(const struct mapping_tree *tree, uint64_t address);

#endif
