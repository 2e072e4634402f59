/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/leaked_stacks.h"

static void mark_stack(const struct stack_trie *trie, uint32_t stack, bool *used)
{
	for (uint32_t node = stack; node < trie->node_count && !used[node];
	     node = trie->nodes[node].parent)
		used[node] = true;
}

/* Also of the blocks on the way to it. */
static void mark_leak(const struct stack_trie *trie, const struct leak_mark *mark, bool *used)
{
	mark_stack(trie, mark->stack, used);
	for (uint32_t i = 0; i < mark->step_count; i++)
		mark_stack(trie, mark->steps[i].stack, used);
}

bool leaked_stacks_are_scanned(const struct loaded_log *log, uint32_t process)
{
	const struct log_image *image = &log->info.images[process];
	const uint32_t node_count = log->replay.images[process]->trie.node_count;
	if (!image->has_leak_marks || image->loss ||
	    (image->leak_marks.flags & LEAK_SCAN_INCOMPLETE))
		return false;
	for (size_t i = 0; i < image->leak_marks.count; i++)
		if (image->leak_marks.items[i].stack >= node_count)
			return false; /* the log is cut before these stack traces */
	return true;
}

void leaked_stacks_mark(const struct loaded_log *log, uint32_t process, uint32_t kinds, bool *used)
{
	const struct replay_image *image = log->replay.images[process];
	const struct leak_marks *marks = &log->info.images[process].leak_marks;
	if (leaked_stacks_are_scanned(log, process)) {
		for (size_t i = 0; i < marks->count; i++)
			if (kinds & 1u << marks->items[i].leak_kind || marks->suppressions)
				mark_leak(&image->trie, &marks->items[i], used);
		return;
	}
	for (uint32_t i = 0; i < image->costs.count; i++) {
		const struct stack_cost *cost = &image->costs.items[i];
		if (cost->live_blocks > 0 && cost->kind != ALLOCATION_POOL)
			mark_stack(&image->trie, cost->stack, used);
	}
}
