/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A radix sort that leaves out the digits in which no two addresses differ. */
#include "libtrack/collector/address_order.h"

#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11u
#define DIGITS (1u << DIGIT_BITS)

static uint32_t digit_of(uint64_t address, unsigned shift)
{
	return (uint32_t)(address >> shift) % DIGITS;
}

static void sort_digit(const struct addressed *from, struct addressed *to, size_t count,
		       unsigned shift)
{
	size_t starts[DIGITS + 1] = {0};
	for (size_t i = 0; i < count; i++)
		starts[digit_of(from[i].address, shift) + 1]++;
	for (size_t i = 0; i < DIGITS; i++)
		starts[i + 1] += starts[i];
	for (size_t i = 0; i < count; i++)
		to[starts[digit_of(from[i].address, shift)]++] = from[i];
}

static uint64_t differing_bits(const struct addressed *items, size_t count)
{
	uint64_t bits = 0;
	for (size_t i = 1; i < count; i++)
		bits |= items[i].address ^ items[0].address;
	return bits;
}

bool address_order_sort(struct addressed *items, size_t count)
{
	uint64_t bits = differing_bits(items, count);
	struct addressed *other = bits ? malloc(count * sizeof(*other)) : NULL;
	struct addressed *from = items;
	struct addressed *to = other;
	if (bits && !other)
		return false;
	for (unsigned shift = 0; shift < 64 && bits >> shift;) {
		if (!(bits >> shift & 1)) {
			shift++;
			continue;
		}
		sort_digit(from, to, count, shift);
		struct addressed *sorted = to;
		to = from;
		from = sorted;
		shift += DIGIT_BITS;
	}
	if (from != items)
		memcpy(items, from, count * sizeof(*items));
	free(other);
	return true;
}
