/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What samples stand for.
 *
 * Sampling by bytes takes a block of k bytes with the probability p = 1 - exp(-k / T), T being the
 * sampling interval. So it stands for k / p bytes and 1 / p allocations, and a sum of such weights
 * is unbiased. Its variance is estimated without bias by the sum of
 *
 *   bytes  w (w - k) with w = k / p        allocations  (1 - p) / p^2
 *
 * Everything is counted in whole numbers, so that sums agree whichever way they are taken: bytes
 * and count of a block are rounded up as often as their fractions say, by a hash of the block's
 * number; what that adds to the variance is counted.
 */
#ifndef MEMTRACE_READER_ESTIMATE_H
#define MEMTRACE_READER_ESTIMATE_H

#include <stdint.h>

/* Of all sampled blocks of one size and interval. */
struct sample_weight {
	uint64_t bytes;          /* rounded down */
	uint64_t count;          /* rounded down */
	uint64_t bytes_fraction; /* in 2^-32 */
	uint64_t count_fraction;
	double bytes_variance;
	double count_variance;
	double largest; /* what one block's count is, unrounded */
};

/* size_bytes  may be 0: such a block is never sampled, and stands for itself */
struct sample_weight sample_weight_of(uint64_t size_bytes, uint64_t interval_bytes);

static inline uint32_t sample_weight_hash(uint32_t born)
{
	uint32_t hash = born * 0x9e3779b1u;
	hash = (hash ^ hash >> 15) * 0x85ebca77u;
	hash = (hash ^ hash >> 13) * 0xc2b2ae3du;
	return hash ^ hash >> 16;
}

/* How many allocations, and how many bytes, block number `born` stands for. */
static inline uint64_t sample_weight_count(const struct sample_weight *weight, uint32_t born)
{
	return weight->count + (sample_weight_hash(born) < weight->count_fraction);
}

static inline uint64_t sample_weight_bytes(const struct sample_weight *weight, uint32_t born)
{
	return weight->bytes + (sample_weight_hash(~born) < weight->bytes_fraction);
}

/* A sum over samples. */
struct estimate {
	double value;
	double variance;
	uint64_t sample_count;
	double largest_weight; /* of one sample, where weights differ widely; else 0 */
};

/* Below this many samples an estimate is given as an interval only. */
#define ESTIMATE_SAMPLES_MIN 30u

struct estimate_interval {
	double low;
	double high;
};

/*
 * The 95 % confidence interval. From ESTIMATE_SAMPLES_MIN samples on, the score interval of a sum
 * of Poisson counts with the mean weight variance / value; below, the exact interval of a Poisson
 * count (Garwood 1936) in units of that weight.
 *
 * Bytes have nearly one weight, the sampling interval. Counts don't: one sampled block of 16 bytes
 * stands for thousands, and a few of them decide. There the largest weight is the unit, so that
 * the interval allows for some that were missed.
 */
struct estimate_interval estimate_interval(const struct estimate *estimate);

#endif
