/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks that are never freed, each size from one place: the test knows its stack trace. */
#ifndef TESTS_E2E_UNWINDING_ALLOCATE_H
#define TESTS_E2E_UNWINDING_ALLOCATE_H

#include <stdlib.h>

/* A function of its own: not inlined, specialised, or made one with another of the same text. */
#define FUNCTION __attribute__((noinline, noclone, noipa)) static
/* Behind a call at a function's end: it is not made a jump. */
#define NO_TAIL_CALL() __asm__ volatile("" ::: "memory")

static void *volatile last_kept;

FUNCTION void allocate(size_t size_bytes)
{
	last_kept = malloc(size_bytes);
	NO_TAIL_CALL();
}

#endif
