/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reserves 100 GB, in one piece and in many, and a block of malloc's of 20 GB. */
#include <sys/mman.h>

#include "keep.h"

int main(void)
{
	size_t giga = 1ul << 30;
	char *whole = mmap(NULL, 100 * giga, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	printf("%d\n", whole != MAP_FAILED);
	mprotect(whole + 50 * giga, 4096, PROT_READ | PROT_WRITE);
	whole[50 * giga] = 1;
	for (int i = 0; i < 100; i++)
		if (mmap(NULL, giga, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
			return 1;
	keep(5181, 4);
	char *block = malloc(10 * giga);
	if (block) {
		block[5 * giga] = 1;
		free(block);
	}
	puts("done");
	return 0;
}
