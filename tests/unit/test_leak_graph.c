/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "libtrack/collector/leak_graph.h"

/* A process of our own making: blocks in one stretch of memory, and words in them. */
#define BASE 0x7f0000000000u
#define MEMORY_WORDS (1u << 20)
#define TABLE 0x400000u /* of virtual functions */

struct heap {
	uint64_t words[MEMORY_WORDS];
	struct leak_node nodes[64];
	uint32_t count;
	struct leak_graph graph;
};

static void read_words(void *context, const struct leak_range *ranges, size_t count,
		       leak_words_function *give, void *give_context)
{
	const struct heap *heap = context;
	for (size_t i = 0; i < count; i++) {
		/* In pieces, as a real reader gives them. */
		size_t words = ranges[i].size_bytes / 8;
		size_t half = words > 3 ? words / 2 : words;
		uint64_t address = ranges[i].address;
		const uint64_t *at = heap->words + (address - BASE) / 8;
		assert_true(address >= BASE && (address - BASE) / 8 + words <= MEMORY_WORDS);
		give(give_context, i, address, at, half);
		if (half < words)
			give(give_context, i, address + half * 8, at + half, words - half);
	}
}

static bool is_table(void *context, uint64_t address)
{
	(void)context;
	return address >= TABLE && address < TABLE + 4096;
}

static struct heap *heap_new(void)
{
	struct heap *heap = calloc(1, sizeof(*heap));
	assert_non_null(heap);
	return heap;
}

/* returns  the block's address; its slot is its number */
static uint64_t block(struct heap *heap, uint64_t offset, uint64_t size_bytes)
{
	heap->nodes[heap->count] = (struct leak_node){
		.address = BASE + offset, .size_bytes = size_bytes, .slot = heap->count};
	heap->count++;
	return BASE + offset;
}

static void store(struct heap *heap, uint64_t address, uint64_t value)
{
	heap->words[(address - BASE) / 8] = value;
}

static void classify(struct heap *heap, const uint64_t *roots, size_t root_count)
{
	struct leak_memory memory = {.context = heap, .read = read_words, .is_vtable = is_table};
	struct leak_node *nodes = malloc(sizeof(heap->nodes));
	assert_non_null(nodes);
	memcpy(nodes, heap->nodes, sizeof(heap->nodes));
	struct leak_memory memories[] = {memory, memory};
	assert_true(leak_graph_init(&heap->graph, nodes, heap->count));
	/* Roots may be visited before the blocks are read, or meanwhile. */
	static uint32_t turn;
	if (turn++ % 2 == 0)
		assert_true(leak_graph_begin_reading(&heap->graph, memories, 2));
	leak_graph_visit_root(&heap->graph, 0, 0x1000, roots, root_count);
	assert_true(leak_graph_classify(&heap->graph, memories, 2));
}

static const struct leak_node *node(const struct heap *heap, uint64_t address)
{
	uint32_t index = leak_graph_find(&heap->graph, address);
	assert_int_not_equal(index, UINT32_MAX);
	return &heap->graph.nodes[index];
}

static void assert_kind(const struct heap *heap, uint64_t address, enum leak_kind kind)
{
	assert_int_equal(node(heap, address)->kind, kind);
}

static void heap_free(struct heap *heap)
{
	leak_graph_release(&heap->graph);
	free(heap);
}

static void a_chain_of_beginnings_is_reachable(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t first = block(heap, 0x1000, 64);
	uint64_t second = block(heap, 0x100, 32);
	uint64_t third = block(heap, 0x40000, 8);
	store(heap, first + 56, second);
	store(heap, second, third);
	classify(heap, (uint64_t[]){0, first}, 2);
	assert_kind(heap, first, LEAK_REACHABLE);
	assert_kind(heap, second, LEAK_REACHABLE);
	assert_kind(heap, third, LEAK_REACHABLE);
	assert_int_equal(node(heap, first)->holder, LEAK_HOLDER_ROOT);
	assert_int_equal(node(heap, first)->held_at, 0x1008);
	assert_int_equal(heap->graph.nodes[node(heap, third)->holder].address, second);
	heap_free(heap);
}

static void what_an_inside_leads_to_is_possible(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t first = block(heap, 0, 100);
	uint64_t second = block(heap, 0x200, 32);
	store(heap, first, second);
	classify(heap, (uint64_t[]){first + 99}, 1);
	assert_kind(heap, first, LEAK_POSSIBLE);
	assert_kind(heap, second, LEAK_POSSIBLE);
	heap_free(heap);
}

static void a_pointer_behind_the_end_is_none(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t first = block(heap, 0, 100);
	uint64_t empty = block(heap, 0x200, 0);
	classify(heap, (uint64_t[]){first + 100, empty}, 2);
	assert_kind(heap, first, LEAK_DEFINITE);
	assert_kind(heap, empty, LEAK_REACHABLE);
	heap_free(heap);
}

/* An offset that is also the number of the block which the next pointer leads to. */
static void pointers_in_a_row_are_all_followed(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t first = block(heap, 0, 64);
	uint64_t others[40];
	for (uint32_t i = 1; i < 40; i++)
		others[i] = block(heap, 0x1000 + i * 0x100, 64);
	store(heap, first, others[1] + 16);
	store(heap, first + 8, others[16]);
	store(heap, first + 16, others[16] + 8);
	store(heap, first + 24, others[8]);
	classify(heap, (uint64_t[]){first}, 1);
	assert_kind(heap, others[1], LEAK_POSSIBLE);
	assert_kind(heap, others[16], LEAK_REACHABLE);
	assert_kind(heap, others[8], LEAK_REACHABLE);
	heap_free(heap);
}

static void a_beginning_wins_over_an_inside(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t first = block(heap, 0, 100);
	uint64_t second = block(heap, 0x200, 32);
	store(heap, second, first);
	classify(heap, (uint64_t[]){first + 50, second}, 2);
	assert_kind(heap, first, LEAK_REACHABLE);
	heap_free(heap);
}

static void one_of_a_cycle_is_definite(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t low = block(heap, 0, 48);
	uint64_t middle = block(heap, 0x100, 64);
	uint64_t high = block(heap, 0x200, 80);
	store(heap, low, middle);
	store(heap, middle, high + 8);
	store(heap, high, low);
	store(heap, high + 16, high); /* to itself: nothing */
	classify(heap, NULL, 0);
	assert_kind(heap, low, LEAK_DEFINITE);
	assert_kind(heap, middle, LEAK_INDIRECT);
	assert_kind(heap, high, LEAK_INDIRECT);
	assert_int_equal(node(heap, low)->indirect_bytes, 144);
	heap_free(heap);
}

static void a_later_leader_takes_over_an_earlier_one(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t child = block(heap, 0, 48);
	uint64_t parent = block(heap, 0x100, 64);
	uint64_t top = block(heap, 0x200, 80);
	store(heap, parent, child);
	store(heap, top, parent);
	store(heap, top + 8, child);
	classify(heap, NULL, 0);
	assert_kind(heap, top, LEAK_DEFINITE);
	assert_kind(heap, parent, LEAK_INDIRECT);
	assert_kind(heap, child, LEAK_INDIRECT);
	assert_int_equal(node(heap, top)->indirect_bytes, 112);
	heap_free(heap);
}

static void the_old_shared_string_is_reachable_by_its_characters(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t text = block(heap, 0, 24 + 20 + 1);
	uint64_t other = block(heap, 0x100, 24 + 20 + 1);
	store(heap, text, 7);      /* length */
	store(heap, text + 8, 20); /* capacity */
	store(heap, other, 21);    /* longer than its capacity */
	store(heap, other + 8, 20);
	classify(heap, (uint64_t[]){text + 24, other + 24}, 2);
	assert_kind(heap, text, LEAK_REACHABLE);
	assert_kind(heap, other, LEAK_POSSIBLE);
	heap_free(heap);
}

static void an_array_is_reachable_by_its_first_element(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t array = block(heap, 0, 8 + 5 * 24);
	uint64_t odd = block(heap, 0x100, 8 + 5 * 24 + 1);
	uint64_t sized = block(heap, 0x200, 8 + 77);
	store(heap, array, 5);
	store(heap, odd, 5);
	store(heap, sized, 77);
	classify(heap, (uint64_t[]){array + 8, odd + 8, sized + 8}, 3);
	assert_kind(heap, array, LEAK_REACHABLE);
	assert_kind(heap, odd, LEAK_POSSIBLE);
	assert_kind(heap, sized, LEAK_REACHABLE);
	heap_free(heap);
}

static void an_array_of_nothing_is_reachable_behind_its_end(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t array = block(heap, 0x200, 8);
	uint64_t number = block(heap, 64, 8);
	uint64_t longer = block(heap, 128, 16);
	store(heap, array, 0);
	store(heap, number, 3);
	classify(heap, (uint64_t[]){array + 8, number + 8, longer + 16}, 3);
	assert_kind(heap, array, LEAK_REACHABLE);
	assert_kind(heap, number, LEAK_DEFINITE);
	assert_kind(heap, longer, LEAK_DEFINITE);
	heap_free(heap);
}

static void an_object_is_reachable_by_its_second_base(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t object = block(heap, 0, 64);
	uint64_t plain = block(heap, 0x100, 64);
	uint64_t held = block(heap, 0x200, 64);
	store(heap, object, TABLE);
	store(heap, object + 16, TABLE + 64);
	store(heap, object + 24, held);
	store(heap, plain, TABLE);
	store(heap, plain + 16, 1234);
	classify(heap, (uint64_t[]){object + 16, plain + 16}, 2);
	assert_kind(heap, object, LEAK_REACHABLE);
	assert_kind(heap, plain, LEAK_POSSIBLE);
	assert_kind(heap, held, LEAK_REACHABLE);
	heap_free(heap);
}

static void words_of_bins_are_no_pointers(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t first = block(heap, 0, 24);
	struct leak_node *nodes = malloc(sizeof(*nodes));
	struct leak_memory memory = {.context = heap, .read = read_words};
	assert_non_null(nodes);
	*nodes = heap->nodes[0];
	assert_true(leak_graph_init(&heap->graph, nodes, 1));
	heap->graph.skips_bins = true;
	leak_graph_visit_root(&heap->graph, 0, 0x1000, (uint64_t[]){first + 16}, 1);
	assert_true(leak_graph_classify(&heap->graph, &memory, 1));
	assert_kind(heap, first, LEAK_DEFINITE);
	heap_free(heap);
}

static void finds_blocks_of_all_sizes(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	uint64_t end = MEMORY_WORDS * 8;
	uint64_t small = block(heap, 0x1ffff0, 0x20); /* into the next region */
	uint64_t neighbour = block(heap, 0x200010, 1);
	uint64_t large = block(heap, 0x200100, end - 0x200100); /* three regions */
	store(heap, large + 0x500000, small);
	classify(heap, (uint64_t[]){large + 0x300000}, 1);
	assert_int_equal(leak_graph_find(&heap->graph, small + 0x1f), 0);
	assert_int_equal(leak_graph_find(&heap->graph, neighbour), 1);
	assert_int_equal(leak_graph_find(&heap->graph, neighbour + 1), UINT32_MAX);
	for (uint64_t offset = 0; offset < end - 0x200100; offset += 0x1234)
		assert_int_equal(leak_graph_find(&heap->graph, large + offset), 2);
	assert_int_equal(leak_graph_find(&heap->graph, BASE + end), UINT32_MAX);
	assert_kind(heap, large, LEAK_POSSIBLE);
	assert_kind(heap, small, LEAK_POSSIBLE);
	assert_kind(heap, neighbour, LEAK_DEFINITE);
	heap_free(heap);
}

static void nothing_is_no_failure(void **state)
{
	(void)state;
	struct heap *heap = heap_new();
	classify(heap, (uint64_t[]){0, 1, UINT64_MAX}, 3);
	assert_int_equal(leak_graph_find(&heap->graph, BASE), UINT32_MAX);
	heap_free(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_of_beginnings_is_reachable),
		cmocka_unit_test(what_an_inside_leads_to_is_possible),
		cmocka_unit_test(a_pointer_behind_the_end_is_none),
		cmocka_unit_test(pointers_in_a_row_are_all_followed),
		cmocka_unit_test(a_beginning_wins_over_an_inside),
		cmocka_unit_test(one_of_a_cycle_is_definite),
		cmocka_unit_test(a_later_leader_takes_over_an_earlier_one),
		cmocka_unit_test(the_old_shared_string_is_reachable_by_its_characters),
		cmocka_unit_test(an_array_is_reachable_by_its_first_element),
		cmocka_unit_test(an_array_of_nothing_is_reachable_behind_its_end),
		cmocka_unit_test(an_object_is_reachable_by_its_second_base),
		cmocka_unit_test(words_of_bins_are_no_pointers),
		cmocka_unit_test(finds_blocks_of_all_sizes),
		cmocka_unit_test(nothing_is_no_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
