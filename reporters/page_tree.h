/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tree that a flamegraph page shows: that of a profile, with the nodes of another log's beside
 * them when two are compared, and small nodes folded into one when it would be too large.
 *
 * Nothing gets lost: the sum over all rows is the profile's total for every cost.
 */
#ifndef MEMTRACE_REPORTERS_PAGE_TREE_H
#define MEMTRACE_REPORTERS_PAGE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/profile.h"

struct page_threads;

struct page_row {
	uint32_t node;
	uint32_t thread; /* entry of page_threads */
	uint32_t kind;   /* enum allocation_kind */
	uint32_t leak;   /* enum leak_kind; 0 if nothing was scanned */
	struct profile_costs costs;
};

/* What a node, by itself, costs in the log that is compared with. */
struct page_base {
	uint32_t node;
	struct profile_costs costs;
};

struct page_tree {
	struct string_table strings;
	struct profile_frame *frames; /* [frame_count] */
	uint32_t frame_count;
	struct profile_node *nodes; /* [node_count] a parent comes before its children */
	uint32_t node_count;
	struct page_row *rows; /* [row_count] by node */
	size_t row_count;
	uint32_t *row_of; /* [profile's row_count] the row that each of the profile's is part of */
	size_t profile_row_count;
	struct page_base *base; /* [base_count] by node */
	size_t base_count;
	bool is_classified; /* rows differ in `leak` */
	uint64_t folded_nodes;
	uint64_t folded_peak_bytes;
};

/* The tree of `profile`. returns false if there is no memory */
bool page_tree_init(struct page_tree *tree, const struct profile *profile,
		    const struct page_threads *threads);

/*
 * Adds the costs of `base`, on the nodes that it has in common with the tree, and on nodes of its
 * own. Nodes are the same if function, file name and module's file name are: lines move, versions
 * and directories differ from build to build, so of several calls of a function the nearest line is
 * taken, what is behind ".so" does not count, and the program may be called anything. returns false
 * if there is no memory
 */
bool page_tree_add_base(struct page_tree *tree, const struct profile *profile,
			const struct profile *base);

/*
 * Takes "." and ".." out of the paths of source files, as compilers write them for builds outside
 * of the source tree. returns false if there is no memory
 */
bool page_tree_tidy_files(struct page_tree *tree);

/*
 * Makes `ret_folded` of `tree` with `max_nodes` nodes at most, 2 or more: those that matter least,
 * whatever the cost, go into one node beside their siblings. returns false if there is no memory
 */
bool page_tree_fold(const struct page_tree *tree, uint32_t max_nodes, struct page_tree *ret_folded);

/*
 * Puts `rows` [count] into a tree without rows, those of one node, thread, kind and leak kind
 * together; `ret_row_of` [count] gets where each is. returns false if there is no memory
 */
bool page_tree_set_rows(struct page_tree *tree, const struct page_row *rows, size_t count,
			uint32_t *ret_row_of);

/* Divides the live blocks of the rows by leak kind. returns false if there is no memory */
bool page_tree_classify(struct page_tree *tree, const struct profile *profile,
			const struct page_threads *threads);

/* Order of rows: by node, thread, kind and leak kind. For qsort */
int page_row_compare(const void *left, const void *right);

void page_tree_release(struct page_tree *tree);

#endif
