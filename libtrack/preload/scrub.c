/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/preload/scrub.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "libtrack/preload/real.h"

/* Larger blocks are left to realloc, which may extend them in place or move their pages. */
#define MOVED_BYTES_MAX (32u << 10)
#define GLIBC_ALIGNMENT 16u
#define GLIBC_IS_MMAPPED 2u

/* Goes back to the kernel when it is freed: nobody gets its contents. */
static bool has_own_mapping(const void *block)
{
	return real.is_glibc && ((const size_t *)block)[-1] & GLIBC_IS_MMAPPED;
}

/* 0 where it can't be told, or a free is about to end the program with a message. */
static size_t usable_bytes(void *block)
{
	if (!real.malloc_usable_size || (uintptr_t)block % GLIBC_ALIGNMENT != 0)
		return 0;
	return real.malloc_usable_size(block);
}

void scrub_block(void *block)
{
	size_t size_bytes = usable_bytes(block);
	if (size_bytes > 0 && !has_own_mapping(block))
		memset(block, 0, size_bytes);
}

static void *move(void *old, size_t old_bytes, size_t size_bytes)
{
	void *block = real.malloc(size_bytes);
	if (!block)
		return real.realloc(old, size_bytes); /* there may be room where it is */
	memcpy(block, old, old_bytes);
	memset(old, 0, old_bytes);
	real.free(old);
	return block;
}

void *scrub_realloc(void *old, size_t size_bytes)
{
	size_t old_bytes = usable_bytes(old);
	if (old_bytes == 0 || has_own_mapping(old))
		return real.realloc(old, size_bytes);
	if (size_bytes > old_bytes && old_bytes <= MOVED_BYTES_MAX)
		return move(old, old_bytes, size_bytes);
	if (size_bytes < old_bytes)
		memset((char *)old + size_bytes, 0, old_bytes - size_bytes);
	return real.realloc(old, size_bytes);
}
