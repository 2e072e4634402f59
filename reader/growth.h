/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the live bytes of each stack trace went over the run: at some instants, equally far apart,
 * the last of them a little before the end, where many programs free what they have.
 *
 * A stack trace keeps growing if, after the first quarter of the run, it has more in each third
 * than in the one before, and at last not much less than ever: that tells a leak from a table that
 * was filled once, and from a queue that comes and goes.
 */
#ifndef MEMTRACE_READER_GROWTH_H
#define MEMTRACE_READER_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reader/profile.h"

#define GROWTH_INSTANTS 20u

struct growth_item {
	uint32_t node;                        /* of the profile, innermost frame */
	uint64_t live_bytes[GROWTH_INSTANTS]; /* at each instant */
	uint64_t live_blocks;                 /* at the last one */
	uint64_t mean_age_us;                 /* of the bytes that are live then */
	uint64_t allocated_bytes;             /* in the whole run */
	uint64_t growth_bytes; /* since the first quarter; 0: it doesn't keep growing */
};

struct growth {
	uint64_t instants_us[GROWTH_INSTANTS];
	struct growth_item *items; /* [count] those that grow first, by growth_bytes */
	size_t count;
	uint32_t *by_node; /* [node_count of the profile] index + 1 into items; 0: none */
};

/*
 * profile  of a log whose replay has details; borrowed for the call
 * returns  MT_ERR_NO_MEMORY
 */
enum mt_status growth_gather(struct growth *growth, const struct profile *profile,
			     struct mt_error *error) MT_MUST_CHECK;
void growth_release(struct growth *growth);

/* What is known of a stack trace; NULL: nothing of it lived from one instant to the next. */
const struct growth_item *growth_find(const struct growth *growth, uint32_t node);

#endif
