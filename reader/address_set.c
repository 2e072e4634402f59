/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader/address_set.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MAX (1u << 14)

static int by_address(const void *left, const void *right)
{
	const uint64_t *a = left;
	const uint64_t *b = right;
	return (*a > *b) - (*a < *b);
}

static uint64_t bucket_of(const struct address_set *set, uint64_t address)
{
	return (address - set->addresses[0]) >> set->shift;
}

static void fill_buckets(struct address_set *set)
{
	size_t next = 0;
	for (size_t bucket = 0; bucket <= set->bucket_count; bucket++) {
		while (next < set->count && bucket_of(set, set->addresses[next]) < bucket)
			next++;
		set->buckets[bucket] = (uint32_t)next;
	}
}

bool address_set_init(struct address_set *set, const uint64_t *addresses, size_t count)
{
	*set = (struct address_set){0};
	if (count == 0)
		return true;
	set->addresses = malloc(count * sizeof(*set->addresses));
	if (!set->addresses)
		return false;
	memcpy(set->addresses, addresses, count * sizeof(*set->addresses));
	qsort(set->addresses, count, sizeof(*set->addresses), by_address);
	set->count = 1;
	for (size_t i = 1; i < count; i++)
		if (set->addresses[i] != set->addresses[set->count - 1])
			set->addresses[set->count++] = set->addresses[i];
	uint64_t last = set->addresses[set->count - 1];
	while (bucket_of(set, last) >= BUCKETS_MAX)
		set->shift++;
	set->bucket_count = (size_t)bucket_of(set, last) + 1;
	set->buckets = malloc((set->bucket_count + 1) * sizeof(*set->buckets));
	if (!set->buckets) {
		address_set_release(set);
		return false;
	}
	fill_buckets(set);
	return true;
}

void address_set_release(struct address_set *set)
{
	free(set->addresses);
	free(set->buckets);
	*set = (struct address_set){0};
}

size_t address_set_find(const struct address_set *set, uint64_t address)
{
	if (set->count == 0 || address <= set->addresses[0])
		return 0;
	uint64_t bucket = bucket_of(set, address);
	if (bucket >= set->bucket_count)
		return set->count;
	size_t low = set->buckets[bucket];
	size_t high = set->buckets[bucket + 1];
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (set->addresses[middle] < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool address_set_has(const struct address_set *set, uint64_t address)
{
	size_t at = address_set_find(set, address);
	return at < set->count && set->addresses[at] == address;
}
