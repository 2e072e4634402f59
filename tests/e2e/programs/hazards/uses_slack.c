/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Uses every byte that malloc_usable_size() grants, also across realloc. */
#include <malloc.h>
#include <string.h>

#include "keep.h"

static int failures;

static size_t fill(unsigned char *block)
{
	size_t usable_bytes = malloc_usable_size(block);
	for (size_t i = 0; i < usable_bytes; i++)
		block[i] = (unsigned char)(i * 31 + 7);
	return usable_bytes;
}

static void check(const unsigned char *block, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++) {
		if (block[i] == (unsigned char)(i * 31 + 7))
			continue;
		failures++;
		return;
	}
}

static void resize(size_t from, size_t to)
{
	unsigned char *block = malloc(from);
	size_t before = fill(block);
	block = realloc(block, to);
	size_t after = malloc_usable_size(block);
	check(block, before < after ? before : after);
	(void)fill(block);
	free(block);
}

int main(void)
{
	static void *blocks[200];
	for (int i = 0; i < 200; i++) {
		blocks[i] = i % 2 ? malloc(1 + i * 11) : memalign(64, 1 + i * 7);
		(void)fill(blocks[i]);
	}
	for (int i = 0; i < 200; i++) {
		check(blocks[i], malloc_usable_size(blocks[i]));
		free(blocks[i]);
	}
	/* What was free is usable from end to end, and is cut up. */
	for (int i = 0; i < 200; i++)
		(void)fill(blocks[i] = malloc(24 + i));
	for (int i = 0; i < 200; i++)
		free(blocks[i]);
	for (size_t from = 1; from < 400; from += 3) {
		for (size_t to = 1; to < 400; to += 13)
			resize(from, to);
		resize(from, 100000);
		resize(from * 1000, from * 1007);
		resize(from * 1007, from * 1000);
		resize(from * 1007, from);
	}
	keep(5231, 2);
	printf("%d failures, %zu for nothing\n", failures, malloc_usable_size(NULL));
	return 0;
}
