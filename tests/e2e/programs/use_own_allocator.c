/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>
#include <stdlib.h>

void *je_malloc(size_t);
void *je_calloc(size_t, size_t);
void *je_realloc(void *, size_t);
void je_free(void *);
void free_sized(void *, size_t);
void free_aligned_sized(void *, size_t, size_t);

int main(void)
{
	void *block = je_malloc(100);   /* +1, 100 */
	block = je_realloc(block, 200); /* +1 -1, 200 */
	je_free(block);                 /* -1 */
	je_free(NULL);
	je_calloc(3, 11);                                    /* +1, 33: live */
	free_sized(malloc(50), 50);                          /* +1 -1, 50 */
	free_aligned_sized(aligned_alloc(64, 128), 64, 128); /* +1 -1, 128 */
	return 0; /* 5 allocations, 4 releases, 511 bytes */
}
