/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stack traces that a process has told of, in a recording whose log gets only those that
 * something in it has: of a process that defers its allocations (common/deferred.h) most traces are
 * those of blocks that nobody will hear of.
 *
 * The traces told are in a trie of their own; which of its nodes the log's trie has, and where,
 * is noted beside it.
 */
#ifndef MEMTRACE_COMMON_LOG_TOLD_STACKS_H
#define MEMTRACE_COMMON_LOG_TOLD_STACKS_H

#include "common/log/stack_trie.h"

struct told_stacks {
	struct stack_trie trie;
	uint32_t *logged; /* [logged_count] by node: its node in the log's trie; 0: it has none */
	uint32_t logged_count; /* the nodes from here on have none */
};

/* returns  false if there is no memory */
bool told_stacks_init(struct told_stacks *told);
void told_stacks_release(struct told_stacks *told);

/*
 * The node of the log's trie for a trace that was told, made if need be.
 *
 * logged   no one else adds nodes to it
 * returns  STACK_NONE: no memory
 */
uint32_t told_stacks_log(struct told_stacks *told, uint32_t node, struct stack_trie *logged);

/* The same, but the root if the log's trie does not have the trace. */
static inline uint32_t told_stacks_find(const struct told_stacks *told, uint32_t node)
{
	return node < told->logged_count ? told->logged[node] : STACK_ROOT;
}

#endif
