/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/log/told_stacks.h"

#include <stdlib.h>
#include <string.h>

#include "common/format.h"

bool told_stacks_init(struct told_stacks *told)
{
	*told = (struct told_stacks){0};
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

uint32_t told_stacks_log(struct told_stacks *told, uint32_t node, struct stack_trie *logged)
{
	uint32_t missing[LIMIT_FRAMES + 1]; /* innermost first */
	uint32_t count = 0;
	if (node >= told->logged_count && !grow(told))
		return STACK_NONE;
	while (node != STACK_ROOT && !told->logged[node] && count < LIMIT_FRAMES + 1) {
		missing[count++] = node;
		node = told->trie.nodes[node].parent;
	}
	uint32_t added = told->logged[node];
	while (count-- > 0 && added != STACK_NONE) {
		const struct stack_node *frame = &told->trie.nodes[missing[count]];
		added = stack_trie_append(logged, added, frame->module, frame->offset);
		if (added != STACK_NONE)
			told->logged[missing[count]] = added;
	}
	return added;
}
