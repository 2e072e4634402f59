/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Generations against the list of all blocks, with a table that is too small for them. */
#include "tests/unit/unit.h"

#include "reader/generations.h"

#define BLOCKS 3000u
#define COSTS 7u
#define END_US 99999u

static uint32_t random_state;

static uint32_t next_random(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % limit;
}

static struct ended_block blocks[BLOCKS];

static void make_blocks(void)
{
	uint64_t died_us = 0;
	for (uint32_t i = 0; i < BLOCKS; i++) {
		died_us += next_random(60);
		if (died_us > END_US)
			died_us = END_US;
		blocks[i] = (struct ended_block){
			.image = next_random(3),
			.cost = next_random(COSTS),
			.born_us = next_random(4) ? died_us - died_us % 5000
						  : next_random((uint32_t)died_us + 1),
			.died_us = died_us,
			.is_immortal = i > BLOCKS * 9 / 10,
			.blocks = 1 + next_random(3),
			.bytes = next_random(1000),
		};
	}
}

/* All that is live at a piece's end, with a number in it that tells images and costs apart. */
static uint64_t live_bytes(const struct generations *generations, uint32_t piece)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < generations->count; i++) {
		const struct generation *item = &generations->items[i];
		assert_true(item->born < item->died);
		if (item->born <= piece && item->died > piece)
			sum += item->bytes * (item->image * COSTS + item->cost + 1) +
			       (item->blocks << 40);
	}
	return sum;
}

static uint64_t listed_bytes(const struct generations *generations, uint32_t piece,
			     const bool *was_taken)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < BLOCKS; i++) {
		const struct ended_block *block = &blocks[i];
		if (was_taken[i] || generations_piece(generations, block->born_us) > piece ||
		    (!block->is_immortal &&
		     generations_piece(generations, block->died_us) <= piece))
			continue;
		sum += block->bytes * (block->image * COSTS + block->cost + 1) +
		       (block->blocks << 40);
	}
	return sum;
}

static void check(uint32_t seed, uint64_t count_max, uint32_t pieces_min, uint32_t pieces_max)
{
	struct generations generations;
	bool was_taken[BLOCKS] = {false};
	random_state = seed;
	make_blocks();
	assert_true(generations_init(&generations, END_US, count_max));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		assert_true(generations_add(&generations, &blocks[i]));
		if (next_random(20) == 0 && i > 10 && !blocks[i - 10].is_immortal) {
			was_taken[i - 10] = true;
			assert_true(generations_take(&generations, &blocks[i - 10]));
		}
	}
	assert_true(generations_finish(&generations));
	assert_true(generations.piece_count >= pieces_min);
	assert_true(generations.piece_count <= pieces_max);
	for (uint32_t piece = 0; piece < generations.piece_count; piece++)
		assert_int_equal(live_bytes(&generations, piece),
				 listed_bytes(&generations, piece, was_taken));
	generations_release(&generations);
}

static void pieces_tell_what_is_live_at_their_ends(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++)
		check(seed, 100000, 200, 200);
}

static void a_full_table_has_longer_pieces(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++)
		check(seed, 500, 5, 100);
}

static void one_piece_is_the_least(void **state)
{
	(void)state;
	check(5, 0, 1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_tell_what_is_live_at_their_ends),
		cmocka_unit_test(a_full_table_has_longer_pieces),
		cmocka_unit_test(one_piece_is_the_least),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
