/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "libtrack/collector/leak_groups.h"

static void marks_of_one_group_are_joined(void **state)
{
	(void)state;
	static const uint32_t stacks[] = {5, 9, 5, 7, 9, 5};
	struct leak_marks all = {0};
	for (uint32_t i = 0; i < 6; i++) {
		const struct leak_mark mark = {
			.stack = stacks[i],
			.leak_kind = i == 5 ? LEAK_POSSIBLE : LEAK_DEFINITE,
			.blocks = 1,
			.bytes = 1u << i,
			.indirect_bytes = i,
			.oldest_us = 100 - i,
			.newest_us = 100 + i,
			.holder = (char *)(i == 0 ? "first" : "other"),
		};
		assert_true(leak_marks_add(&all, &mark));
	}
	assert_true(leak_groups_join(&all));
	assert_int_equal(all.count, 4);
	assert_int_equal(all.items[0].bytes, 1 + 4);
	assert_int_equal(all.items[0].blocks, 2);
	assert_int_equal(all.items[0].indirect_bytes, 2);
	assert_int_equal(all.items[0].oldest_us, 98);
	assert_int_equal(all.items[0].newest_us, 102);
	assert_string_equal(all.items[0].holder, "first");
	assert_int_equal(all.items[1].bytes, 2 + 16);
	assert_int_equal(all.items[2].bytes, 8);
	assert_int_equal(all.items[3].bytes, 32);
	leak_marks_release(&all);
	assert_true(leak_groups_join(&all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_of_one_group_are_joined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
