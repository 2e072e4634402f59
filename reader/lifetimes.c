/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/lifetimes.h"

#include <stdlib.h>
#include <string.h>

static bool grow_numbers(struct lifetimes *lifetimes, uint32_t cost)
{
	uint64_t capacity = lifetimes->capacity ? lifetimes->capacity : 256;
	while (capacity <= cost)
		capacity *= 2;
	uint32_t *grown = realloc(lifetimes->numbers, capacity * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + lifetimes->capacity, 0, (capacity - lifetimes->capacity) * sizeof(*grown));
	lifetimes->numbers = grown;
	lifetimes->capacity = (uint32_t)capacity;
	return true;
}

struct lifetime_histogram *lifetimes_entry(struct lifetimes *lifetimes, uint32_t cost)
{
	if (cost >= lifetimes->capacity && !grow_numbers(lifetimes, cost))
		return NULL;
	if (lifetimes->numbers[cost])
		return &lifetimes->histograms[lifetimes->numbers[cost] - 1];
	if (lifetimes->histogram_count == lifetimes->histogram_capacity) {
		uint32_t capacity = lifetimes->histogram_capacity +
				    lifetimes->histogram_capacity / 4 + 64;
		struct lifetime_histogram *grown = realloc(lifetimes->histograms,
							   capacity * sizeof(*grown));
		if (!grown)
			return NULL;
		lifetimes->histograms = grown;
		lifetimes->histogram_capacity = capacity;
	}
	struct lifetime_histogram *histogram = &lifetimes->histograms[lifetimes->histogram_count++];
	*histogram = (struct lifetime_histogram){0};
	lifetimes->numbers[cost] = lifetimes->histogram_count;
	return histogram;
}

const struct lifetime_histogram *lifetimes_find(const struct lifetimes *lifetimes, uint32_t cost)
{
	if (cost >= lifetimes->capacity || !lifetimes->numbers[cost])
		return NULL;
	return &lifetimes->histograms[lifetimes->numbers[cost] - 1];
}

void lifetimes_release(struct lifetimes *lifetimes)
{
	free(lifetimes->numbers);
	free(lifetimes->histograms);
	*lifetimes = (struct lifetimes){0};
}
