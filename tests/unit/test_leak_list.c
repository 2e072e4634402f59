/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Leak marks of a log: grouped, replaced by a later scan, and mistrusted when they must be. */
#include "tests/unit/unit.h"

#include <string.h>

#include "reader/finish.h"
#include "reader/leak_list.h"
#include "tests/support/log_builder.h"

static const uint64_t path_a[] = {0x1000, 0x2000, 0};
static const uint64_t path_b[] = {0x1000, 0x3000, 0};

struct built {
	struct log_builder builder;
	uint32_t image;
	uint32_t stack_a;
	uint32_t stack_b;
};

/* Two blocks of 10 bytes at a, one of 7 at b; all live. */
static void begin(struct built *built)
{
	struct log_builder *builder = &built->builder;
	log_builder_init(builder);
	built->image = log_builder_image(builder, 100, -1);
	log_builder_module(builder, built->image, "/bin/prog");
	log_builder_thread(builder, built->image, 0, "main");
	built->stack_a = log_builder_stack(builder, built->image, path_a);
	built->stack_b = log_builder_stack(builder, built->image, path_b);
	for (uint32_t i = 0; i < 3; i++)
		log_builder_event(builder, built->image,
				  &(struct builder_event){
					  .operation = EVENT_ALLOCATE,
					  .time_us = 10 + i,
					  .address = 0x1000 + i * 16,
					  .size_bytes = i < 2 ? 10 : 7,
					  .stack = i < 2 ? built->stack_a : built->stack_b,
				  });
	log_builder_commit(builder);
}

static void scan(struct built *built, uint64_t time_us, uint32_t flags, uint32_t kind_of_a)
{
	struct leak_mark marks[] = {
		{.stack = built->stack_a,
		 .leak_kind = kind_of_a,
		 .blocks = 1,
		 .bytes = 10,
		 .oldest_us = 10,
		 .newest_us = 10},
		{.stack = built->stack_a,
		 .thread = 1,
		 .leak_kind = kind_of_a,
		 .blocks = 1,
		 .bytes = 10,
		 .indirect_bytes = 7,
		 .oldest_us = 11,
		 .newest_us = 11},
		{.stack = built->stack_b,
		 .leak_kind = LEAK_INDIRECT,
		 .blocks = 1,
		 .bytes = 7,
		 .oldest_us = 12,
		 .newest_us = 12,
		 .holder = (char *)"a lost block"},
	};
	log_builder_leaks(&built->builder, built->image, time_us, flags, marks, 3);
}

static void end(struct built *built, bool is_finished)
{
	struct finish_options options = {0};
	struct finish_result result;
	struct mt_error error;
	log_builder_image_end(&built->builder, built->image, 1000);
	log_builder_end(&built->builder, 1000, 0);
	log_builder_close(&built->builder);
	if (is_finished)
		assert_int_equal(finish_log(built->builder.path, &options, &result, &error), MT_OK);
}

struct opened {
	struct loaded_log log;
	struct profile *profile;
	struct leak_list list;
};

static void open_list(struct opened *opened, const struct built *built)
{
	struct mt_error error;
	assert_int_equal(loaded_log_read(&opened->log, built->builder.path, NULL, &error), MT_OK);
	assert_int_equal(profile_new(&opened->log, &opened->profile, &error), MT_OK);
	assert_int_equal(leak_list_gather(&opened->list, opened->profile, &error), MT_OK);
}

static void close_list(struct opened *opened)
{
	leak_list_release(&opened->list);
	profile_free(opened->profile);
	loaded_log_release(&opened->log);
}

static void groups_have_stack_and_kind_in_common(void **state)
{
	(void)state;
	for (int is_finished = 0; is_finished < 2; is_finished++) {
		struct built built;
		struct opened opened;
		begin(&built);
		scan(&built, 500, 0, LEAK_DEFINITE);
		end(&built, is_finished);
		open_list(&opened, &built);
		assert_true(profile_is_scanned(opened.profile, 0));
		assert_int_equal(opened.list.count, 2);
		const struct leak *first = &opened.list.items[0];
		assert_int_equal(first->kind, LEAK_DEFINITE);
		assert_int_equal(first->bytes, 20);
		assert_int_equal(first->blocks, 2);
		assert_int_equal(first->indirect_bytes, 7);
		assert_int_equal(first->oldest_us, 10);
		assert_int_equal(first->newest_us, 11);
		assert_int_equal(first->scan_us, 500);
		assert_int_equal(first->mark_count, 2);
		assert_string_equal(opened.list.items[1].held->holder, "a lost block");
		assert_int_equal(leak_list_sum(&opened.list, LEAK_INDIRECT).bytes, 7);
		assert_int_equal(leak_list_total(&opened.list).blocks, 3);
		close_list(&opened);
		log_builder_remove(&built.builder);
	}
}

static void the_last_scan_counts(void **state)
{
	struct built built;
	struct opened opened;
	(void)state;
	begin(&built);
	scan(&built, 400, LEAK_SCAN_ON_REQUEST, LEAK_REACHABLE);
	scan(&built, 500, 0, LEAK_DEFINITE);
	end(&built, true);
	open_list(&opened, &built);
	assert_int_equal(leak_list_sum(&opened.list, LEAK_REACHABLE).blocks, 0);
	assert_int_equal(leak_list_sum(&opened.list, LEAK_DEFINITE).blocks, 2);
	close_list(&opened);
	log_builder_remove(&built.builder);
}

static void without_a_scan_that_holds_everything_is_unclassified(void **state)
{
	(void)state;
	for (int has_scan = 0; has_scan < 2; has_scan++) {
		struct built built;
		struct opened opened;
		begin(&built);
		if (has_scan)
			scan(&built, 500, LEAK_SCAN_INCOMPLETE, LEAK_DEFINITE);
		end(&built, true);
		open_list(&opened, &built);
		assert_false(profile_is_scanned(opened.profile, 0));
		assert_int_equal(opened.list.count, 2);
		assert_int_equal(leak_list_sum(&opened.list, LEAK_UNCLASSIFIED).bytes, 27);
		assert_int_equal(opened.list.items[0].scan_us, 0);
		assert_false(opened.list.items[0].is_replaced);
		close_list(&opened);
		log_builder_remove(&built.builder);
	}
}

static void marks_of_stack_traces_that_are_cut_off_are_not_used(void **state)
{
	struct built built;
	struct opened opened;
	(void)state;
	begin(&built);
	built.stack_b = 1000;
	scan(&built, 500, 0, LEAK_DEFINITE);
	end(&built, false);
	open_list(&opened, &built);
	assert_false(profile_is_scanned(opened.profile, 0));
	assert_int_equal(leak_list_sum(&opened.list, LEAK_UNCLASSIFIED).blocks, 3);
	close_list(&opened);
	log_builder_remove(&built.builder);
}

static void a_process_that_became_another_program_lost_nothing(void **state)
{
	struct built built;
	struct opened opened;
	(void)state;
	begin(&built);
	log_builder_image_end(&built.builder, built.image, 900);
	built.image = log_builder_image(&built.builder, 100, -1);
	end(&built, true);
	open_list(&opened, &built);
	assert_int_equal(opened.list.count, 2);
	assert_true(opened.list.items[0].is_replaced);
	close_list(&opened);
	log_builder_remove(&built.builder);
}

static void kinds_have_names_both_ways(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < LEAK_KIND_COUNT; kind++)
		assert_int_equal(leak_kind_find(leak_kind_name((enum leak_kind)kind),
						strlen(leak_kind_name((enum leak_kind)kind))),
				 kind);
	assert_int_equal(leak_kind_find("definitely", 10), LEAK_KIND_COUNT);
	assert_int_equal(leak_kind_find("", 0), LEAK_KIND_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_have_stack_and_kind_in_common),
		cmocka_unit_test(the_last_scan_counts),
		cmocka_unit_test(without_a_scan_that_holds_everything_is_unclassified),
		cmocka_unit_test(marks_of_stack_traces_that_are_cut_off_are_not_used),
		cmocka_unit_test(a_process_that_became_another_program_lost_nothing),
		cmocka_unit_test(kinds_have_names_both_ways),
	};
	return cmocka_run_group_tests_name("leak_list", tests, NULL, NULL);
}
