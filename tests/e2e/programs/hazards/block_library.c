/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes and ends blocks. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *volatile kept;

void *make_block(void)
{
	return malloc(5165);
}

void end_block(void *block)
{
	free(block);
}

/* One of each kind, moved, and a mapping of 12 pages. returns a sum that tells that all worked */
int keep_blocks(void)
{
	int found = 0;
	found += (kept = malloc(5241)) != NULL;
	found += (kept = calloc(5243, 1)) != NULL;
	found += (kept = realloc(malloc(77), 5245)) != NULL;
	found += (kept = reallocarray(NULL, 5247, 1)) != NULL;
	found += (kept = memalign(64, 5249)) != NULL;
	found += posix_memalign((void **)&kept, 64, 5251) == 0;
	found += (kept = aligned_alloc(64, 5253)) != NULL;
	found += (kept = strdup("libc's own call")) != NULL;
	found += mmap(NULL, 12 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
	return found;
}
