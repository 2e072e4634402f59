/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/log/block_map.h"

#define PAGES 64u

static struct {
	uint64_t *list[PAGES];
	uint32_t count;
	uint32_t limit;
} pages;

static uint64_t *take_page(void *context, uint64_t image_serial, uint32_t first_slot)
{
	(void)context;
	assert_int_equal(image_serial, 77);
	assert_int_equal(first_slot, pages.count * BLOCK_MAP_PAGE_SLOTS);
	if (pages.count == pages.limit)
		return NULL;
	return pages.list[pages.count++] = calloc(BLOCK_MAP_PAGE_SLOTS, sizeof(uint64_t));
}

static const struct block_map_pages source = {.take = take_page};

static int set_up(void **state)
{
	static struct block_map map;
	pages.count = 0;
	pages.limit = PAGES;
	assert_true(block_map_init(&map, &source, 77));
	*state = &map;
	return 0;
}

static int tear_down(void **state)
{
	block_map_release(*state);
	for (uint32_t i = 0; i < pages.count; i++)
		free(pages.list[i]);
	return 0;
}

static void a_block_is_found_by_its_address_alone(void **state)
{
	struct block_map *map = *state;
	assert_int_equal(block_map_find(map, 0x1000), BLOCK_MAP_NONE);
	assert_true(block_map_add(map, 0x1000, 0));
	assert_true(block_map_add(map, 0x1010, 1));
	assert_int_equal(block_map_find(map, 0x1000), 0);
	assert_int_equal(block_map_find(map, 0x1010), 1);
	assert_int_equal(block_map_find(map, 0x1001), BLOCK_MAP_NONE);
	assert_int_equal(block_map_address(map, 1), 0x1010);
	assert_int_equal(block_map_remove(map, 0x1000), 0);
	assert_int_equal(block_map_remove(map, 0x1000), BLOCK_MAP_NONE);
	assert_int_equal(block_map_find(map, 0x1010), 1);
	assert_int_equal(map->count, 1);
}

/* Removals move entries back: all others must still be found, whatever their order. */
static void random_blocks_come_and_go(void **state)
{
	struct block_map *map = *state;
	static uint64_t address_of[4000];
	static bool is_live[4000];
	uint32_t seed = 3;
	uint32_t live = 0;
	for (uint32_t i = 0; i < 200000; i++) {
		seed = seed * 1664525u + 1013904223u;
		uint32_t slot = (seed >> 8) % 4000;
		if (is_live[slot]) {
			assert_int_equal(block_map_remove(map, address_of[slot]), slot);
			is_live[slot] = false;
			live--;
			continue;
		}
		/* Slots have pages in order. */
		while (pages.count * BLOCK_MAP_PAGE_SLOTS <= slot)
			assert_true(block_map_take_page(map, pages.count * BLOCK_MAP_PAGE_SLOTS));
		address_of[slot] = 0x1000 + (uint64_t)i * 16;
		assert_true(block_map_add(map, address_of[slot], slot));
		is_live[slot] = true;
		live++;
	}
	assert_int_equal(map->count, live);
	for (uint32_t slot = 0; slot < 4000; slot++)
		if (address_of[slot])
			assert_int_equal(block_map_find(map, address_of[slot]),
					 is_live[slot] ? slot : BLOCK_MAP_NONE);
}

static void addresses_of_one_hash_are_told_apart(void **state)
{
	struct block_map *map = *state;
	uint64_t first = 16;
	uint64_t second = 0;
	/* The multiplier is odd: hashes repeat where the upper half of the product does. */
	for (uint64_t address = 32; !second && address < 16u << 22; address += 16)
		if (block_map_hash(address) >> 12 == block_map_hash(first) >> 12)
			second = address;
	assert_true(second);
	assert_true(block_map_add(map, first, 0));
	assert_true(block_map_add(map, second, 1));
	assert_int_equal(block_map_find(map, second), 1);
	assert_int_equal(block_map_remove(map, first), 0);
	assert_int_equal(block_map_find(map, second), 1);
}

static void without_a_page_nothing_is_added(void **state)
{
	struct block_map *map = *state;
	pages.limit = 1;
	for (uint32_t slot = 0; slot < BLOCK_MAP_PAGE_SLOTS; slot++)
		assert_true(block_map_add(map, 0x1000 + slot * 16, slot));
	assert_false(block_map_add(map, 0x900000, BLOCK_MAP_PAGE_SLOTS));
	assert_int_equal(block_map_find(map, 0x900000), BLOCK_MAP_NONE);
	assert_int_equal(map->count, BLOCK_MAP_PAGE_SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_block_is_found_by_its_address_alone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(random_blocks_come_and_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(addresses_of_one_hash_are_told_apart, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(without_a_page_nothing_is_added, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
