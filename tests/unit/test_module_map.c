/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "common/format.h"
#include "common/log/module_map.h"

static int add(struct module_map *map, uint32_t id, uint64_t start, uint64_t end)
{
	return module_map_add(map,
			      &(struct mapped_module){
				      .tracker_id = id, .start = start, .end = end, .bias = start});
}

static uint32_t index_at(const struct module_map *map, uint64_t address)
{
	const struct mapped_module *module = module_map_find(map, address);
	return module ? module->index : 0;
}

static void an_address_is_in_the_module_that_covers_it(void **state)
{
	struct module_map map = {0};
	(void)state;
	assert_int_equal(index_at(&map, 0x1000), 0);
	assert_int_equal(add(&map, 1, 0x3000, 0x4000), 1);
	assert_int_equal(add(&map, 2, 0x1000, 0x2000), 2);
	assert_int_equal(index_at(&map, 0xfff), 0);
	assert_int_equal(index_at(&map, 0x1000), 2);
	assert_int_equal(index_at(&map, 0x1fff), 2);
	assert_int_equal(index_at(&map, 0x2000), 0);
	assert_int_equal(index_at(&map, 0x3fff), 1);
	assert_int_equal(index_at(&map, UINT64_MAX), 0);
	module_map_release(&map);
}

static void what_a_new_module_overlaps_is_gone(void **state)
{
	struct module_map map = {0};
	(void)state;
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(add(&map, i, i * 0x1000, (i + 1) * 0x1000), i);
	assert_int_equal(add(&map, 6, 0x2800, 0x4800), 6);
	assert_int_equal(index_at(&map, 0x1800), 1);
	assert_int_equal(index_at(&map, 0x2400), 0);
	assert_int_equal(index_at(&map, 0x3000), 6);
	assert_int_equal(index_at(&map, 0x4900), 0);
	assert_int_equal(index_at(&map, 0x5000), 5);
	assert_int_equal(module_map_remove(&map, 3), 0);
	module_map_release(&map);
}

static void two_threads_that_announce_one_module_make_one(void **state)
{
	struct module_map map = {0};
	(void)state;
	assert_int_equal(add(&map, 1, 0x1000, 0x2000), 1);
	assert_int_equal(add(&map, 2, 0x1000, 0x2000), 0);
	assert_int_equal(map.count, 1);
	assert_int_equal(index_at(&map, 0x1000), 1);
	module_map_release(&map);
}

static void a_module_loaded_again_is_a_new_one(void **state)
{
	struct module_map map = {0};
	(void)state;
	assert_int_equal(add(&map, 1, 0x1000, 0x2000), 1);
	assert_int_equal(module_map_remove(&map, 1), 1);
	assert_int_equal(index_at(&map, 0x1000), 0);
	assert_int_equal(module_map_remove(&map, 1), 0);
	assert_int_equal(add(&map, 2, 0x1000, 0x2000), 2);
	module_map_release(&map);
}

static void indexes_of_a_log_are_kept(void **state)
{
	struct module_map map = {0};
	const struct mapped_module module = {.start = 1, .end = 2, .index = 7, .tracker_id = 9};
	(void)state;
	assert_int_equal(module_map_add(&map, &module), 7);
	assert_int_equal(add(&map, 10, 0x1000, 0x2000), 8);
	module_map_release(&map);
}

/* A program that loads plug-ins for months: their frames are in no module in the end. */
static void modules_beyond_the_limit_are_not_told_apart(void **state)
{
	struct module_map map = {0};
	(void)state;
	for (uint32_t i = 1; i <= LIMIT_MODULES; i++)
		assert_int_equal(add(&map, i, 0x1000, 0x2000 + i), i);
	assert_int_equal(add(&map, LIMIT_MODULES + 1, 0x1000, 0x9000), 0);
	assert_int_equal(index_at(&map, 0x1000), 0); /* the one before is gone all the same */
	module_map_release(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_in_the_module_that_covers_it),
		cmocka_unit_test(what_a_new_module_overlaps_is_gone),
		cmocka_unit_test(two_threads_that_announce_one_module_make_one),
		cmocka_unit_test(a_module_loaded_again_is_a_new_one),
		cmocka_unit_test(indexes_of_a_log_are_kept),
		cmocka_unit_test(modules_beyond_the_limit_are_not_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
