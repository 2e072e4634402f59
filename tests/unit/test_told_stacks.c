/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "common/format.h"
#include "common/log/told_stacks.h"

static void what_nothing_has_is_not_logged(void **state)
{
	struct told_stacks told;
	struct stack_trie logged;
	(void)state;
	assert_true(told_stacks_init(&told) && stack_trie_init(&logged));
	uint32_t outer = stack_trie_intern(&told.trie, STACK_ROOT, 1, 0x100);
	uint32_t other = stack_trie_intern(&told.trie, outer, 1, 0x200);
	uint32_t leaf = stack_trie_intern(&told.trie, outer, 2, 0x300);
	assert_int_equal(told_stacks_find(&told, leaf), STACK_ROOT);
	assert_int_equal(told_stacks_log(&told, leaf, &logged), 2);
	assert_int_equal(logged.node_count, 3);
	assert_int_equal(logged.nodes[2].offset, 0x300);
	assert_int_equal(logged.nodes[2].module, 2);
	assert_int_equal(logged.nodes[2].parent, 1);
	assert_int_equal(logged.nodes[1].offset, 0x100);
	assert_int_equal(told_stacks_find(&told, leaf), 2);
	assert_int_equal(told_stacks_find(&told, outer), 1);
	assert_int_equal(told_stacks_find(&told, other), STACK_ROOT);
	assert_int_equal(told_stacks_log(&told, STACK_ROOT, &logged), STACK_ROOT);
	told_stacks_release(&told);
	stack_trie_release(&logged);
}

static void a_trace_is_logged_once(void **state)
{
	struct told_stacks told;
	struct stack_trie logged;
	(void)state;
	assert_true(told_stacks_init(&told) && stack_trie_init(&logged));
	uint32_t node = STACK_ROOT;
	for (uint64_t i = 1; i <= LIMIT_FRAMES + 1; i++)
		node = stack_trie_intern(&told.trie, node, 1, i);
	for (int i = 0; i < 2; i++)
		assert_int_equal(told_stacks_log(&told, node, &logged), LIMIT_FRAMES + 1);
	assert_int_equal(logged.node_count, LIMIT_FRAMES + 2);
	assert_int_equal(logged.nodes[logged.node_count - 1].depth, LIMIT_FRAMES + 1);
	/* One that is told later, below a part of it. */
	node = stack_trie_intern(&told.trie, 10, 2, 5);
	for (int i = 0; i < 2; i++)
		assert_int_equal(told_stacks_log(&told, node, &logged), LIMIT_FRAMES + 2);
	assert_int_equal(logged.nodes[LIMIT_FRAMES + 2].parent, 10);
	told_stacks_release(&told);
	stack_trie_release(&logged);
}

static void tell_twice(struct told_stacks *told, uint32_t leaves[2])
{
	for (int i = 0; i < 2; i++) {
		uint32_t outer = told_stacks_add(told, STACK_ROOT, 1, 0x100);
		leaves[i] = told_stacks_add(told, outer, 1, 0x200);
	}
}

static void what_is_told_twice_is_logged_once(void **state)
{
	struct told_stacks told;
	struct stack_trie logged;
	uint32_t leaves[2];
	(void)state;
	assert_true(told_stacks_init(&told) && stack_trie_init(&logged));
	tell_twice(&told, leaves);
	for (int i = 0; i < 2; i++)
		assert_int_equal(told_stacks_log(&told, leaves[i], &logged), 2);
	assert_int_equal(logged.node_count, 3);
	told_stacks_release(&told);
	stack_trie_release(&logged);
}

static void a_trace_that_the_log_has_is_found_by_whoever_told_it(void **state)
{
	struct told_stacks told;
	struct stack_trie logged;
	uint32_t leaves[2];
	(void)state;
	assert_true(told_stacks_init(&told) && stack_trie_init(&logged));
	tell_twice(&told, leaves);
	uint32_t deeper = told_stacks_add(&told, leaves[1], 1, 0x300);
	assert_int_equal(told_stacks_search(&told, leaves[1], &logged), STACK_ROOT);
	assert_int_equal(told_stacks_log(&told, leaves[0], &logged), 2);
	assert_int_equal(told_stacks_search(&told, leaves[0], &logged), 2);
	assert_int_equal(told_stacks_search(&told, leaves[1], &logged), 2);
	assert_int_equal(told_stacks_search(&told, deeper, &logged), STACK_ROOT);
	assert_int_equal(told_stacks_search(&told, STACK_ROOT, &logged), STACK_ROOT);
	assert_int_equal(logged.node_count, 3);
	told_stacks_release(&told);
	stack_trie_release(&logged);
}

static void folded_traces_have_one_node_and_are_logged_as_before(void **state)
{
	struct told_stacks told;
	struct stack_trie logged;
	uint32_t leaves[4];
	uint32_t nodes[16];
	(void)state;
	assert_true(told_stacks_init(&told) && stack_trie_init(&logged));
	for (int i = 0; i < 4; i++) {
		uint32_t outer = told_stacks_add(&told, STACK_ROOT, 1, 0x100);
		leaves[i] = told_stacks_add(&told, outer, 1, i < 2 ? 0x200 : 0x300);
	}
	assert_int_equal(told_stacks_log(&told, leaves[1], &logged), 2);
	assert_false(told_stacks_are_many(&told));
	assert_true(told_stacks_fold(&told, nodes));
	assert_int_equal(told.trie.node_count, 4);
	assert_int_equal(nodes[STACK_ROOT], STACK_ROOT);
	assert_int_equal(nodes[leaves[0]], nodes[leaves[1]]);
	assert_int_equal(nodes[leaves[2]], nodes[leaves[3]]);
	assert_int_equal(told.trie.nodes[nodes[leaves[3]]].offset, 0x300);
	assert_int_equal(told_stacks_find(&told, nodes[leaves[0]]), 2);
	assert_int_equal(told_stacks_log(&told, nodes[leaves[2]], &logged), 3);
	told_stacks_release(&told);
	stack_trie_release(&logged);
}

static void the_same_traces_over_and_over_take_no_more_room(void **state)
{
	struct told_stacks told;
	uint32_t folds = 0;
	(void)state;
	assert_true(told_stacks_init(&told));
	for (uint64_t i = 0; i < 1000000; i++) {
		if (told_stacks_are_many(&told)) {
			uint32_t *nodes = malloc(told.trie.node_count * sizeof(*nodes));
			assert_true(nodes && told_stacks_fold(&told, nodes));
			assert_int_equal(told.trie.node_count, 101);
			free(nodes);
			folds++;
		}
		assert_int_not_equal(told_stacks_add(&told, STACK_ROOT, 1, i % 100), STACK_NONE);
	}
	assert_in_range(folds, 1, 10);
	told_stacks_release(&told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nothing_has_is_not_logged),
		cmocka_unit_test(a_trace_is_logged_once),
		cmocka_unit_test(what_is_told_twice_is_logged_once),
		cmocka_unit_test(a_trace_that_the_log_has_is_found_by_whoever_told_it),
		cmocka_unit_test(folded_traces_have_one_node_and_are_logged_as_before),
		cmocka_unit_test(the_same_traces_over_and_over_take_no_more_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
