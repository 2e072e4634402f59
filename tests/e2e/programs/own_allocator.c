/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A library with an allocator under jemalloc's prefix, and C23's functions, as a newer C library
 * has them. It never calls malloc; its own inner calls go through its own references.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(64) char memory[1 << 20];
static size_t used;

void *je_malloc(size_t size)
{
	char *block = memory + used + 16;
	memcpy(block - 16, &size, sizeof(size));
	used += 16 + (size + 15) / 16 * 16;
	return block;
}

void je_free(void *block)
{
	(void)block;
}

void *je_calloc(size_t count, size_t size)
{
	return je_malloc(count * size);
}

void *je_realloc(void *old, size_t size)
{
	void *block = je_malloc(size);
	if (old)
		memcpy(block, old, size < 16 ? size : 16);
	je_free(old);
	return block;
}

void free_sized(void *block, size_t size)
{
	(void)size;
	free(block);
}

void free_aligned_sized(void *block, size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	free(block);
}
