/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "libtrack/collector/key_order.h"

static void nothing_and_one_item_stay_as_they_are(void **state)
{
	struct keyed one = {.key = 77, .item = 3};
	(void)state;
	assert_true(key_order_sort(NULL, 0));
	assert_true(key_order_sort(&one, 1));
	assert_int_equal(one.key, 77);
	assert_int_equal(one.item, 3);
}

static int compare(const void *left, const void *right)
{
	const struct keyed *a = left;
	const struct keyed *b = right;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->item < b->item ? -1 : a->item > b->item;
}

/* Items are numbered in their order, so that qsort keeps it too. */
static void assert_sorts_like_qsort(struct keyed *items, size_t count)
{
	struct keyed *expected = malloc(count * sizeof(*expected));
	assert_non_null(expected);
	for (size_t i = 0; i < count; i++) {
		items[i].item = i;
		expected[i] = items[i];
	}
	qsort(expected, count, sizeof(*expected), compare);
	assert_true(key_order_sort(items, count));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(items[i].key, expected[i].key);
		assert_int_equal(items[i].item, expected[i].item);
	}
	free(expected);
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 16;
}

static void keys_of_every_spread_are_sorted_and_equal_ones_keep_their_order(void **state)
{
	static struct keyed items[5000];
	uint64_t seed = 7;
	(void)state;
	for (unsigned bits = 0; bits <= 48; bits++) {
		for (size_t i = 0; i < 5000; i++)
			items[i].key = 0x7000000000000000u |
				       (next_random(&seed) & ((1ull << bits) - 1)) << (bits % 5);
		assert_sorts_like_qsort(items, 5000);
	}
}

static void bits_at_both_ends_are_sorted(void **state)
{
	struct keyed items[] = {{.key = UINT64_MAX},     {.key = 1},
				{.key = 1ull << 63},     {.key = 0},
				{.key = UINT64_MAX - 1}, {.key = 1ull << 63}};
	(void)state;
	assert_sorts_like_qsort(items, sizeof(items) / sizeof(items[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_and_one_item_stay_as_they_are),
		cmocka_unit_test(keys_of_every_spread_are_sorted_and_equal_ones_keep_their_order),
		cmocka_unit_test(bits_at_both_ends_are_sorted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
