/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An arena that tells memtrace what it hands out: its first block has the address of the chunk
 * that malloc gave. Prints the same whether or not it is recorded.
 */
#include <memtrace/memtrace.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_BYTES 65536

static char *chunk;
static size_t used;

static __attribute__((noinline)) void *arena_allocate(size_t size_bytes)
{
	if (!chunk)
		chunk = malloc(CHUNK_BYTES);
	void *block = chunk + used;
	used += (size_bytes + 15) / 16 * 16;
	memtrace_pool_allocated(block, size_bytes);
	return block;
}

static __attribute__((noinline)) void arena_free(void *block)
{
	memtrace_pool_released(block);
}

int main(int count, char **arguments)
{
	static char buffer[4096];
	(void)arguments;
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer)); /* so that stdio allocates nothing */
	void *first = arena_allocate(100);               /* +1, 100 */
	memtrace_marker("one block");
	for (int i = 0; i < 10; i++)
		arena_free(arena_allocate(24)); /* +10 -10, 240 */
	void *moved = arena_allocate(50);       /* +1, 50 */
	memtrace_pool_moved(moved, moved, 70);  /* +1 -1, 70: in place */
	memtrace_pool_allocated(NULL, 5);
	memtrace_pause();
	memtrace_pause();
	void *unseen = malloc(777); /* not recorded */
	free(malloc(888));
	memtrace_resume();
	arena_allocate(999); /* not recorded */
	void *still = malloc(33333);
	memtrace_resume();
	memtrace_resume(); /* one too many: nothing */
	free(unseen);
	free(still);
	arena_free(first); /* -1; live: one block of 70 bytes, and the chunk */
	free(malloc(4000));
	memtrace_marker("the end");
	memtrace_leak_check();
	memtrace_ignore(chunk);
	memtrace_disable();
	memtrace_enable();
	if (count > 1)
		printf("recording %d\n", memtrace_is_recording());
	printf("used %zu\n", used);
	return 0;
}
