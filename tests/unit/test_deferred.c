/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "common/deferred.h"

static void times_are_exact_at_first_and_never_ahead(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < 262144; us += 64)
		assert_int_equal(deferred_time_decode(deferred_time_encode(us)), us);
	for (uint64_t us = 1; us < 1ull << 50; us += us / 3 + 1) {
		uint64_t told = deferred_time_decode(deferred_time_encode(us));
		if (us < 1ull << 48) {
			/* Rounded down by a unit, or by one of 4096 parts. */
			assert_true(told <= us);
			assert_true(us - told <= us / 4096 + 64);
		}
	}
}

static void later_times_have_larger_codes(void **state)
{
	(void)state;
	uint64_t last = 0;
	for (uint64_t us = 0; us < 1ull << 50; us += us / 5000 + 7) {
		uint64_t code = deferred_time_encode(us);
		assert_true(code >= last);
		assert_true(code < 1ull << (64 - DEFERRED_TIME_SHIFT));
		last = code;
	}
}

static void a_slot_tells_what_was_put_into_it(void **state)
{
	(void)state;
	static const uint64_t sizes[] = {0, 1, 24, 4096, DEFERRED_SIZE_MAX};
	static const uint32_t stacks[] = {1, 77, DEFERRED_STACKS_MAX};
	for (size_t i = 0; i < 5 * 3 * ALLOCATION_KIND_COUNT; i++) {
		uint64_t size = sizes[i % 5];
		uint32_t stack = stacks[i / 5 % 3];
		unsigned kind = (unsigned)(i / 15);
		uint64_t slot = deferred_slot_make(0x7f1234567890, 5, size, kind, stack);
		assert_int_not_equal(slot, 0);
		assert_int_equal(deferred_slot_time_us(slot), 5 * 64);
		assert_int_equal(deferred_slot_size(slot), size);
		assert_int_equal(deferred_slot_kind(slot), kind);
		assert_int_equal(deferred_slot_stack(slot), stack);
	}
}

static void neighbours_that_malloc_gives_have_slots_of_their_own(void **state)
{
	(void)state;
	const uint64_t first = 0x7f1230000000;
	for (uint64_t address = first + 16; address < first + 65536; address += 16) {
		uint64_t slot = deferred_slot_make(address, 1, 24, 0, 1);
		uint32_t index = deferred_slot_index(address);
		assert_int_equal(deferred_slot_address(first, index, slot), address);
		assert_int_not_equal(index, deferred_slot_index(address + 32));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_exact_at_first_and_never_ahead),
		cmocka_unit_test(later_times_have_larger_codes),
		cmocka_unit_test(a_slot_tells_what_was_put_into_it),
		cmocka_unit_test(neighbours_that_malloc_gives_have_slots_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
