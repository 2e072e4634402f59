/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "common/size.h"

static void reads_numbers_with_units_of_either_case(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{"0", 0},
		{"4096", 4096},
		{"1k", 1024},
		{"512K", 512 << 10},
		{"3m", 3 << 20},
		{"2G", 2ull << 30},
		{"1.5M", 3 << 19},
		{"0.5k", 512},
		{"9007199254740992", 1ull << 53},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t bytes = 1;
		assert_true(size_parse(sizes[i].text, &bytes));
		assert_int_equal(bytes, sizes[i].bytes);
	}
}

static void refuses_what_is_no_size(void **state)
{
	static const char *const texts[] = {"",      "k",        "-1",  "1kk", "1 k", "1x",
					    "0x10",  "inf",      "1e3", ".5k", "1.",  "1.k",
					    "1.2.3", "9999999G", "1+",  "1\n", "1.5"};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint64_t bytes = 77;
		assert_false(size_parse(texts[i], &bytes));
		assert_int_equal(bytes, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_numbers_with_units_of_either_case),
		cmocka_unit_test(refuses_what_is_no_size),
	};
	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
