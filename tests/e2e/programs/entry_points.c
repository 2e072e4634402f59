/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * entry_points [NAME]: the functions of the allocator with sizes of all kinds, one of them or all,
 * the failing calls too. Counted by an independent tool as well.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *volatile sink;
static const size_t sizes[] = {0, 1, 7, 24, 25, 100, 4096, 100000, 200000, 5000000};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void with_malloc(size_t size)
{
	free(malloc(size));
}

static void with_calloc(size_t size)
{
	free(calloc(3, size));
	free(calloc(size, 1));
}

static void with_realloc(size_t size)
{
	void *block = realloc(NULL, size);
	block = realloc(block, size + 1000);
	block = realloc(block, size / 2 + 1);
	block = realloc(block, size / 2 + 1);
	free(block);
}

static void with_reallocarray(size_t size)
{
	void *block = reallocarray(NULL, size, 2);
	free(reallocarray(block, size + 1, 3));
}

static void with_memalign(size_t size)
{
	for (size_t alignment = 8; alignment <= 65536; alignment *= 4)
		free(memalign(alignment, size));
}

static void with_aligned_alloc(size_t size)
{
	free(aligned_alloc(64, size / 64 * 64));
}

static void with_posix_memalign(size_t size)
{
	void *block = NULL;
	if (posix_memalign(&block, 256, size) == 0)
		free(block);
}

static void with_valloc(size_t size)
{
	free(valloc(size));
}

static void with_pvalloc(size_t size)
{
	free(pvalloc(size));
}

static void with_realloc_zero(size_t size)
{
	void *block = malloc(size);
	if (block && size > 0)
		sink = realloc(block, 0);
	else
		free(block);
}

static void with_failures(size_t size)
{
	void *block = malloc(size);
	memset(block, 1, size);
	errno = 0;
	sink = realloc(block, PTRDIFF_MAX);
	sink = reallocarray(block, SIZE_MAX / 2, 3);
	sink = calloc(SIZE_MAX / 2, 3);
	sink = malloc(PTRDIFF_MAX);
	free(block);
}

static const struct {
	const char *name;
	void (*function)(size_t size);
} entries[] = {
	{"malloc", with_malloc},
	{"calloc", with_calloc},
	{"realloc", with_realloc},
	{"reallocarray", with_reallocarray},
	{"memalign", with_memalign},
	{"aligned_alloc", with_aligned_alloc},
	{"posix_memalign", with_posix_memalign},
	{"valloc", with_valloc},
	{"pvalloc", with_pvalloc},
	{"realloc_zero", with_realloc_zero},
	{"failures", with_failures},
};

int main(int count, char **arguments)
{
	for (size_t e = 0; e < sizeof(entries) / sizeof(entries[0]); e++)
		for (size_t s = 0; s < SIZES; s++)
			if (count == 1 || strcmp(arguments[1], entries[e].name) == 0)
				entries[e].function(sizes[s]);
	return 0;
}
