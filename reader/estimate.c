/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/estimate.h"

#include <math.h>

#define EXACT_COUNT_MAX 1000.0      /* beyond, the normal distribution will do */
#define NORMAL_95 1.959963984540054 /* quantile of the normal distribution at 97.5 % */
#define TAIL 0.025
/* Of no sample at all: the mean for which it has the probability TAIL. */
#define POISSON_NONE_HIGH 3.688879454113936

struct sample_weight sample_weight_of(uint64_t size_bytes, uint64_t interval_bytes)
{
	if (interval_bytes == 0 || size_bytes == 0)
		return (struct sample_weight){.bytes = size_bytes, .count = 1};
	double size = (double)size_bytes;
	double probability = -expm1(-size / (double)interval_bytes);
	double bytes = size / probability;
	double count = 1 / probability;
	double count_fraction = count - floor(count);
	double bytes_fraction = bytes - floor(bytes);
	return (struct sample_weight){
		.bytes = (uint64_t)bytes,
		.count = (uint64_t)count,
		.bytes_fraction = (uint64_t)(bytes_fraction * 4294967296.0),
		.count_fraction = (uint64_t)(count_fraction * 4294967296.0),
		.bytes_variance = bytes * (bytes - size) + bytes_fraction * (1 - bytes_fraction),
		.count_variance = (1 - probability) * count * count +
				  count_fraction * (1 - count_fraction),
		.largest = count,
	};
}

/* The probability of at most `count` when `mean` are expected. */
static double poisson_at_most(double count, double mean)
{
	double term = exp(-mean);
	double sum = term;
	for (double n = 1; n <= count; n++) {
		term *= mean / n;
		sum += term;
	}
	return sum;
}

/* The mean for which at most `count` has the probability `tail`; falls with the mean. */
static double poisson_mean(double count, double tail)
{
	double low = 0;
	double high = count + 10 * sqrt(count + 1) + 10;
	for (int i = 0; i < 60; i++) {
		double middle = (low + high) / 2;
		if (poisson_at_most(count, middle) > tail)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

static struct estimate_interval score_interval(double value, double variance, double weight)
{
	double square = NORMAL_95 * NORMAL_95;
	double middle = value + square * weight / 2;
	double half = NORMAL_95 * sqrt(variance + square * weight * weight / 4);
	return (struct estimate_interval){.low = fmax(0, middle - half), .high = middle + half};
}

struct estimate_interval estimate_interval(const struct estimate *estimate)
{
	double value = estimate->value;
	if (estimate->sample_count == 0 || value <= 0 || estimate->variance <= 0)
		return (struct estimate_interval){.low = value, .high = value};
	double weight = fmax(estimate->variance / value, estimate->largest_weight);
	if (estimate->sample_count >= ESTIMATE_SAMPLES_MIN)
		return score_interval(value, estimate->variance, weight);
	/* Garwood's limits for the number of weights, which need not be whole: between neighbours
	 * they are taken at the lower one for the lower limit, at the upper one for the upper. */
	double count = value / weight;
	/* A block much larger than the interval is as good as certain: next to no variance. */
	if (count > EXACT_COUNT_MAX)
		return score_interval(value, estimate->variance, weight);
	double below = floor(count);
	double above = ceil(count);
	double low = below >= 1 ? poisson_mean(below - 1, 1 - TAIL) : 0;
	double high = above >= 1 ? poisson_mean(above, TAIL) : POISSON_NONE_HIGH;
	return (struct estimate_interval){
		.low = fmin(value, low * weight),
		.high = fmax(value, high * weight),
	};
}
