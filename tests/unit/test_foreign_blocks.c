/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "libtrack/preload/foreign_blocks.h"

static const void *block_at(uintptr_t number)
{
	return (const void *)(0x10000 + number * 16); /* never looked into */
}

static void count_one(void *context, void *block)
{
	assert_non_null(block);
	++*(uint32_t *)context;
}

static uint32_t count_all(void)
{
	uint32_t count = 0;
	foreign_blocks_each(count_one, &count);
	return count;
}

static void a_foreign_block_is_known_once(void **state)
{
	(void)state;
	assert_false(foreign_blocks_remove(block_at(1)));
	foreign_blocks_add(block_at(1));
	assert_false(foreign_blocks_remove(block_at(2)));
	assert_true(foreign_blocks_remove(block_at(1)));
	assert_false(foreign_blocks_remove(block_at(1)));
	assert_int_equal(count_all(), 0);
}

static void a_full_table_forgets_and_empties_again(void **state)
{
	uint32_t known = 0;
	(void)state;
	for (uintptr_t i = 0; i < 20000; i++)
		foreign_blocks_add(block_at(i));
	uint32_t count = count_all();
	assert_true(count > 2000 && count <= 4096);
	for (uintptr_t i = 0; i < 20000; i++)
		known += foreign_blocks_remove(block_at(i));
	assert_int_equal(known, count);
	assert_int_equal(count_all(), 0);
}

static void *add_and_remove(void *first)
{
	uintptr_t failures = 0;
	for (int round = 0; round < 2000; round++) {
		for (uintptr_t i = 0; i < 10; i++)
			foreign_blocks_add(block_at((uintptr_t)first + i));
		for (uintptr_t i = 0; i < 10; i++)
			failures += !foreign_blocks_remove(block_at((uintptr_t)first + i));
	}
	return (void *)failures;
}

static void threads_do_not_lose_each_others_blocks(void **state)
{
	pthread_t threads[4];
	(void)state;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, add_and_remove, (void *)(i * 1000)), 0);
	for (size_t i = 0; i < 4; i++) {
		void *failures;
		assert_int_equal(pthread_join(threads[i], &failures), 0);
		assert_null(failures);
	}
	assert_int_equal(count_all(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_foreign_block_is_known_once),
		cmocka_unit_test(a_full_table_forgets_and_empties_again),
		cmocka_unit_test(threads_do_not_lose_each_others_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
