/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unmaps and moves what can't be: no bytes, all bytes, no pages. */
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>

#include "keep.h"

int main(void)
{
	static const size_t sizes[] = {0,         SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2,
				       1ul << 60, 1ul << 50};
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		printf("%d %d\n", munmap(NULL, sizes[i] | (i == 5) << 63),
		       munmap(page + 1, sizes[i]));
		printf("%d\n", mremap(page, 4096, i == 5 ? 0 : sizes[i], 0) == MAP_FAILED);
		printf("%d\n", mremap(page + 8, sizes[i], 4096, MREMAP_MAYMOVE) == MAP_FAILED);
		printf("%d\n", mmap(NULL, sizes[i], PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				    0) == MAP_FAILED);
		keep(5211, 1);
	}
	page[0] = 1;
	return 0;
}
