/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/told_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"

/* So many nodes, and as many as there were, are made without a look. */
#define UNSEEN_NODES (1u << 18)

bool told_stacks_init(struct told_stacks *told)
{
	*told = (struct told_stacks){.fold_at = UNSEEN_NODES};
	return stack_trie_init(&told->trie);
}

void told_stacks_release(struct told_stacks *told)
{
	stack_trie_release(&told->trie);
	free(told->logged);
	*told = (struct told_stacks){0};
}

/* Makes room for all nodes that there are. returns false: no memory */
static bool grow(struct told_stacks *told)
{
	uint32_t count = told->trie.node_capacity;
	uint32_t *grown = realloc(told->logged, (size_t)count * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + told->logged_count, 0,
	       (size_t)(count - told->logged_count) * sizeof(*grown));
	told->logged = grown;
	told->logged_count = count;
	return true;
}

bool told_stacks_fold(struct told_stacks *told, uint32_t *ret_nodes)
{
	struct told_stacks folded;
	const struct stack_trie *trie = &told->trie;
	bool has_memory = told_stacks_init(&folded);
	ret_nodes[STACK_ROOT] = STACK_ROOT;
	for (uint32_t i = 1; i < trie->node_count && has_memory; i++) {
		const struct stack_node *frame = &trie->nodes[i];
		ret_nodes[i] = stack_trie_intern(&folded.trie, ret_nodes[frame->parent],
						 frame->module, frame->offset);
		has_memory = ret_nodes[i] != STACK_NONE;
	}
	if (!has_memory || !grow(&folded)) {
		told_stacks_release(&folded);
		return false;
	}
	/* The log has one node for all of them. */
	for (uint32_t i = 1; i < trie->node_count; i++)
		if (told_stacks_find(told, i))
			folded.logged[ret_nodes[i]] = told_stacks_find(told, i);
	folded.fold_at = UNSEEN_NODES + folded.trie.node_count * 2;
	told_stacks_release(told);
	*told = folded;
	return true;
}

/*
 * Climbs from a node to the next one outwards that the log's trie has.
 * missing  [LIMIT_FRAMES + 1] set to the [*ret_count] nodes below that, innermost first
 * returns  its node there
 */
static uint32_t climb(const struct told_stacks *told, uint32_t node, uint32_t *missing,
		      uint32_t *ret_count)
{
	uint32_t count = 0;
	while (node != STACK_ROOT && !told_stacks_find(told, node) && count < LIMIT_FRAMES + 1) {
		missing[count++] = node;
		node = told->trie.nodes[node].parent;
	}
	*ret_count = count;
	return told_stacks_find(told, node);
}

uint32_t told_stacks_log(struct told_stacks *told, uint32_t node, struct stack_trie *logged)
{
	uint32_t missing[LIMIT_FRAMES + 1];
	uint32_t count;
	if (node >= told->logged_count && !grow(told))
		return STACK_NONE;
	uint32_t added = climb(told, node, missing, &count);
	while (count-- > 0 && added != STACK_NONE) {
		const struct stack_node *frame = &told->trie.nodes[missing[count]];
		added = stack_trie_intern(logged, added, frame->module, frame->offset);
		if (added != STACK_NONE)
			told->logged[missing[count]] = added;
	}
	return added;
}

uint32_t told_stacks_search(const struct told_stacks *told, uint32_t node,
			    struct stack_trie *logged)
{
	uint32_t missing[LIMIT_FRAMES + 1];
	uint32_t count;
	uint32_t found = climb(told, node, missing, &count);
	while (count-- > 0) {
		const struct stack_node *frame = &told->trie.nodes[missing[count]];
		found = stack_trie_find(logged, found, frame->module, frame->offset);
		if (found == STACK_ROOT || found == STACK_NONE)
			return found;
	}
	return found;
}
