/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks by when they were made and when they ended: the recording is cut into equal pieces of
 * time, and a generation is what of one cost was made in one piece and ended in a later one.
 * Blocks that ended in the piece they were made in are left out. So, for piece w,
 *
 *   live at its end          the generations with born <= w < died
 *   made in a..w, and live   those with a <= born <= w < died
 *
 * The table is bounded: when it is full, every two pieces become one.
 */
#ifndef MEMTRACE_READER_GENERATIONS_H
#define MEMTRACE_READER_GENERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GENERATIONS_PIECES 200u
#define GENERATIONS_OF_COST 4u
#define GENERATION_NEVER UINT16_MAX /* as `died`: the block was not freed */

struct generation {
	uint32_t image;
	uint32_t cost; /* index in the image's costs */
	uint16_t born; /* pieces */
	uint16_t died;
	uint64_t blocks;
	uint64_t bytes;
};

struct generations {
	struct generation *items; /* [count] */
	size_t count;
	size_t capacity;
	struct generation *current; /* [current_count] those that end in the current piece */
	uint32_t current_count;
	uint32_t current_capacity;
	uint32_t current_died;
	uint32_t *slots; /* [mask + 1] index + 1 into current; 0: empty */
	uint32_t mask;
	bool has_corrections; /* items of one key have to be put together */
	uint64_t count_max;   /* when there are more, pieces are put together ... */
	uint64_t cost_count;  /* ... but for a few of every cost; kept by the caller */
	uint64_t piece_us;    /* 0: nothing is gathered */
	uint32_t piece_count;
	bool is_open; /* the recording's end is not known: pieces are added as the time goes on */
};

/*
 * end_us     time of the recording's end: what comes later counts as of the last piece
 * count_max  how many generations are kept apart, beside GENERATIONS_OF_COST for every cost
 * returns    false: no memory
 */
bool generations_init(struct generations *generations, uint64_t end_us, uint64_t count_max);

/*
 * The same of a recording that goes on. There are at most GENERATIONS_PIECES pieces then, and at
 * least half as many.
 */
bool generations_init_open(struct generations *generations, uint64_t count_max);

/* The time has come to `now_us`: makes pieces up to there, if it is open. returns false: no memory
 */
bool generations_reach(struct generations *generations, uint64_t now_us);

void generations_release(struct generations *generations);

static inline uint32_t generations_piece(const struct generations *generations, uint64_t time_us)
{
	uint64_t piece = time_us / generations->piece_us;
	return piece < generations->piece_count ? (uint32_t)piece : generations->piece_count - 1;
}

/* A block (what it stands for, in figures), and the times of its making and of its end. */
struct ended_block {
	uint32_t image;
	uint32_t cost;
	uint64_t born_us;
	uint64_t died_us;
	bool is_immortal; /* it has not ended */
	uint64_t blocks;
	uint64_t bytes;
};

/*
 * Adds a block, if its end is in another piece than its making. Blocks come in the order of their
 * ends.
 * returns  false: no memory
 */
bool generations_add(struct generations *generations, const struct ended_block *block);

/* Takes back what was added: the block did not end after all. returns false: no memory */
bool generations_take(struct generations *generations, const struct ended_block *block);

/* Appends a generation as a log has it. returns false: no memory */
bool generations_append(struct generations *generations, const struct generation *generation);

/* All is added: the items are complete, by ascending `died`. returns false: no memory */
bool generations_finish(struct generations *generations);

#endif
