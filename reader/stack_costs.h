/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each (stack trace, thread, kind of allocation) of an image has cost.
 *
 * The composition of the high-water mark is kept without a copy of everything at each new mark:
 * marks are numbered, and a cost notes its live values the first time that it changes after a
 * mark. At the end, a cost that has not changed since the last mark had at the mark what it has
 * now; the others have it noted. So the values at the mark sum up to the mark exactly.
 */
#ifndef MEMTRACE_READER_STACK_COSTS_H
#define MEMTRACE_READER_STACK_COSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stack_cost {
	uint32_t stack;  /* node of the image's trie */
	uint32_t thread; /* index in the image */
	uint32_t kind;   /* enum allocation_kind */
	uint32_t mark;   /* number of the mark that peak_* belong to */
	uint64_t allocations;
	uint64_t allocated_bytes;
	uint64_t live_blocks;
	uint64_t live_bytes;
	uint64_t peak_blocks; /* at the high-water mark of the tree */
	uint64_t peak_bytes;
	uint64_t temporary; /* allocations freed by their thread before its next one */
	uint64_t
		short_lived; /* freed at the time they were made, as far as the log's clock tells */
};

struct stack_costs {
	struct stack_cost *items; /* [count] */
	uint32_t *slots;          /* [mask + 1] index + 1 into items, 0 = empty */
	uint32_t count;
	uint32_t capacity;
	uint32_t mask;
};

#define STACK_COST_NONE UINT32_MAX

/* returns  false if there is no memory */
bool stack_costs_init(struct stack_costs *costs);
void stack_costs_release(struct stack_costs *costs);

/* Finds or makes an entry. returns its index, STACK_COST_NONE: no memory */
uint32_t stack_costs_entry(struct stack_costs *costs, uint32_t stack, uint32_t thread,
			   uint32_t kind);

/* returns  the entry's index; STACK_COST_NONE: there is none */
uint32_t stack_costs_find(const struct stack_costs *costs, uint32_t stack, uint32_t thread,
			  uint32_t kind);

/* To be called before the live values of `cost` change; `mark` is the number of the last mark. */
static inline void stack_cost_touch(struct stack_cost *cost, uint32_t mark)
{
	if (cost->mark != mark) {
		cost->peak_blocks = cost->live_blocks;
		cost->peak_bytes = cost->live_bytes;
		cost->mark = mark;
	}
}

/* Brings peak_* of all entries to the last mark. */
void stack_costs_settle(struct stack_costs *costs, uint32_t mark);

#endif
