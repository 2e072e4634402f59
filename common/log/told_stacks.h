/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stack traces that a process has told of, in a recording whose log gets only those that
 * something in it has: of a process that defers its allocations (common/deferred.h) most traces are
 * those of blocks that nobody will hear of.
 *
 * The traces told are in a trie of their own; which of its nodes the log's trie has, and where,
 * is noted beside it. There a trace has one node.
 */
#ifndef MEMTRACE_COMMON_LOG_TOLD_STACKS_H
#define MEMTRACE_COMMON_LOG_TOLD_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/stack_trie.h"

struct told_stacks {
	struct stack_trie trie;
	uint32_t *logged; /* [logged_count] by node: its node in the log's trie; 0: it has none */
	uint32_t logged_count; /* the nodes from here on have none */
	uint32_t fold_at;      /* nodes */
};

/* returns  false if there is no memory */
bool told_stacks_init(struct told_stacks *told);
void told_stacks_release(struct told_stacks *told);

/*
 * Makes a node of a frame below `parent`, and does not look for one that is there: few traces are
 * told twice, and to look takes ten times as long.
 *
 * returns  its number, STACK_NONE: no memory
 */
static inline uint32_t told_stacks_add(struct told_stacks *told, uint32_t parent, uint16_t module,
				       uint64_t offset)
{
	return stack_trie_append(&told->trie, parent, module, offset);
}

/* Whether there may be so many nodes more than traces that it is time to fold. */
static inline bool told_stacks_are_many(const struct told_stacks *told)
{
	return told->trie.node_count >= told->fold_at;
}

/*
 * Makes one node of all that are for the same trace.
 *
 * ret_nodes  [node_count] set to what becomes of each node
 * returns    false if there is no memory; then nothing has changed
 */
bool told_stacks_fold(struct told_stacks *told, uint32_t *ret_nodes);

/*
 * The node of the log's trie for a trace that was told, made if need be.
 *
 * logged   no one else adds nodes to it
 * returns  STACK_NONE: no memory
 */
uint32_t told_stacks_log(struct told_stacks *told, uint32_t node, struct stack_trie *logged);

/* The same, but the root if the log's trie does not have the trace. */
uint32_t told_stacks_search(const struct told_stacks *told, uint32_t node,
			    struct stack_trie *logged);

/* The same, but the root unless it is noted that the log's trie has the trace. */
static inline uint32_t told_stacks_find(const struct told_stacks *told, uint32_t node)
{
	return node < told->logged_count ? told->logged[node] : STACK_ROOT;
}

#endif
