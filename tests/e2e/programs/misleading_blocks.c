/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small blocks of all sizes, full of what in front of a block of glibc's would say that it is in
 * an arena; half of them are freed. Where blocks have no headers that is what is in front of one.
 */
#include <stdlib.h>

#define BLOCKS 4000

static void *blocks[BLOCKS];

int main(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		size_t words = 1 + i % 16;
		unsigned long *block = malloc(words * sizeof(*block));
		for (size_t k = 0; k < words; k++)
			block[k] = 0x35;
		blocks[i] = block;
	}
	for (int i = 0; i < BLOCKS; i += 2)
		free(blocks[i]);
	return 0;
}
