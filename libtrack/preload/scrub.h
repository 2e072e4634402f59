/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Zeroing blocks before they are freed, for leak checks.
 *
 * What a freed block held stays in memory until somebody writes over it; when the allocator gives
 * the memory out again, old pointers in it make lost blocks look reachable.
 */
#ifndef MEMTRACE_PRELOAD_SCRUB_H
#define MEMTRACE_PRELOAD_SCRUB_H

#include <stddef.h>

/* Zeroes all that the program may have written to a block (not NULL) that is about to be freed. */
void scrub_block(void *block);

/*
 * realloc of a block (not NULL) that leaves nothing behind: a tail that is cut off is zeroed, a
 * block that has to grow moves by allocation, copy and release, unless it is large.
 */
void *scrub_realloc(void *old, size_t size_bytes);

#endif
