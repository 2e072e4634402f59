/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "libtrack/collector/leak_edges.h"

/* A heap of blocks of all sizes with words of all kinds, and its edges found the plain way. */
#define BASE 0x7f0000000000u
#define MEMORY_WORDS (3u << 20) /* enough for several slices */
#define BLOCKS_MAX 40000u

struct heap {
	uint64_t words[MEMORY_WORDS];
	struct leak_extent extents[BLOCKS_MAX];
	uint32_t count;
	uint64_t seed;
};

static uint64_t next_random(struct heap *heap, uint64_t limit)
{
	heap->seed = heap->seed * 6364136223846793005u + 1442695040888963407u;
	return (heap->seed >> 20) % limit;
}

static uint64_t random_size(struct heap *heap)
{
	switch (next_random(heap, 50)) {
	case 0:
		return next_random(heap, 3u << 20); /* may be longer than a region of the index */
	case 1:
		return next_random(heap, 100000);
	case 2:
		return 8; /* an array of no objects has its pointers behind it */
	default:
		return next_random(heap, 400);
	}
}

static uint64_t random_word(struct heap *heap)
{
	const struct leak_extent *extent = &heap->extents[next_random(heap, heap->count)];
	switch (next_random(heap, 8)) {
	case 0:
	case 1:
		return extent->address;
	case 2:
		return extent->address + next_random(heap, extent->end - extent->address);
	case 3:
		return extent->end;
	case 4:
		return BASE + next_random(heap, MEMORY_WORDS * 8);
	case 5:
		return next_random(heap, UINT64_MAX);
	default:
		return 0;
	}
}

static struct heap *heap_new(uint64_t seed)
{
	struct heap *heap = calloc(1, sizeof(*heap));
	assert_non_null(heap);
	heap->seed = seed;
	uint64_t at = BASE + 24;
	while (heap->count < BLOCKS_MAX) {
		uint64_t size_bytes = random_size(heap);
		if (at + size_bytes > BASE + MEMORY_WORDS * 8)
			break;
		heap->extents[heap->count++] = (struct leak_extent){
			at, at + (size_bytes ? size_bytes : 1)};
		at += size_bytes + 1 + next_random(heap, 600);
	}
	for (size_t i = 0; i < MEMORY_WORDS; i++)
		heap->words[i] = random_word(heap);
	return heap;
}

static void read_words(void *context, const struct leak_range *ranges, size_t count,
		       leak_words_function *give, void *give_context)
{
	const struct heap *heap = context;
	for (size_t i = 0; i < count; i++) {
		uint64_t address = ranges[i].address;
		size_t left = ranges[i].size_bytes / 8;
		while (left > 0) {
			size_t piece = left < 1000 ? left : 1000;
			give(give_context, i, address, heap->words + (address - BASE) / 8, piece);
			address += piece * 8;
			left -= piece;
		}
	}
}

/* The node that a word points to, found by halving. */
static uint32_t find(const struct heap *heap, uint64_t word)
{
	uint32_t first = 0;
	uint32_t end = heap->count;
	while (first < end) {
		uint32_t middle = (first + end) / 2;
		if (heap->extents[middle].address <= word)
			first = middle + 1;
		else
			end = middle;
	}
	if (first == 0)
		return LEAK_INDEX_NONE;
	const struct leak_extent *extent = &heap->extents[first - 1];
	bool is_behind_array = extent->end - extent->address == 8 && word == extent->end;
	return word < extent->end || is_behind_array ? first - 1 : LEAK_INDEX_NONE;
}

/* The edges of a node. returns how many words */
static size_t expect(const struct heap *heap, uint32_t node, uint32_t *words)
{
	const struct leak_extent *extent = &heap->extents[node];
	uint64_t size_bytes = extent->end - extent->address;
	size_t count = 0;
	size_t last = SIZE_MAX;
	for (uint64_t at = (extent->address + 7) & ~7ull; at + 8 <= extent->address + size_bytes;
	     at += 8) {
		uint64_t word = heap->words[(at - BASE) / 8];
		uint32_t to = find(heap, word);
		if (to == LEAK_INDEX_NONE || to == node)
			continue;
		uint32_t offset = (uint32_t)(word - heap->extents[to].address);
		uint32_t code = to | (offset ? LEAK_EDGE_IS_INSIDE : 0);
		if (last != SIZE_MAX && words[last] == code &&
		    (!offset || words[last + 1] == offset))
			continue;
		last = count;
		words[count++] = code;
		if (offset)
			words[count++] = offset;
	}
	return count;
}

static void assert_edges(struct heap *heap, size_t reader_count)
{
	struct leak_memory memories[16];
	struct leak_edges edges;
	struct leak_index index;
	uint32_t *words = malloc(MEMORY_WORDS * 2 * sizeof(*words));
	struct leak_extent *extents = malloc(heap->count * sizeof(*extents));
	assert_non_null(words);
	assert_non_null(extents);
	memcpy(extents, heap->extents, heap->count * sizeof(*extents));
	for (size_t i = 0; i < reader_count; i++)
		memories[i] = (struct leak_memory){.context = heap, .read = read_words};
	assert_true(leak_index_build(&index, extents, heap->count));
	leak_reading_abandon(leak_reading_begin(&index, memories, reader_count));
	struct leak_reading *reading = leak_reading_begin(&index, memories, reader_count);
	assert_non_null(reading);
	assert_true(leak_reading_finish(reading, &edges));
	assert_null(edges.starts[heap->count]);
	for (uint32_t node = 0; node < heap->count; node++) {
		size_t count = expect(heap, node, words);
		const uint32_t *found = edges.starts[node];
		/* Where the next node's are not behind them, there is an edge to itself. */
		if (edges.starts[node + 1] != found + count)
			assert_int_equal(found[count], node);
		assert_memory_equal(found, words, count * sizeof(*words));
	}
	leak_edges_release(&edges);
	leak_index_release(&index);
	free(words);
}

static void all_pointers_between_blocks_are_found(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct heap *heap = heap_new(seed);
		assert_true(heap->count > 100);
		assert_edges(heap, 1);
		free(heap);
	}
}

static void several_readers_find_the_same(void **state)
{
	(void)state;
	struct heap *heap = heap_new(4);
	assert_edges(heap, 2);
	assert_edges(heap, 3);
	assert_edges(heap, 16);
	free(heap);
}

static void no_blocks_have_no_edges(void **state)
{
	(void)state;
	struct heap *heap = calloc(1, sizeof(*heap));
	assert_non_null(heap);
	assert_edges(heap, 1);
	assert_edges(heap, 4);
	free(heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pointers_between_blocks_are_found),
		cmocka_unit_test(several_readers_find_the_same),
		cmocka_unit_test(no_blocks_have_no_edges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
