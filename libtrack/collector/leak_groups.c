/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/leak_groups.h"

#include <stdlib.h>

bool leak_groups_init(struct leak_groups *groups, size_t count)
{
	*groups = (struct leak_groups){.mask = 1023};
	while (groups->mask < count * 2)
		groups->mask = groups->mask * 2 + 1;
	groups->slots = calloc((size_t)groups->mask + 1, sizeof(*groups->slots));
	return groups->slots != NULL;
}

void leak_groups_release(struct leak_groups *groups)
{
	free(groups->slots);
	*groups = (struct leak_groups){0};
}

static bool is_same_group(const struct leak_mark *a, const struct leak_mark *b)
{
	return a->stack == b->stack && a->thread == b->thread &&
	       a->allocation_kind == b->allocation_kind && a->leak_kind == b->leak_kind;
}

static uint32_t group_hash(const struct leak_mark *mark)
{
	uint64_t key = (uint64_t)mark->stack << 32 | mark->thread << 8 |
		       mark->allocation_kind << 3 | mark->leak_kind;
	return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32);
}

/* The group's mark; NULL: there is none yet, and *ret_slot is its place. */
static struct leak_mark *find(struct leak_groups *groups, const struct leak_marks *marks,
			      const struct leak_mark *mark, uint32_t *ret_slot)
{
	/* Blocks that were made together lie together. */
	if (groups->latest && is_same_group(&marks->items[groups->latest - 1], mark))
		return &marks->items[groups->latest - 1];
	uint32_t slot = group_hash(mark) & groups->mask;
	for (; groups->slots[slot]; slot = (slot + 1) & groups->mask)
		if (is_same_group(&marks->items[groups->slots[slot] - 1], mark)) {
			groups->latest = groups->slots[slot];
			return &marks->items[groups->latest - 1];
		}
	*ret_slot = slot;
	return NULL;
}

bool leak_groups_merge(struct leak_groups *groups, const struct leak_marks *marks,
		       const struct leak_mark *mark, uint32_t *ret_slot)
{
	struct leak_mark *group = find(groups, marks, mark, ret_slot);
	if (!group)
		return false;
	group->blocks += mark->blocks;
	group->bytes += mark->bytes;
	group->indirect_bytes += mark->indirect_bytes;
	group->oldest_us = mark->oldest_us < group->oldest_us ? mark->oldest_us : group->oldest_us;
	group->newest_us = mark->newest_us > group->newest_us ? mark->newest_us : group->newest_us;
	return true;
}

void leak_groups_enter(struct leak_groups *groups, uint32_t slot, size_t number)
{
	groups->slots[slot] = (uint32_t)number + 1;
}

bool leak_groups_join(struct leak_marks *marks)
{
	struct leak_groups groups;
	size_t kept = 0;
	if (!leak_groups_init(&groups, marks->count))
		return false;
	for (size_t i = 0; i < marks->count; i++) {
		struct leak_mark mark = marks->items[i];
		uint32_t slot;
		if (leak_groups_merge(&groups, marks, &mark, &slot)) {
			free(mark.holder);
			free(mark.steps);
			continue;
		}
		leak_groups_enter(&groups, slot, kept);
		marks->items[kept++] = mark;
	}
	marks->count = kept;
	leak_groups_release(&groups);
	return true;
}
