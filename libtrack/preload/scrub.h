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
#include <string.h>

/* Zeroes all that the program may have written to a block (not NULL) that is about to be freed. */
void scrub_block(void *block);

/*
 * Zeroes what the allocator has left in a block that was made just now: the links of its lists of
 * free memory. They are at the beginning of what was free; where such pieces were joined, anywhere.
 */
#define SCRUB_WHOLE_MAX 1024u
#define SCRUB_LINKS_BYTES 48u

static inline void scrub_fresh(void *block, size_t size_bytes)
{
	memset(block, 0, size_bytes <= SCRUB_WHOLE_MAX ? size_bytes : SCRUB_LINKS_BYTES);
}

/*
 * Finds out how glibc marks free blocks, from two of its own. A block that the program frees for
 * the second time is left alone from then on, so that glibc sees that and says so.
 */
void scrub_start(void);

/*
 * realloc that leaves nothing behind: a tail that is cut off is zeroed, a
 * block that has to grow moves by allocation, copy and release, unless it is large.
 */
void *scrub_realloc(void *old, size_t size_bytes);

#endif
