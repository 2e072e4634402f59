/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory for arrays: that grow, and of as many items as a heap has blocks. */
#ifndef MEMTRACE_COLLECTOR_ARRAYS_H
#define MEMTRACE_COLLECTOR_ARRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ARRAY_ITEMS_FIRST 256u

/* Makes room for `wanted` items, and for as many again. returns false: no memory */
static inline bool array_reserve(void **items, size_t wanted, size_t *capacity, size_t item_bytes)
{
	if (wanted <= *capacity)
		return true;
	size_t larger = *capacity ? *capacity : ARRAY_ITEMS_FIRST;
	while (larger < wanted)
		larger *= 2;
	void *grown = realloc(*items, larger * item_bytes);
	if (!grown)
		return false;
	*items = grown;
	*capacity = larger;
	return true;
}

#define LARGE_PAGE_BYTES ((size_t)2 << 20)

/* In large pages, where there are such. returns for free(); NULL: no memory */
static inline void *large_array(size_t count, size_t item_bytes)
{
	size_t size_bytes;
	if (__builtin_mul_overflow(count, item_bytes, &size_bytes))
		return NULL;
	if (size_bytes < LARGE_PAGE_BYTES)
		return malloc(size_bytes);
	size_bytes = (size_bytes + LARGE_PAGE_BYTES - 1) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
	void *array = aligned_alloc(LARGE_PAGE_BYTES, size_bytes);
	if (array)
		(void)madvise(array, size_bytes, MADV_HUGEPAGE); /* an advice */
	return array;
}

#endif
