/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long the blocks of each cost lived, in powers of two of microseconds.
 *
 * Bucket 0 is of blocks that were freed at the time they were made, as far as the log's clock
 * tells; bucket b > 0 is of those that lived for [2^(b-1), 2^b) microseconds. Bucket 0 is by far
 * the fullest in most programs: it is kept with the costs (stack_cost.short_lived), and a cost has
 * a histogram here only if a block of it lived longer.
 */
#ifndef MEMTRACE_READER_LIFETIMES_H
#define MEMTRACE_READER_LIFETIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIFETIME_BUCKETS 48u /* the last one is open: more than two years */

struct lifetime_histogram {
	uint64_t counts[LIFETIME_BUCKETS]; /* [0] is not used */
};

struct lifetimes {
	uint32_t *numbers; /* [capacity] by index of the cost: number of its histogram, from 1 */
	uint32_t capacity;
	struct lifetime_histogram *histograms; /* [histogram_count] */
	uint32_t histogram_count;
	uint32_t histogram_capacity;
};

static inline uint32_t lifetime_bucket(uint64_t elapsed_us)
{
	uint32_t bucket = elapsed_us ? 64u - (uint32_t)__builtin_clzll(elapsed_us) : 0;
	return bucket < LIFETIME_BUCKETS ? bucket : LIFETIME_BUCKETS - 1;
}

/* The histogram of a cost, made if there is none. returns NULL: no memory */
struct lifetime_histogram *lifetimes_entry(struct lifetimes *lifetimes, uint32_t cost);

/* The histogram of a cost; NULL: it has none. */
const struct lifetime_histogram *lifetimes_find(const struct lifetimes *lifetimes, uint32_t cost);

void lifetimes_release(struct lifetimes *lifetimes);

#endif
