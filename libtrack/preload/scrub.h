/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Zeroing blocks before they are freed, for leak checks.
 *
 * What a freed block held stays in memory until somebody writes over it; when the allocator gives
 * the memory out again, old pointers in it make lost blocks look reachable.
 */
#ifndef MEMTRACE_PRELOAD_SCRUB_H
#define MEMTRACE_PRELOAD_SCRUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "libtrack/preload/hidden.h"
#include "libtrack/preload/real.h"

#define GLIBC_ALIGNMENT 16u
#define GLIBC_PREVIOUS_IS_IN_USE 1u
#define GLIBC_IS_IN_ARENA 4u
#define GLIBC_HEADER_BYTES 8u

/* Zeroes all that the program may have written to a block (not NULL) that is about to be freed. */
void scrub_block(void *block);

/*
 * memset to 0, for blocks, most of which are small: a call costs more than the stores, and so does
 * the string instruction that compilers take in place of a call.
 */
#define SCRUB_INLINE_MAX 256u

static inline void scrub_zero(void *bytes, size_t size_bytes)
{
	char *at = bytes;
	char *end = at + size_bytes;
	if (size_bytes > SCRUB_INLINE_MAX) {
		memset(bytes, 0, size_bytes);
	} else if (size_bytes >= 16) {
		for (; end - at > 16; at += 16) {
			memset(at, 0, 16);
			__asm__ volatile("" : "+r"(at)); /* else a call of memset is made of it */
		}
		memset(end - 16, 0, 16);
	} else if (size_bytes >= 8) {
		memset(at, 0, 8);
		memset(end - 8, 0, 8);
	} else {
		for (; at < end; at++) {
			*at = 0;
			__asm__ volatile("" : "+r"(at));
		}
	}
}

/*
 * What glibc puts into the second word of a small block that is free, and tells by it that a block
 * is freed twice. 0: not known
 */
extern HIDDEN _Atomic size_t scrub_free_key;

/*
 * Whether a block of glibc's, of which the program may use `usable_bytes`, looks live and no longer
 * than that, but for 16 bytes that could not be split off. What was recorded of it need not hold:
 * libc's own free and realloc can be called past the hooks, as dlsym finds them in libc's handle.
 */
static inline bool scrub_is_as_recorded(const void *block, size_t usable_bytes)
{
	const size_t *words = block;
	size_t flags = GLIBC_PREVIOUS_IS_IN_USE | GLIBC_IS_IN_ARENA;
	size_t more = (words[-1] & ~flags) - (usable_bytes + GLIBC_HEADER_BYTES);
	return (more & ~(size_t)GLIBC_ALIGNMENT) == 0 &&
	       words[1] != atomic_load_explicit(&scrub_free_key, memory_order_relaxed);
}

/*
 * Zeroes a block that is about to be freed, of `size_bytes`, 0: not known. Of glibc's blocks the
 * program may use what is left of their last 16 bytes; that up to 16 more may be in a block which
 * could not be split is passed over.
 */
#define SCRUB_KNOWN_MAX 4096u

static inline void scrub_released(void *block, size_t size_bytes)
{
	size_t least = size_bytes < 24 ? 24 : ((size_bytes + 23) & ~(size_t)15) - 8;
	if (size_bytes > 0 && size_bytes <= SCRUB_KNOWN_MAX && real.is_glibc &&
	    scrub_is_as_recorded(block, least))
		scrub_zero(block, least);
	else
		scrub_block(block);
}

/*
 * Zeroes what the allocator has left in a block that was made just now: the links of its lists of
 * free memory. They are at the beginning of what was free; where such pieces were joined, anywhere.
 */
#define SCRUB_WHOLE_MAX 1024u
#define SCRUB_LINKS_BYTES 48u

static inline void scrub_fresh(void *block, size_t size_bytes)
{
	scrub_zero(block, size_bytes <= SCRUB_WHOLE_MAX ? size_bytes : SCRUB_LINKS_BYTES);
}

/*
 * Finds out how glibc marks and measures blocks, from two of its own. A block that the program
 * frees for the second time is left alone from then on, so that glibc sees that and says so.
 */
void scrub_start(void);

/*
 * realloc that leaves nothing behind: a tail that is cut off is zeroed, a
 * block that has to grow moves by allocation, copy and release, unless it is large.
 */
void *scrub_realloc(void *old, size_t size_bytes);

#endif
