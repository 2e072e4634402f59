/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include "common/log/stack_trie.h"

static void a_frame_below_the_same_parent_is_one_node(void **state)
{
	struct stack_trie trie;
	(void)state;
	assert_true(stack_trie_init(&trie));
	uint32_t main_node = stack_trie_intern(&trie, STACK_ROOT, 1, 0x1000);
	uint32_t leaf = stack_trie_intern(&trie, main_node, 1, 0x2000);
	assert_int_equal(main_node, 1);
	assert_int_equal(leaf, 2);
	assert_int_equal(stack_trie_intern(&trie, STACK_ROOT, 1, 0x1000), main_node);
	assert_int_equal(stack_trie_intern(&trie, main_node, 1, 0x2000), leaf);
	/* Another module, parent or offset is another node. */
	assert_int_equal(stack_trie_intern(&trie, main_node, 2, 0x2000), 3);
	assert_int_equal(stack_trie_intern(&trie, leaf, 1, 0x2000), 4);
	assert_int_equal(stack_trie_intern(&trie, main_node, 1, 0x2001), 5);
	assert_int_equal(trie.nodes[4].depth, 3);
	stack_trie_release(&trie);
}

static void growing_keeps_all_nodes(void **state)
{
	struct stack_trie trie;
	(void)state;
	assert_true(stack_trie_init(&trie));
	for (uint32_t i = 0; i < 50000; i++)
		assert_int_equal(stack_trie_intern(&trie, i % 7 ? i : STACK_ROOT, (uint16_t)(i % 3),
						   i * 8ull),
				 i + 1);
	for (uint32_t i = 0; i < 50000; i++)
		assert_int_equal(stack_trie_intern(&trie, i % 7 ? i : STACK_ROOT, (uint16_t)(i % 3),
						   i * 8ull),
				 i + 1);
	assert_int_equal(trie.node_count, 50001);
	stack_trie_release(&trie);
}

static void an_ancestor_has_the_depth_that_is_asked_for(void **state)
{
	struct stack_trie trie;
	(void)state;
	assert_true(stack_trie_init(&trie));
	uint32_t node = STACK_ROOT;
	for (uint64_t i = 0; i < 1000; i++)
		node = stack_trie_append(&trie, node, 1, i);
	assert_int_equal(trie.nodes[node].depth, 1000);
	for (uint32_t depth = 0; depth <= 1000; depth++) {
		uint32_t ancestor = stack_trie_ancestor(&trie, node, depth);
		assert_int_equal(trie.nodes[ancestor].depth, depth);
	}
	assert_int_equal(stack_trie_ancestor(&trie, node, 2000), node);
	stack_trie_release(&trie);
}

static void appended_nodes_are_found(void **state)
{
	struct stack_trie trie;
	(void)state;
	assert_true(stack_trie_init(&trie));
	assert_int_equal(stack_trie_intern(&trie, STACK_ROOT, 1, 0x10), 1);
	for (uint32_t i = 2; i < 5000; i++)
		assert_int_equal(stack_trie_append(&trie, i - 1, 1, i * 16), i);
	for (uint32_t i = 2; i < 5000; i++)
		assert_int_equal(stack_trie_intern(&trie, i - 1, 1, i * 16), i);
	assert_int_equal(stack_trie_intern(&trie, 4999, 2, 0x10), 5000);
	stack_trie_release(&trie);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_below_the_same_parent_is_one_node),
		cmocka_unit_test(growing_keeps_all_nodes),
		cmocka_unit_test(an_ancestor_has_the_depth_that_is_asked_for),
		cmocka_unit_test(appended_nodes_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
