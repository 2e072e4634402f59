/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader/string_table.h"

static void a_text_has_one_number(void **state)
{
	struct string_table table;
	(void)state;
	assert_true(string_table_init(&table));
	assert_int_equal(string_table_add(&table, "", 0), 0);
	uint32_t number = string_table_add(&table, "main", 4);
	assert_int_equal(string_table_add(&table, "main", 4), number);
	assert_int_not_equal(string_table_add(&table, "mai", 3), number);
	assert_int_equal(string_table_add(&table, "main.c", 4), number); /* its length counts */
	assert_string_equal(string_table_text(&table, number), "main");
	assert_string_equal(string_table_text(&table, 4711), "");
	assert_string_equal(string_table_text(&table, STRING_NONE), "");
	string_table_release(&table);
}

static void texts_stay_where_they_are_when_the_table_grows(void **state)
{
	struct string_table table;
	static const char *texts[20000];
	char text[32];
	(void)state;
	assert_true(string_table_init(&table));
	for (int i = 0; i < 20000; i++) {
		int length = snprintf(text, sizeof(text), "function_%d", i);
		uint32_t number = string_table_add(&table, text, (size_t)length);
		assert_int_equal(number, i + 1);
		texts[i] = string_table_text(&table, number);
	}
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "function_%d", i);
		assert_ptr_equal(string_table_text(&table, (uint32_t)i + 1), texts[i]);
		assert_string_equal(texts[i], text);
	}
	string_table_release(&table);
}

static void a_text_larger_than_a_page_has_its_place(void **state)
{
	struct string_table table;
	size_t length = 3u << 20;
	char *text = malloc(length);
	(void)state;
	assert_non_null(text);
	memset(text, 'x', length);
	assert_true(string_table_init(&table));
	uint32_t before = string_table_add(&table, "before", 6);
	uint32_t number = string_table_add(&table, text, length);
	uint32_t after = string_table_add(&table, "after", 5);
	assert_int_equal(strlen(string_table_text(&table, number)), length);
	assert_string_equal(string_table_text(&table, before), "before");
	assert_string_equal(string_table_text(&table, after), "after");
	string_table_release(&table);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_has_one_number),
		cmocka_unit_test(texts_stay_where_they_are_when_the_table_grows),
		cmocka_unit_test(a_text_larger_than_a_page_has_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
