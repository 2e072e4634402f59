/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "common/log/leak_marks.h"

static const struct leak_mark marks[] = {
	{.stack = 7,
	 .thread = 1,
	 .allocation_kind = ALLOCATION_CALLOC,
	 .leak_kind = LEAK_DEFINITE,
	 .blocks = 3,
	 .bytes = 300,
	 .indirect_bytes = 40,
	 .oldest_us = 1000,
	 .newest_us = 5000000},
	{.stack = 1u << 27,
	 .leak_kind = LEAK_POSSIBLE,
	 .blocks = 1,
	 .bytes = 1ull << 40,
	 .holder = (char *)"the data of libc.so.6"},
};

static void encode(struct buffer *payload)
{
	struct leak_marks all = {.flags = LEAK_SCAN_ON_REQUEST};
	for (size_t i = 0; i < 2; i++)
		assert_true(leak_marks_add(&all, &marks[i]));
	leak_marks_encode(&all, payload);
	leak_marks_release(&all);
}

static void gives_back_what_was_encoded(void **state)
{
	(void)state;
	struct buffer payload = {0};
	struct leak_marks decoded = {0};
	encode(&payload);
	struct byte_reader reader = byte_reader_over(payload.bytes, payload.size_bytes);
	assert_true(leak_marks_decode(&decoded, &reader));
	assert_int_equal(decoded.flags, LEAK_SCAN_ON_REQUEST);
	assert_int_equal(decoded.count, 2);
	assert_int_equal(decoded.items[0].newest_us, 5000000);
	assert_int_equal(decoded.items[0].indirect_bytes, 40);
	assert_null(decoded.items[0].holder);
	assert_int_equal(decoded.items[1].stack, 1u << 27);
	assert_int_equal(decoded.items[1].bytes, 1ull << 40);
	assert_string_equal(decoded.items[1].holder, "the data of libc.so.6");
	leak_marks_release(&decoded);
	buffer_release(&payload);
}

static void refuses_a_payload_cut_inside_a_mark(void **state)
{
	(void)state;
	struct buffer payload = {0};
	encode(&payload);
	size_t whole = 0;
	for (size_t cut = 1; cut < payload.size_bytes; cut++) {
		struct leak_marks decoded = {0};
		struct byte_reader reader = byte_reader_over(payload.bytes, cut);
		whole += leak_marks_decode(&decoded, &reader);
		leak_marks_release(&decoded);
	}
	assert_int_equal(whole, 2); /* after the flags and after the first mark */
	buffer_release(&payload);
}

static void refuses_a_kind_that_does_not_exist(void **state)
{
	(void)state;
	struct leak_mark bad = marks[0];
	struct leak_marks all = {0};
	struct buffer payload = {0};
	bad.leak_kind = LEAK_UNCLASSIFIED;
	assert_true(leak_marks_add(&all, &bad));
	leak_marks_encode(&all, &payload);
	struct leak_marks decoded = {0};
	struct byte_reader reader = byte_reader_over(payload.bytes, payload.size_bytes);
	assert_false(leak_marks_decode(&decoded, &reader));
	leak_marks_release(&decoded);
	leak_marks_release(&all);
	buffer_release(&payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_what_was_encoded),
		cmocka_unit_test(refuses_a_payload_cut_inside_a_mark),
		cmocka_unit_test(refuses_a_kind_that_does_not_exist),
	};
	return cmocka_run_group_tests_name("leak_marks", tests, NULL, NULL);
}
