/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "reader/mapping_tree.h"

/* The slow model: the owner of every address, 0 for none. */
#define ADDRESSES 512u

struct model {
	uint32_t owners[ADDRESSES];
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static uint32_t owner_at(const struct mapping_tree *tree, uint64_t address)
{
	const struct mapping_piece *piece = mapping_tree_find(tree, address);
	return piece ? piece->owner : 0;
}

static void check_equal(const struct mapping_tree *tree, const struct model *model)
{
	for (uint32_t i = 0; i < ADDRESSES; i++)
		assert_int_equal(owner_at(tree, i), model->owners[i]);
}

/* What was taken out is what the model had there, in order and without gaps or overlaps. */
static void check_removed(const struct mapping_pieces *removed, const struct model *model,
			  uint64_t start, uint64_t end)
{
	uint32_t found[ADDRESSES] = {0};
	uint64_t last = start;
	for (size_t i = 0; i < removed->count; i++) {
		const struct mapping_piece *piece = &removed->items[i];
		assert_true(piece->start >= last && piece->end <= end && piece->start < piece->end);
		for (uint64_t at = piece->start; at < piece->end; at++)
			found[at] = piece->owner;
		last = piece->end;
	}
	for (uint64_t at = start; at < end; at++)
		assert_int_equal(found[at], model->owners[at]);
}

static void holds_the_same_ranges_as_a_table_of_addresses(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 40; seed++) {
		struct mapping_tree tree = {0};
		struct mapping_pieces removed = {0};
		struct model model = {{0}};
		uint32_t random = seed;
		for (uint32_t step = 1; step <= 300; step++) {
			uint64_t start = next_random(&random) % ADDRESSES;
			uint64_t size = 1 + next_random(&random) % (seed % 2 ? 20 : 200);
			uint64_t end = start + size < ADDRESSES ? start + size : ADDRESSES;
			bool maps = next_random(&random) % 3 > 0;
			assert_true(mapping_tree_remove(&tree, start, end, &removed));
			check_removed(&removed, &model, start, end);
			struct mapping_piece piece = {.start = start, .end = end, .owner = step};
			if (maps)
				assert_true(mapping_tree_insert(&tree, &piece));
			for (uint64_t at = start; at < end; at++)
				model.owners[at] = maps ? step : 0;
			check_equal(&tree, &model);
		}
		mapping_pieces_release(&removed);
		mapping_tree_release(&tree);
	}
}

static void a_hole_leaves_two_ranges_of_one_owner(void **state)
{
	(void)state;
	struct mapping_tree tree = {0};
	struct mapping_pieces removed = {0};
	assert_true(mapping_tree_insert(&tree, &(struct mapping_piece){100, 200, 7}));
	assert_true(mapping_tree_remove(&tree, 140, 150, &removed));
	assert_int_equal(removed.count, 1);
	assert_int_equal(removed.items[0].start, 140);
	assert_int_equal(removed.items[0].end, 150);
	assert_int_equal(mapping_tree_find(&tree, 139)->end, 140);
	assert_null(mapping_tree_find(&tree, 140));
	assert_null(mapping_tree_find(&tree, 149));
	assert_int_equal(mapping_tree_find(&tree, 150)->end, 200);
	assert_int_equal(mapping_tree_find(&tree, 150)->owner, 7);
	mapping_pieces_release(&removed);
	mapping_tree_release(&tree);
}

static void removing_what_is_not_there_removes_nothing(void **state)
{
	(void)state;
	struct mapping_tree tree = {0};
	struct mapping_pieces removed = {0};
	assert_true(mapping_tree_remove(&tree, 0, UINT64_MAX, &removed));
	assert_int_equal(removed.count, 0);
	assert_true(mapping_tree_insert(&tree, &(struct mapping_piece){100, 200, 7}));
	assert_true(mapping_tree_remove(&tree, 0, 100, &removed));
	assert_int_equal(removed.count, 0);
	assert_true(mapping_tree_remove(&tree, 200, 300, &removed));
	assert_int_equal(removed.count, 0);
	mapping_pieces_release(&removed);
	mapping_tree_release(&tree);
}

/* 100,000 ranges mapped in order, every other one unmapped, then all: a list would not end. */
static void stays_fast_when_ranges_come_in_order(void **state)
{
	(void)state;
	enum { COUNT = 100000 };
	struct mapping_tree tree = {0};
	struct mapping_pieces removed = {0};
	for (uint32_t i = 0; i < COUNT; i++)
		assert_true(mapping_tree_insert(
			&tree, &(struct mapping_piece){i * 16ull, i * 16ull + 16, i + 1}));
	for (uint32_t i = 0; i < COUNT; i += 2) {
		assert_true(mapping_tree_remove(&tree, i * 16ull, i * 16ull + 16, &removed));
		assert_int_equal(removed.count, 1);
	}
	assert_true(mapping_tree_remove(&tree, 0, COUNT * 16ull, &removed));
	assert_int_equal(removed.count, COUNT / 2);
	assert_int_equal(tree.root, 0);
	assert_true(tree.used <= COUNT + 2);
	mapping_pieces_release(&removed);
	mapping_tree_release(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_the_same_ranges_as_a_table_of_addresses),
		cmocka_unit_test(a_hole_leaves_two_ranges_of_one_owner),
		cmocka_unit_test(removing_what_is_not_there_removes_nothing),
		cmocka_unit_test(stays_fast_when_ranges_come_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
