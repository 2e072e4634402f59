/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "libtrack/collector/address_order.h"

static void nothing_and_one_item_stay_as_they_are(void **state)
{
	struct addressed one = {.address = 77, .item = 3};
	(void)state;
	assert_true(address_order_sort(NULL, 0));
	assert_true(address_order_sort(&one, 1));
	assert_int_equal(one.address, 77);
	assert_int_equal(one.item, 3);
}

static int compare(const void *left, const void *right)
{
	const struct addressed *a = left;
	const struct addressed *b = right;
	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return a->item < b->item ? -1 : a->item > b->item;
}

/* Items are numbered in their order, so that qsort keeps it too. */
static void assert_sorts_like_qsort(struct addressed *items, size_t count)
{
	struct addressed *expected = malloc(count * sizeof(*expected));
	assert_non_null(expected);
	for (size_t i = 0; i < count; i++) {
		items[i].item = (uint32_t)i;
		expected[i] = items[i];
	}
	qsort(expected, count, sizeof(*expected), compare);
	assert_true(address_order_sort(items, count));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(items[i].address, expected[i].address);
		assert_int_equal(items[i].item, expected[i].item);
	}
	free(expected);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 16;
}

static void addresses_of_every_spread_are_sorted_and_equal_ones_keep_their_order(void **state)
{
	static struct addressed items[5000];
	uint64_t seed = 7;
	(void)state;
	for (unsigned bits = 0; bits <= 48; bits++) {
		for (size_t i = 0; i < 5000; i++)
			items[i].address = 0x7000000000000000u |
					   (next_random(&seed) & ((1ull << bits) - 1))
						   << (bits % 5);
		assert_sorts_like_qsort(items, 5000);
	}
}

static void bits_at_both_ends_are_sorted(void **state)
{
	struct addressed items[] = {{.address = UINT64_MAX},     {.address = 1},
				    {.address = 1ull << 63},     {.address = 0},
				    {.address = UINT64_MAX - 1}, {.address = 1ull << 63}};
	(void)state;
	assert_sorts_like_qsort(items, sizeof(items) / sizeof(items[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_and_one_item_stay_as_they_are),
		cmocka_unit_test(
			addresses_of_every_spread_are_sorted_and_equal_ones_keep_their_order),
		cmocka_unit_test(bits_at_both_ends_are_sorted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
