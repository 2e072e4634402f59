/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells of the words of a process which may be pointers to its blocks, before they are looked up:
 * most are not. All of its memory goes through here, so there is a version for processors that
 * take eight words at once.
 */
#ifndef MEMTRACE_COLLECTOR_LEAK_SIFT_H
#define MEMTRACE_COLLECTOR_LEAK_SIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a node lies. */
struct leak_extent {
	uint64_t address;
	uint64_t end; /* of a node of no bytes one byte further */
};

/* Words that are looked up together: while one waits for memory, so do the others. */
#define LEAK_BATCH_WORDS 64u
#define LEAK_BATCH_SPARE 8u /* a batch is full when it has not room for so many more */
struct leak_batch {
	uint32_t count;
	uint64_t words[LEAK_BATCH_WORDS];
	uint64_t places[LEAK_BATCH_WORDS]; /* the owner's: where each is from */
	uint32_t nodes[LEAK_BATCH_WORDS];  /* what was found: LEAK_INDEX_NONE, or a node */
};

static inline bool leak_batch_has_room(uint32_t count)
{
	return count + LEAK_BATCH_SPARE <= LEAK_BATCH_WORDS;
}

static inline bool leak_batch_is_full(const struct leak_batch *batch)
{
	return !leak_batch_has_room(batch->count);
}

#define LEAK_PAGE_BITS 16u /* pages of so many address bits have a bit each, by a hash */
#define LEAK_PAGE_FOLD 15u

static inline uint32_t leak_page_bit(uint64_t page, uint32_t page_mask)
{
	return (uint32_t)(page ^ page >> LEAK_PAGE_FOLD) & page_mask;
}

/* What words are held against. Words may be pointers ... */
struct leak_sieve {
	uint64_t low; /* ... if they are in [low, low + span), */
	uint64_t span;
	struct leak_extent own; /* not in here, */
	const uint64_t *pages;  /* and their page has its bit: [page_mask / 64 + 1] */
	uint32_t page_mask;
	uint64_t place; /* of the first word; of the next one `place_step` more */
	uint64_t place_step;
};

/* Adds those of words [count] that may be pointers, until the batch is full. returns how many words
 * were looked at */
typedef size_t leak_sift_function(const struct leak_sieve *sieve, struct leak_batch *batch,
				  const uint64_t *words, size_t count);

leak_sift_function leak_sift_plain;

/* With AVX-512; NULL: there is none on this machine. */
leak_sift_function *leak_sift_wide(void);

static inline leak_sift_function *leak_sift_best(void)
{
	leak_sift_function *wide = leak_sift_wide();
	return wide ? wide : leak_sift_plain;
}

#endif
