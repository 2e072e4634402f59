/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which recordings pass, which fail, and of which nothing can be said; and the formats. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporters/leak_report.h"
#include "tests/support/leak_sample.h"

#define DEFINITE (1u << LEAK_DEFINITE)

static const struct sample_frame load[] = {
	{"load<&>", "/src/x/../a,b:c%.c", 12, NULL}, {"main", "/src/main.c", 5, NULL}, {0}};
static const struct sample_frame other[] = {
	{"bad\xff\x01name", NULL, 0, NULL}, {"main", NULL, 0, NULL}, {0}};

struct made {
	struct leak_sample sample;
	struct leak_list list;
	struct leak_verdict verdict;
	struct leak_limits limits;
};

static void judge(struct made *made)
{
	struct mt_error error;
	assert_int_equal(leak_list_gather(&made->list, &made->sample.profile, &error), MT_OK);
	assert_int_equal(leak_verdict_make(&made->verdict, &made->list, &made->limits, &error),
			 MT_OK);
}

static void unmake(struct made *made)
{
	leak_verdict_release(&made->verdict);
	leak_list_release(&made->list);
	leak_sample_release(&made->sample);
}

static void begin(struct made *made, unsigned fail_on)
{
	*made = (struct made){.limits.fail_on = fail_on};
	leak_sample_init(&made->sample);
}

static void add(struct made *made, enum leak_kind kind, uint64_t bytes)
{
	leak_sample_mark(&made->sample, leak_sample_stack(&made->sample, load), kind, bytes, 1);
}

/* The outcome with one leak of this kind. */
static enum leak_outcome outcome_of(struct leak_limits limits, enum leak_kind kind, uint64_t bytes)
{
	struct made made;
	begin(&made, 0);
	made.limits = limits;
	add(&made, kind, bytes);
	judge(&made);
	enum leak_outcome outcome = made.verdict.outcome;
	unmake(&made);
	return outcome;
}

static void only_the_kinds_that_were_named_fail(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < LEAK_UNCLASSIFIED; kind++) {
		for (unsigned fail_on = 0; fail_on < 16; fail_on++) {
			struct leak_limits limits = {.fail_on = fail_on};
			assert_int_equal(outcome_of(limits, (enum leak_kind)kind, 10),
					 fail_on & 1u << kind ? LEAKS_FAILED : LEAKS_PASSED);
		}
	}
}

static void a_leak_of_no_bytes_fails_too(void **state)
{
	(void)state;
	assert_int_equal(outcome_of((struct leak_limits){.fail_on = DEFINITE}, LEAK_DEFINITE, 0),
			 LEAKS_FAILED);
}

static void of_a_leak_that_has_grown_only_the_growth_counts(void **state)
{
	static const struct {
		uint64_t known_bytes;
		uint64_t known_blocks;
		const char *says;
	} cases[] = {
		{200, 2, "leaked 100 B in 1 block from"},
		{299, 3, "leaked 1 B in 1 block from"}, /* one of the blocks is larger */
		{400, 1, "leaked 0 B in 2 blocks from"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made made;
		struct mt_error error;
		begin(&made, DEFINITE);
		leak_sample_mark(&made.sample, leak_sample_stack(&made.sample, load), LEAK_DEFINITE,
				 300, 3);
		assert_int_equal(leak_list_gather(&made.list, &made.sample.profile, &error), MT_OK);
		made.list.items[0].novelty = LEAK_GROWN;
		made.list.items[0].known_bytes = cases[i].known_bytes;
		made.list.items[0].known_blocks = cases[i].known_blocks;
		assert_int_equal(leak_verdict_make(&made.verdict, &made.list, &made.limits, &error),
				 MT_OK);
		if (!strstr(made.verdict.findings[0].text, cases[i].says))
			fail_msg("%s", made.verdict.findings[0].text);
		unmake(&made);
	}
}

static void up_to_max_leaked_passes(void **state)
{
	struct leak_limits limits = {
		.fail_on = DEFINITE, .has_max_leaked = true, .max_leaked_bytes = 10};
	(void)state;
	assert_int_equal(outcome_of(limits, LEAK_DEFINITE, 10), LEAKS_PASSED);
	assert_int_equal(outcome_of(limits, LEAK_DEFINITE, 11), LEAKS_FAILED);
	assert_int_equal(outcome_of(limits, LEAK_UNCLASSIFIED, 10), LEAKS_PASSED);
	assert_int_equal(outcome_of(limits, LEAK_UNCLASSIFIED, 11), LEAKS_UNJUDGED);
}

static void unclassified_blocks_allow_no_verdict(void **state)
{
	struct made made;
	(void)state;
	begin(&made, DEFINITE);
	add(&made, LEAK_UNCLASSIFIED, 10);
	made.sample.images[0].has_leak_marks = false;
	judge(&made);
	assert_int_equal(made.verdict.outcome, LEAKS_UNJUDGED);
	assert_non_null(strstr(made.verdict.findings[0].text, "no leak scan was made"));
	unmake(&made);
	/* Without a limit on leaks none is needed. */
	assert_int_equal(outcome_of((struct leak_limits){0}, LEAK_UNCLASSIFIED, 10), LEAKS_PASSED);
}

static void a_passed_limit_counts_more_than_a_missing_verdict(void **state)
{
	struct made made;
	(void)state;
	begin(&made, DEFINITE);
	made.sample.log.info.loss = LOG_LOSS_COLLECTOR;
	add(&made, LEAK_DEFINITE, 10);
	judge(&made);
	assert_int_equal(made.verdict.outcome, LEAKS_FAILED);
	assert_int_equal(made.verdict.finding_count, 2);
	unmake(&made);
}

static void an_incomplete_or_sampled_recording_allows_no_verdict(void **state)
{
	struct made made;
	(void)state;
	begin(&made, DEFINITE);
	made.sample.log.info.has_end = false;
	judge(&made);
	assert_int_equal(made.verdict.outcome, LEAKS_UNJUDGED);
	unmake(&made);
	begin(&made, DEFINITE);
	made.sample.log.replay.largest_interval = 512;
	judge(&made);
	assert_int_equal(made.verdict.outcome, LEAKS_UNJUDGED);
	unmake(&made);
}

static void a_scan_on_request_says_nothing_of_the_end(void **state)
{
	struct made made;
	(void)state;
	begin(&made, DEFINITE);
	made.sample.images[0].leak_marks.flags = LEAK_SCAN_ON_REQUEST;
	made.sample.profile.log = &made.sample.log;
	static struct replay_image image = {.trie = {.node_count = 1}};
	struct replay_image *images[] = {&image};
	made.sample.log.replay.images = images;
	made.sample.log.replay.image_count = 1;
	judge(&made);
	assert_int_equal(made.verdict.outcome, LEAKS_UNJUDGED);
	unmake(&made);
}

/* The findings of a recording that `memtrace check` made, one a line. */
static void check_findings(struct made *made, const char *expected)
{
	char text[1024] = "";
	judge(made);
	for (size_t i = 0; i < made->verdict.finding_count; i++) {
		strcat(text, made->verdict.findings[i].text);
		strcat(text, "\n");
	}
	assert_string_equal(text, expected);
	assert_int_equal(made->verdict.outcome, *expected ? LEAKS_UNJUDGED : LEAKS_PASSED);
	unmake(made);
}

static void a_process_that_still_runs_allows_check_no_verdict(void **state)
{
	struct made made;
	(void)state;
	begin(&made, DEFINITE);
	made.sample.log.is_live = true;
	made.sample.images[0].has_ended = false;
	check_findings(&made, ""); /* `leaks` is asked for what is so far */
	begin(&made, DEFINITE);
	made.limits.expects_scans = true;
	made.sample.log.is_live = true;
	made.sample.images[0].pid = 7;
	made.sample.images[0].has_ended = false;
	check_findings(
		&made,
		"the recording is not complete: a process that the program left behind still runs\n"
		"no verdict on process 7 (prog): it still runs\n");
}

static void check_says_why_a_process_was_not_scanned(void **state)
{
	static const struct {
		uint32_t program_pid;
		int signal;
		const char *expected;
	} cases[] = {
		{7, 11, "no verdict on process 7 (prog): it was killed by signal 11 (SIGSEGV)\n"},
		{7, 0,
		 "no verdict on process 7 (prog): it ended without a leak scan, as after a raw "
		 "exit_group\n"},
		{6, 9,
		 "no verdict on process 7 (prog): it ended without a leak scan, as when it is "
		 "killed or after a raw exit_group\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct made made;
		begin(&made, DEFINITE);
		made.limits.expects_scans = true;
		made.sample.images[0].pid = 7;
		made.sample.images[0].has_ended = true;
		made.sample.images[0].has_leak_marks = false;
		made.sample.log.info.run.program_pid = cases[i].program_pid;
		made.sample.log.info.has_status = true;
		made.sample.log.info.exit_signal = cases[i].signal;
		add(&made, LEAK_UNCLASSIFIED, 10);
		check_findings(&made, cases[i].expected);
	}
}

static void budgets_on_peak_and_allocations_are_inclusive(void **state)
{
	static const struct {
		uint64_t peak;
		uint64_t allocations;
		enum leak_outcome outcome;
	} cases[] = {{100, 10, LEAKS_PASSED}, {101, 10, LEAKS_FAILED}, {100, 11, LEAKS_FAILED}};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct made made;
		begin(&made, DEFINITE);
		made.limits.has_max_peak = made.limits.has_max_allocations = true;
		made.limits.max_peak_bytes = 100;
		made.limits.max_allocations = 10;
		made.sample.profile.totals.peak_bytes = cases[i].peak;
		made.sample.profile.totals.allocations = cases[i].allocations;
		judge(&made);
		assert_int_equal(made.verdict.outcome, cases[i].outcome);
		unmake(&made);
	}
}

static char *print(struct made *made, const char *format, const char *root)
{
	struct suppressions suppressions = {0};
	struct leak_report report = {.list = &made->list,
				     .suppressions = &suppressions,
				     .limits = &made->limits,
				     .verdict = &made->verdict,
				     .root = root};
	struct mt_error error;
	char *text = NULL;
	size_t size = 0;
	FILE *output = open_memstream(&text, &size);
	const struct leak_format *row = leak_formats;
	while (strcmp(row->name, format) != 0)
		row++;
	assert_non_null(output);
	assert_int_equal(row->print(&report, output, &error), MT_OK);
	assert_int_equal(fclose(output), 0);
	return text;
}

static void check_format(const char *format, const char *const *expected)
{
	struct made made;
	begin(&made, DEFINITE);
	add(&made, LEAK_DEFINITE, 2048);
	leak_sample_mark(&made.sample, leak_sample_stack(&made.sample, other), LEAK_POSSIBLE, 7, 1);
	add(&made, LEAK_REACHABLE, 5);
	judge(&made);
	char *text = print(&made, format, "/src");
	for (; *expected; expected++) {
		bool is_absent = **expected == '!';
		if ((strstr(text, *expected + is_absent) != NULL) == is_absent)
			fail_msg("%s: %s\n%s", format, *expected, text);
	}
	free(text);
	unmake(&made);
}

static void text_names_kinds_and_the_verdict(void **state)
{
	(void)state;
	check_format("text", (const char *const[]){
				     "definitely lost: 2.0 KiB in 1 block from 1 stack trace",
				     "still reachable: 5 B", "    load<...> (/src/a,b:c%.c:12)",
				     "3.500 s old", "FAILED: leaked 2.0 KiB in 1 block from",
				     "!Passed", NULL});
}

static void only_of_what_is_known_text_says_that_all_was_freed(void **state)
{
	(void)state;
	for (int is_cut = 0; is_cut < 2; is_cut++) {
		struct made made;
		begin(&made, DEFINITE);
		made.sample.log.info.has_end = !is_cut;
		judge(&made);
		assert_int_equal(made.verdict.outcome, is_cut ? LEAKS_UNJUDGED : LEAKS_PASSED);
		char *text = print(&made, "text", "/src");
		assert_int_equal(strstr(text, "Everything that was allocated was freed") != NULL,
				 !is_cut);
		free(text);
		unmake(&made);
	}
}

static void what_was_only_counted_is_told_and_judged_by_no_one(void **state)
{
	(void)state;
	for (int fails = 0; fails < 2; fails++) {
		struct made made;
		begin(&made, fails ? 1u << LEAK_REACHABLE : DEFINITE);
		struct mt_error error;
		assert_int_equal(leak_list_gather(&made.list, &made.sample.profile, &error), MT_OK);
		made.list.left_out[LEAK_REACHABLE] = (struct leak_sum){
			.bytes = 2048, .blocks = 3, .counted_blocks = 3};
		assert_int_equal(leak_verdict_make(&made.verdict, &made.list, &made.limits, &error),
				 MT_OK);
		assert_int_equal(made.verdict.outcome, fails ? LEAKS_UNJUDGED : LEAKS_PASSED);
		char *text = print(&made, "text", "/src");
		assert_non_null(
			strstr(text, "still reachable: 2.0 KiB in 3 blocks, only counted\n"));
		assert_null(strstr(text, "Everything"));
		free(text);
		unmake(&made);
	}
}

static void text_folds_a_deep_recursion(void **state)
{
	static const struct sample_frame step = {"step", "/src/a.c", 2, NULL};
	struct made made;
	(void)state;
	for (uint32_t depth = 3; depth <= 5; depth++) {
		begin(&made, DEFINITE);
		uint32_t node = leak_sample_stack(
			&made.sample, (const struct sample_frame[]){step, load[1], {0}});
		uint32_t frame = made.sample.nodes[node].frame;
		for (uint32_t i = 1; i < depth; i++) {
			made.sample.nodes[made.sample.profile.node_count] = (struct profile_node){
				node, frame};
			node = made.sample.profile.node_count++;
		}
		leak_sample_mark(&made.sample, node, LEAK_DEFINITE, 10, 1);
		judge(&made);
		char *text = print(&made, "text", "/");
		static const char *const expected[] = {
			"    step (/src/a.c:2)\n    step (/src/a.c:2)\n    step (/src/a.c:2)\n    "
			"main",
			"    step (/src/a.c:2)\n    ... (3 more of it)\n    main",
			"    step (/src/a.c:2)\n    ... (4 more of it)\n    main",
		};
		if (!strstr(text, expected[depth - 3]))
			fail_msg("%s", text);
		free(text);
		unmake(&made);
	}
}

static void annotations_are_escaped_and_point_at_file_and_line(void **state)
{
	(void)state;
	check_format("github",
		     (const char *const[]){
			     "::error file=a%2Cb%3Ac%25.c,line=12,title=definitely lost memory::"
			     "definitely lost: 2.0 KiB in 1 block, allocated at%0A    load<&>",
			     "::warning title=possibly lost memory::",
			     "::error title=memtrace::leaked 2.0 KiB", "!still reachable", NULL});
}

static void junit_is_escaped_and_counts(void **state)
{
	(void)state;
	check_format("junit", (const char *const[]){"tests=\"3\" failures=\"2\" errors=\"0\"",
						    "name=\"load&lt;&amp;&gt;\"",
						    "file=\"a,b:c%.c\" line=\"12\"",
						    "<failure type=\"definite\"", "name=\"leaks\"",
						    "name=\"recording\"", "!possible", NULL});
}

static void sarif_has_a_result_for_each_leak_that_matters(void **state)
{
	(void)state;
	check_format("sarif",
		     (const char *const[]){"\"2.1.0\"", "\"ruleId\":\t\"definite-leak\"",
					   "\"level\":\t\"error\"", "\"uri\":\t\"a,b%3Ac%25.c\"",
					   "\"startLine\":\t12", "\"ruleId\":\t\"possible-leak\"",
					   "functionNames/v1", "!\"ruleId\":\t\"reachable-memory\"",
					   NULL});
}

static void json_has_every_kind_and_the_verdict(void **state)
{
	(void)state;
	check_format("json",
		     (const char *const[]){"\"outcome\":\t\"failed\"", "\"failed_bytes\":\t2048",
					   "\"kind\":\t\"reachable\"", "bad\xef\xbf\xbd", NULL});
}

/* The entries for one leak at a stack trace, the frames of which have these flags. */
static char *print_entries(const struct sample_frame *stack, uint32_t flags,
			   enum suppression_syntax syntax)
{
	struct made made;
	struct mt_error error;
	char *text = NULL;
	size_t size = 0;
	begin(&made, DEFINITE);
	leak_sample_mark(&made.sample, leak_sample_stack(&made.sample, stack), LEAK_DEFINITE, 9, 1);
	made.sample.frames[1].flags = flags; /* the outermost */
	judge(&made);
	struct leak_report report = {
		.list = &made.list, .limits = &made.limits, .verdict = &made.verdict, .root = "/"};
	FILE *output = open_memstream(&text, &size);
	assert_non_null(output);
	assert_int_equal(leaks_print_suppressions(&report, syntax, output, &error), MT_OK);
	assert_int_equal(fclose(output), 0);
	unmake(&made);
	return text;
}

static void check_entries(const struct sample_frame *stack, uint32_t flags, const char *lsan,
			  const char *valgrind)
{
	char *text = print_entries(stack, flags, SUPPRESSION_LSAN);
	if (strncmp(text, lsan, strlen(lsan)) != 0)
		fail_msg("%s", text);
	free(text);
	text = print_entries(stack, flags, SUPPRESSION_VALGRIND);
	if (!strstr(text, valgrind))
		fail_msg("%s", text);
	free(text);
}

static void no_printed_entry_hides_other_leaks(void **state)
{
	static const char libc[] = "/lib/libc.so.6";
	static const struct sample_frame in_main[] = {{"strdup", NULL, 0, libc},
						      {"main", "/src/a.c", 5, NULL},
						      {"__libc_start_main", NULL, 0, libc},
						      {"_start", NULL, 0, NULL},
						      {0}};
	static const struct sample_frame in_thread[] = {
		{"work", "/src/a.c", 5, NULL}, {"start_thread", NULL, 0, libc}, {0}};
	static const struct sample_frame stripped[] = {
		{"prog+0x12", NULL, 0, NULL}, {"prog+0x34", NULL, 0, NULL}, {0}};
	static const struct sample_frame deep[] = {{"load", "/src/a.c", 5, NULL},
						   {"step", "/src/a.c", 9, NULL},
						   {"(deeper than recorded)", NULL, 0, ""},
						   {0}};
	static const struct sample_frame nothing[] = {{"(deeper than recorded)", NULL, 0, ""}, {0}};
	(void)state;
	check_entries(in_main, 0, "# main: ", "   fun:strdup\n   fun:main\n}\n");
	check_entries(in_thread, 0, "# work: ", "   fun:work\n   fun:start_thread\n}\n");
	check_entries(stripped, 0, "# prog+0x12: ", "   obj:/bin/prog\n");
	check_entries(deep, PROFILE_FRAME_CUT, "leak:^load$\n", "   fun:step\n}\n");
	check_entries(nothing, PROFILE_FRAME_CUT, "# an unknown", "# an unknown");
}

static void entries_for_cxx_functions_keep_their_names(void **state)
{
	static const struct sample_frame stack[] = {
		{"operator new(unsigned long)", NULL, 0, "/lib/libstdc++.so.6"},
		{"std::vector<int>::vector(int)", "/src/a.h", 5, NULL},
		{"void ns::K<a::b>::leak<int>(int)", "/src/a.cc", 5, NULL},
		{"(anonymous namespace)::W::operator()() const", "/src/a.cc", 7, NULL},
		{"main", "/src/a.cc", 9, NULL},
		{0}};
	(void)state;
	check_entries(stack, 0, "leak:^std::vector<int>::vector(int)$\n",
		      "   fun:_Zn*\n"
		      "   fun:_Z*6vector*\n"
		      "   fun:_Z*2ns*1K*4leak*\n"
		      "   fun:_Z*1W*\n"
		      "   fun:main\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_kinds_that_were_named_fail),
		cmocka_unit_test(a_leak_of_no_bytes_fails_too),
		cmocka_unit_test(of_a_leak_that_has_grown_only_the_growth_counts),
		cmocka_unit_test(up_to_max_leaked_passes),
		cmocka_unit_test(unclassified_blocks_allow_no_verdict),
		cmocka_unit_test(a_passed_limit_counts_more_than_a_missing_verdict),
		cmocka_unit_test(an_incomplete_or_sampled_recording_allows_no_verdict),
		cmocka_unit_test(a_scan_on_request_says_nothing_of_the_end),
		cmocka_unit_test(a_process_that_still_runs_allows_check_no_verdict),
		cmocka_unit_test(check_says_why_a_process_was_not_scanned),
		cmocka_unit_test(budgets_on_peak_and_allocations_are_inclusive),
		cmocka_unit_test(no_printed_entry_hides_other_leaks),
		cmocka_unit_test(entries_for_cxx_functions_keep_their_names),
		cmocka_unit_test(text_names_kinds_and_the_verdict),
		cmocka_unit_test(only_of_what_is_known_text_says_that_all_was_freed),
		cmocka_unit_test(what_was_only_counted_is_told_and_judged_by_no_one),
		cmocka_unit_test(text_folds_a_deep_recursion),
		cmocka_unit_test(annotations_are_escaped_and_point_at_file_and_line),
		cmocka_unit_test(junit_is_escaped_and_counts),
		cmocka_unit_test(sarif_has_a_result_for_each_leak_that_matters),
		cmocka_unit_test(json_has_every_kind_and_the_verdict),
	};
	return cmocka_run_group_tests_name("leak_verdict", tests, NULL, NULL);
}
