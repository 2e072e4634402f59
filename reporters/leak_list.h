/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks that were never freed, grouped by stack trace, the largest group first. */
#ifndef MEMTRACE_REPORTERS_LEAK_LIST_H
#define MEMTRACE_REPORTERS_LEAK_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "reader/profile.h"

struct leak {
	uint32_t node; /* innermost frame */
	uint64_t bytes;
	uint64_t blocks;
};

struct leak_list {
	struct leak *items; /* [count] */
	size_t count;
	uint64_t bytes;
	uint64_t blocks;
};

/* returns  MT_ERR_NO_MEMORY */
enum mt_status leak_list_gather(struct leak_list *list, const struct profile *profile,
				struct mt_error *error) MT_MUST_CHECK;
void leak_list_release(struct leak_list *list);

#endif
