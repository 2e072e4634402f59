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

/* `scale` makes the recording so much longer. */
static void make_blocks(uint64_t scale)
{
	uint64_t died_us = 0;
	for (uint32_t i = 0; i < BLOCKS; i++) {
		died_us += next_random(60);
		if (died_us > END_US)
			died_us = END_US;
		uint64_t born_us = next_random(4) ? died_us - died_us % 5000
						  : next_random((uint32_t)died_us + 1);
		blocks[i] = (struct ended_block){
			.image = next_random(3),
			.cost = next_random(COSTS),
			.born_us = born_us * scale,
			.died_us = died_us * scale,
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

/* scale  0: the end is known; else the recording is so much longer, and it isn't */
static void check(uint32_t seed, uint64_t count_max, uint64_t scale, uint32_t pieces_min,
		  uint32_t pieces_max)
{
	struct generations generations;
	bool was_taken[BLOCKS] = {false};
	random_state = seed;
	make_blocks(scale ? scale : 1);
	assert_true(scale ? generations_init_open(&generations, count_max)
			  : generations_init(&generations, END_US, count_max));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		assert_true(generations_reach(&generations, blocks[i].died_us));
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
		check(seed, 100000, 0, 200, 200);
}

static void a_full_table_has_longer_pieces(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++)
		check(seed, 500, 0, 5, 100);
}

static void one_piece_is_the_least(void **state)
{
	(void)state;
	check(5, 0, 0, 1, 1);
}

static void pieces_become_longer_as_the_time_goes_on(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++) {
		check(seed, 100000, 1, 100, 200);
		check(seed, 100000, 64, 100, 200);
		check(seed, 100000, 1000000, 100, 200);
		check(seed, 500, 64, 5, 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_tell_what_is_live_at_their_ends),
		cmocka_unit_test(a_full_table_has_longer_pieces),
		cmocka_unit_test(one_piece_is_the_least),
		cmocka_unit_test(pieces_become_longer_as_the_time_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
