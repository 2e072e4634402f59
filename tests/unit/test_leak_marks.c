/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "common/log/leak_marks.h"

static const struct leak_step steps[] = {{.bytes = 64, .stack = 3}, {.bytes = 1, .stack = 9}};

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
	 .holder = (char *)"the data of libc.so.6",
	 .steps = (struct leak_step *)steps,
	 .step_count = 2,
	 .skipped_steps = 5},
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
	assert_int_equal(decoded.items[0].step_count, 0);
	assert_int_equal(decoded.items[1].step_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(decoded.items[1].steps[i].bytes, steps[i].bytes);
		assert_int_equal(decoded.items[1].steps[i].stack, steps[i].stack);
	}
	assert_int_equal(decoded.items[1].skipped_steps, 5);
	assert_null(decoded.suppressions);
	leak_marks_release(&decoded);
	buffer_release(&payload);
}

static void gives_back_the_text_of_suppressions(void **state)
{
	(void)state;
	struct leak_marks all = {.flags = LEAK_SCAN_TURNED_OFF,
				 .suppressions = (char *)"leak:this"};
	struct leak_marks decoded = {0};
	struct buffer payload = {0};
	leak_marks_encode(&all, &payload);
	struct byte_reader reader = byte_reader_over(payload.bytes, payload.size_bytes);
	assert_true(leak_marks_decode(&decoded, &reader));
	assert_int_equal(decoded.flags, LEAK_SCAN_TURNED_OFF);
	assert_string_equal(decoded.suppressions, "leak:this");
	assert_int_equal(decoded.count, 0);
	leak_marks_release(&decoded);
	buffer_release(&payload);
}

static void gives_back_the_sums_of_what_was_left_out(void **state)
{
	(void)state;
	struct buffer payload = {0};
	struct leak_marks decoded = {0};
	struct leak_marks all = {
		.flags = LEAK_SCAN_HAS_SUMS,
		.left_out = {[LEAK_POSSIBLE] = {3, 1ull << 50}, [LEAK_REACHABLE] = {1, 0}},
	};
	assert_true(leak_marks_add(&all, &marks[0]));
	leak_marks_encode(&all, &payload);
	struct byte_reader reader = byte_reader_over(payload.bytes, payload.size_bytes);
	assert_true(leak_marks_decode(&decoded, &reader));
	assert_true(decoded.flags & LEAK_SCAN_HAS_SUMS);
	assert_memory_equal(decoded.left_out, all.left_out, sizeof(all.left_out));
	assert_int_equal(decoded.count, 1);
	assert_int_equal(decoded.items[0].bytes, 300);
	leak_marks_release(&decoded);
	leak_marks_release(&all);
	buffer_release(&payload);
}

/* As they were written before there were paths. */
static void reads_marks_without_paths(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {4, 7, 1, 0, 0, 3, 100, 0, 10, 5, 2, 'a', 'b'};
	struct leak_marks decoded = {0};
	struct byte_reader reader = byte_reader_over(bytes, sizeof(bytes));
	assert_true(leak_marks_decode(&decoded, &reader));
	assert_int_equal(decoded.count, 1);
	assert_int_equal(decoded.items[0].bytes, 100);
	assert_int_equal(decoded.items[0].step_count, 0);
	assert_string_equal(decoded.items[0].holder, "ab");
	leak_marks_release(&decoded);
}

static void refuses_a_path_that_is_too_long(void **state)
{
	(void)state;
	static const uint8_t bytes[] = {32, 7, 1, 0, 0, 3, 100, 0, 10, 5, 0, LEAK_STEPS_MAX + 1, 0};
	struct leak_marks decoded = {0};
	struct byte_reader reader = byte_reader_over(bytes, sizeof(bytes));
	assert_false(leak_marks_decode(&decoded, &reader));
	leak_marks_release(&decoded);
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
		cmocka_unit_test(gives_back_the_text_of_suppressions),
		cmocka_unit_test(gives_back_the_sums_of_what_was_left_out),
		cmocka_unit_test(reads_marks_without_paths),
		cmocka_unit_test(refuses_a_path_that_is_too_long),
		cmocka_unit_test(refuses_a_payload_cut_inside_a_mark),
		cmocka_unit_test(refuses_a_kind_that_does_not_exist),
	};
	return cmocka_run_group_tests_name("leak_marks", tests, NULL, NULL);
}
