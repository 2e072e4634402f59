/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory for arrays of as many items as a heap has blocks, in large pages where there are such. */
#ifndef MEMTRACE_COLLECTOR_LARGE_ARRAY_H
#define MEMTRACE_COLLECTOR_LARGE_ARRAY_H

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LARGE_PAGE_BYTES ((size_t)2 << 20)

/* returns  for free(); NULL: no memory */
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
