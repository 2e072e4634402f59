/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a baseline calls known, grown and new. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporters/leak_baseline.h"
#include "tests/support/leak_sample.h"

static const struct leak_limits limits = {.fail_on = 1u << LEAK_DEFINITE | 1u << LEAK_POSSIBLE};

static const struct sample_frame load_12[] = {{"load", "/src/load.c", 12, NULL},
					      {"main", "/src/main.c", 5, NULL},
					      {"__libc_start_call_main", NULL, 0, "/lib/libc.so.6"},
					      {0}};
static const struct sample_frame load_99[] = {
	{"load", "/src/moved.c", 99, NULL}, {"main", "/src/main.c", 50, NULL}, {0}};
static const struct sample_frame nameless[] = {{"libx.so+0x123", NULL, 0, "/usr/lib/libx.so"},
					       {"libx.so+0x456", NULL, 0, "/usr/lib/libx.so"},
					       {"0x7f0012", NULL, 0, ""},
					       {"main", NULL, 0, NULL},
					       {0}};
static const struct sample_frame nameless_again[] = {{"libx.so+0xabc", NULL, 0, "/opt/libx.so"},
						     {"0x5512", NULL, 0, ""},
						     {"main", NULL, 0, NULL},
						     {0}};
static const struct sample_frame other[] = {{"store", NULL, 0, NULL}, {"main", NULL, 0, NULL}, {0}};

struct case_leak {
	const struct sample_frame *stack;
	enum leak_kind kind;
	uint64_t bytes;
	uint64_t blocks;
};

struct made {
	struct leak_sample sample;
	struct leak_list list;
};

static void make(struct made *made, const struct case_leak *leaks)
{
	struct mt_error error;
	leak_sample_init(&made->sample);
	for (; leaks->stack; leaks++)
		leak_sample_mark(&made->sample, leak_sample_stack(&made->sample, leaks->stack),
				 leaks->kind, leaks->bytes, leaks->blocks);
	assert_int_equal(leak_list_gather(&made->list, &made->sample.profile, &error), MT_OK);
}

static void unmake(struct made *made)
{
	leak_list_release(&made->list);
	leak_sample_release(&made->sample);
}

static char *write_over(const struct leak_baseline *before, const struct case_leak *leaks)
{
	struct made made;
	struct mt_error error;
	char *text = NULL;
	size_t size = 0;
	FILE *output = open_memstream(&text, &size);
	assert_non_null(output);
	make(&made, leaks);
	assert_int_equal(leak_baseline_write(before, &made.list, &limits, output, &error), MT_OK);
	assert_int_equal(fclose(output), 0);
	unmake(&made);
	return text;
}

static char *write_baseline(const struct case_leak *leaks)
{
	return write_over(&(const struct leak_baseline){0}, leaks);
}

/* The novelties of the leaks of now, the largest leak first: 'n', 'g', 'k', '-'. */
static void compare(const struct case_leak *before, const struct case_leak *now,
		    const char *expected, size_t expected_gone)
{
	struct made made;
	struct leak_baseline baseline;
	struct mt_error error = {0};
	char *text = write_baseline(before);
	char found[16] = "";
	size_t gone = 0;
	assert_int_equal(leak_baseline_parse(&baseline, text, strlen(text), "file", &error), MT_OK);
	make(&made, now);
	assert_int_equal(leak_baseline_compare(&baseline, &made.list, &limits, &gone, &error),
			 MT_OK);
	for (size_t i = 0; i < made.list.count; i++)
		found[i] = "-ngk"[made.list.items[i].novelty];
	assert_string_equal(found, expected);
	assert_int_equal(gone, expected_gone);
	leak_baseline_release(&baseline);
	unmake(&made);
	free(text);
}

static void a_moved_line_and_other_addresses_change_nothing(void **state)
{
	(void)state;
	compare((const struct case_leak[]){{load_12, LEAK_DEFINITE, 100, 2},
					   {nameless, LEAK_DEFINITE, 50, 1},
					   {0}},
		(const struct case_leak[]){{load_99, LEAK_DEFINITE, 100, 2},
					   {nameless_again, LEAK_DEFINITE, 50, 1},
					   {0}},
		"kk", 0);
}

static void a_new_stack_trace_and_a_new_kind_are_new(void **state)
{
	(void)state;
	compare((const struct case_leak[]){{load_12, LEAK_DEFINITE, 100, 2}, {0}},
		(const struct case_leak[]){{load_12, LEAK_DEFINITE, 100, 2},
					   {other, LEAK_DEFINITE, 50, 1},
					   {load_12, LEAK_POSSIBLE, 40, 1},
					   {0}},
		"knn", 0);
}

static void more_bytes_or_blocks_have_grown_and_fewer_are_known(void **state)
{
	(void)state;
	compare((const struct case_leak[]){{load_12, LEAK_DEFINITE, 100, 2},
					   {other, LEAK_DEFINITE, 50, 1},
					   {0}},
		(const struct case_leak[]){
			{load_12, LEAK_DEFINITE, 101, 2}, {other, LEAK_DEFINITE, 50, 2}, {0}},
		"gg", 0);
	compare((const struct case_leak[]){{load_12, LEAK_DEFINITE, 100, 2}, {0}},
		(const struct case_leak[]){{load_12, LEAK_DEFINITE, 50, 1}, {0}}, "k", 0);
}

static void places_of_one_function_are_compared_together(void **state)
{
	(void)state;
	/* One place became two, with the same sum. */
	compare((const struct case_leak[]){{load_12, LEAK_DEFINITE, 100, 2}, {0}},
		(const struct case_leak[]){
			{load_12, LEAK_DEFINITE, 60, 1}, {load_99, LEAK_DEFINITE, 40, 1}, {0}},
		"kk", 0);
	/* A larger one came beside the known one: that one alone is new. */
	compare((const struct case_leak[]){{load_12, LEAK_DEFINITE, 100, 2}, {0}},
		(const struct case_leak[]){
			{load_99, LEAK_DEFINITE, 500, 1}, {load_12, LEAK_DEFINITE, 100, 2}, {0}},
		"nk", 0);
}

static void what_does_not_leak_any_more_is_gone(void **state)
{
	(void)state;
	compare((const struct case_leak[]){{load_12, LEAK_DEFINITE, 100, 2},
					   {other, LEAK_DEFINITE, 50, 1},
					   {0}},
		(const struct case_leak[]){{other, LEAK_DEFINITE, 50, 1}, {0}}, "k", 1);
}

static void kinds_that_do_not_count_are_neither_written_nor_compared(void **state)
{
	const struct case_leak leaks[] = {
		{load_12, LEAK_REACHABLE, 100, 2}, {other, LEAK_UNCLASSIFIED, 50, 1}, {0}};
	(void)state;
	char *text = write_baseline(leaks);
	assert_null(strstr(text, "load"));
	free(text);
	compare(leaks, leaks, "--", 0);
}

static void entries_of_kinds_that_do_not_count_are_not_gone_and_stay(void **state)
{
	static const char text[] =
		"{\"memtrace_baseline\": 1, \"leaks\": ["
		"{\"kind\": \"definite\", \"bytes\": 7, \"blocks\": 1, \"stack\": [\"gone\"]},"
		"{\"kind\": \"reachable\", \"bytes\": 9, \"blocks\": 2, \"stack\": [\"kept\"]}]}";
	const struct case_leak now[] = {{other, LEAK_DEFINITE, 50, 1}, {0}};
	struct leak_baseline baseline;
	struct made made;
	struct mt_error error;
	size_t gone = 0;
	(void)state;
	assert_int_equal(leak_baseline_parse(&baseline, text, strlen(text), "file", &error), MT_OK);
	make(&made, now);
	assert_int_equal(leak_baseline_compare(&baseline, &made.list, &limits, &gone, &error),
			 MT_OK);
	assert_int_equal(gone, 1);
	unmake(&made);
	char *written = write_over(&baseline, now);
	assert_null(strstr(written, "gone"));
	assert_non_null(strstr(written, "kept"));
	assert_non_null(strstr(written, "store"));
	leak_baseline_release(&baseline);
	assert_int_equal(leak_baseline_parse(&baseline, written, strlen(written), "file", &error),
			 MT_OK);
	assert_int_equal(baseline.count, 2);
	leak_baseline_release(&baseline);
	free(written);
}

static void mistakes_are_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"", "file:1: not JSON"},
		{"{\n\n x}", "file:3: not JSON"},
		{"[]", "no \"memtrace_baseline\""},
		{"{\"memtrace_baseline\": 2, \"leaks\": []}", "version"},
		{"{\"memtrace_baseline\": 1}", "no \"leaks\""},
		{"{\"memtrace_baseline\": 1, \"leaks\": [1]}", "without a kind"},
		{"{\"memtrace_baseline\": 1, \"leaks\": [{\"kind\": \"x\"}]}", "unknown kind"},
		{"{\"memtrace_baseline\": 1, \"leaks\": [{\"kind\": \"unclassified\"}]}",
		 "unknown kind"},
		{"{\"memtrace_baseline\": 1, \"leaks\": [{\"kind\": \"definite\", \"bytes\": -1}]}",
		 "without bytes"},
		{"{\"memtrace_baseline\": 1, \"leaks\": [{\"kind\": \"definite\", \"bytes\": 1, "
		 "\"blocks\": 1, \"stack\": [1]}]}",
		 "without a stack"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct leak_baseline baseline;
		struct mt_error error = {0};
		assert_int_equal(leak_baseline_parse(&baseline, cases[i].text,
						     strlen(cases[i].text), "file", &error),
				 MT_ERR_USAGE);
		if (!strstr(error.message, cases[i].says))
			fail_msg("case %zu: %s", i, error.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_moved_line_and_other_addresses_change_nothing),
		cmocka_unit_test(a_new_stack_trace_and_a_new_kind_are_new),
		cmocka_unit_test(more_bytes_or_blocks_have_grown_and_fewer_are_known),
		cmocka_unit_test(places_of_one_function_are_compared_together),
		cmocka_unit_test(what_does_not_leak_any_more_is_gone),
		cmocka_unit_test(kinds_that_do_not_count_are_neither_written_nor_compared),
		cmocka_unit_test(entries_of_kinds_that_do_not_count_are_not_gone_and_stay),
		cmocka_unit_test(mistakes_are_refused),
	};
	return cmocka_run_group_tests_name("leak_baseline", tests, NULL, NULL);
}
