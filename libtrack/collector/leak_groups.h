/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Marks by what they are of, while those of a scan are made: one for each group of blocks. */
#ifndef MEMTRACE_COLLECTOR_LEAK_GROUPS_H
#define MEMTRACE_COLLECTOR_LEAK_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/leak_marks.h"

/* A hash table of mark numbers. */
struct leak_groups {
	uint32_t *slots; /* [mask + 1] number + 1; 0: free */
	uint32_t mask;
	uint32_t latest; /* number + 1 of the group found last */
};

/* For up to `count` groups. returns false: no memory */
bool leak_groups_init(struct leak_groups *groups, size_t count);
void leak_groups_release(struct leak_groups *groups);

/*
 * Adds a mark to that of its group among `marks`.
 * returns  false: it is the first of its group, and *ret_slot is for leak_groups_enter()
 */
bool leak_groups_merge(struct leak_groups *groups, const struct leak_marks *marks,
		       const struct leak_mark *mark, uint32_t *ret_slot);

/* The group's mark is `number` of the marks. */
void leak_groups_enter(struct leak_groups *groups, uint32_t slot, size_t number);

/* Makes one mark of each group, with the first one's holder. returns false: no memory */
bool leak_groups_join(struct leak_marks *marks);

#endif
