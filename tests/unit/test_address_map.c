/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "reader/address_map.h"

static void add(struct address_map *map, uint64_t start, uint64_t end, uint64_t rank,
		uint32_t value)
{
	struct address_range range = {.start = start, .end = end, .rank = rank, .value = value};
	assert_true(address_map_add(map, &range));
}

static void an_empty_map_owns_nothing(void **state)
{
	struct address_map map = {0};
	(void)state;
	add(&map, 5, 5, 1, 1);
	add(&map, 7, 6, 1, 1);
	assert_true(address_map_cut(&map));
	assert_int_equal(address_map_find(&map, 5), ADDRESS_MAP_NONE);
	assert_null(address_map_find_piece(&map, 6));
	address_map_release(&map);
}

static void the_higher_rank_owns_an_address(void **state)
{
	struct address_map map = {0};
	(void)state;
	add(&map, 10, 100, 1, 1);
	add(&map, 20, 40, 2, 2);
	add(&map, 30, 35, 3, 3);
	add(&map, 90, 120, 0, 4);
	assert_true(address_map_cut(&map));
	static const struct {
		uint64_t address;
		uint32_t value;
	} expected[] = {{9, ADDRESS_MAP_NONE},
			{10, 1},
			{19, 1},
			{20, 2},
			{29, 2},
			{30, 3},
			{34, 3},
			{35, 2},
			{39, 2},
			{40, 1},
			{99, 1},
			{100, 4},
			{119, 4},
			{120, ADDRESS_MAP_NONE},
			{UINT64_MAX, ADDRESS_MAP_NONE}};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(address_map_find(&map, expected[i].address), expected[i].value);
	address_map_release(&map);
}

static void a_gap_starts_where_the_range_before_it_ends(void **state)
{
	struct address_map map = {0};
	(void)state;
	add(&map, 10, 20, 1, 1);
	add(&map, 50, 60, 2, 2);
	assert_true(address_map_cut(&map));
	const struct address_piece *gap = address_map_find_piece(&map, 35);
	assert_non_null(gap);
	assert_int_equal(gap->value, ADDRESS_MAP_NONE);
	assert_int_equal(gap->start, 20);
	address_map_release(&map);
}

static void ranges_up_to_the_last_address_are_kept(void **state)
{
	struct address_map map = {0};
	(void)state;
	add(&map, 0, UINT64_MAX, 1, 1);
	add(&map, UINT64_MAX - 1, UINT64_MAX, 2, 2);
	assert_true(address_map_cut(&map));
	assert_int_equal(address_map_find(&map, 0), 1);
	assert_int_equal(address_map_find(&map, UINT64_MAX - 1), 2);
	address_map_release(&map);
}

static void any_ranges_are_cut_as_by_hand(void **state)
{
	enum { RANGES = 60, ADDRESSES = 200 };
	(void)state;
	srand(1);
	for (unsigned round = 0; round < 200; round++) {
		struct address_map map = {0};
		uint32_t owner[ADDRESSES];
		for (uint32_t at = 0; at < ADDRESSES; at++)
			owner[at] = ADDRESS_MAP_NONE;
		for (uint32_t rank = 0; rank < RANGES; rank++) {
			uint64_t start = (uint64_t)(rand() % ADDRESSES);
			uint64_t end = start + (uint64_t)(rand() % 40);
			add(&map, start, end, rank, rank);
			for (uint64_t at = start; at < end && at < ADDRESSES; at++)
				owner[at] = rank;
		}
		assert_true(address_map_cut(&map));
		for (uint32_t at = 0; at < ADDRESSES; at++)
			assert_int_equal(address_map_find(&map, at), owner[at]);
		address_map_release(&map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_owns_nothing),
		cmocka_unit_test(the_higher_rank_owns_an_address),
		cmocka_unit_test(a_gap_starts_where_the_range_before_it_ends),
		cmocka_unit_test(ranges_up_to_the_last_address_are_kept),
		cmocka_unit_test(any_ranges_are_cut_as_by_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
