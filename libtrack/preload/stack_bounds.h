/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which memory is stack: how far a walk from a stack pointer may read.
 *
 * The main thread's stack ends at __libc_stack_end and can't be longer than the limit allows.
 * Another thread's is in its struct pthread, right where the thread pointer points: three words,
 * base, size and guard, which are found once by what they must be. Everything else is foreign.
 */
#ifndef MEMTRACE_PRELOAD_STACK_BOUNDS_H
#define MEMTRACE_PRELOAD_STACK_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STACK_COPY_WORDS 1024u /* of a foreign stack, from its stack pointer up */

struct stack_bounds {
	uintptr_t low;  /* the thread's own stack: [low, high) */
	uintptr_t high; /* 0: not known */
};

/* Finds out the calling thread's own stack. */
void stack_bounds_init(struct stack_bounds *bounds);

/*
 * The calling thread's own stack in full, with its TLS and struct pthread. ret_whole is set on
 * success. returns  false: the main thread's, or one that is not known
 */
bool stack_bounds_whole(struct stack_bounds *ret_whole);

/* Which word of struct pthread holds the stack's base, + 1; 0: not known yet. */
uint32_t stack_bounds_place(void);

static inline bool stack_bounds_contain(const struct stack_bounds *bounds, uintptr_t sp)
{
	return sp - bounds->low < bounds->high - bounds->low;
}

/*
 * Copies what is readable of [sp, sp + 8 * STACK_COPY_WORDS) to `words`.
 * returns  bytes copied, a multiple of 8
 */
size_t stack_copy(uintptr_t sp, uint64_t *words);

#endif
