/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "reader/address_set.h"

static void an_empty_set_has_nothing(void **state)
{
	struct address_set set;
	(void)state;
	assert_true(address_set_init(&set, NULL, 0));
	assert_int_equal(address_set_find(&set, 0), 0);
	assert_int_equal(address_set_find(&set, UINT64_MAX), 0);
	assert_false(address_set_has(&set, 0));
	address_set_release(&set);
}

static void addresses_are_found_once_each_and_in_order(void **state)
{
	static const uint64_t addresses[] = {UINT64_MAX, 30, 10, 30, 20};
	struct address_set set;
	(void)state;
	assert_true(address_set_init(&set, addresses, 5));
	assert_int_equal(set.count, 4);
	assert_int_equal(address_set_find(&set, 0), 0);
	assert_int_equal(address_set_find(&set, 10), 0);
	assert_int_equal(address_set_find(&set, 11), 1);
	assert_int_equal(address_set_find(&set, 30), 2);
	assert_int_equal(address_set_find(&set, 31), 3);
	assert_int_equal(address_set_find(&set, UINT64_MAX), 3);
	assert_true(address_set_has(&set, UINT64_MAX));
	assert_true(address_set_has(&set, 20));
	assert_false(address_set_has(&set, 21));
	address_set_release(&set);
}

static void every_address_finds_the_next_one(void **state)
{
	static const uint64_t spreads[] = {500, 60000, 50000000};
	(void)state;
	srand(1);
	for (size_t spread = 0; spread < 3; spread++) {
		uint64_t addresses[300];
		struct address_set set;
		for (size_t i = 0; i < 300; i++)
			addresses[i] = 4096 + (uint64_t)rand() % spreads[spread];
		assert_true(address_set_init(&set, addresses, 300));
		for (size_t i = 0; i < 20000; i++) {
			uint64_t address = 4000 + (uint64_t)rand() % (spreads[spread] + 200);
			size_t at = address_set_find(&set, address);
			assert_true(at == set.count || set.addresses[at] >= address);
			assert_true(at == 0 || set.addresses[at - 1] < address);
		}
		address_set_release(&set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_set_has_nothing),
		cmocka_unit_test(addresses_are_found_once_each_and_in_order),
		cmocka_unit_test(every_address_finds_the_next_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
