/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A radix sort that leaves out the digits in which no two keys differ. */
#include "libtrack/collector/key_order.h"

#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11u
#define DIGITS (1u << DIGIT_BITS)

static uint32_t digit_of(uint64_t key, unsigned shift)
{
	return (uint32_t)(key >> shift) % DIGITS;
}

static void sort_digit(const struct keyed *from, struct keyed *to, size_t count, unsigned shift)
{
	size_t starts[DIGITS + 1] = {0};
	for (size_t i = 0; i < count; i++)
		starts[digit_of(from[i].key, shift) + 1]++;
	for (size_t i = 0; i < DIGITS; i++)
		starts[i + 1] += starts[i];
	for (size_t i = 0; i < count; i++)
		to[starts[digit_of(from[i].key, shift)]++] = from[i];
}

static uint64_t differing_bits(const struct keyed *items, size_t count)
{
	uint64_t bits = 0;
	for (size_t i = 1; i < count; i++)
		bits |= items[i].key ^ items[0].key;
	return bits;
}

bool key_order_sort(struct keyed *items, size_t count)
{
	uint64_t bits = differing_bits(items, count);
	struct keyed *other = bits ? malloc(count * sizeof(*other)) : NULL;
	struct keyed *from = items;
	struct keyed *to = other;
	if (bits && !other)
		return false;
	for (unsigned shift = 0; shift < 64 && bits >> shift;) {
		if (!(bits >> shift & 1)) {
			shift++;
			continue;
		}
		sort_digit(from, to, count, shift);
		struct keyed *sorted = to;
		to = from;
		from = sorted;
		shift += DIGIT_BITS;
	}
	if (from != items)
		memcpy(items, from, count * sizeof(*items));
	free(other);
	return true;
}
