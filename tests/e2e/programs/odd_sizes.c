/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 64000 blocks of 25 bytes in each of 4 threads, 100 of 200001 bytes by realloc, one of 100 MB.
 * What they have beyond that is printed: requested and usable bytes of all of them.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic size_t requested_bytes;
static _Atomic size_t usable_bytes;

static void *note(void *block, size_t size_bytes)
{
	requested_bytes += size_bytes;
	usable_bytes += malloc_usable_size(block);
	return block;
}

static void *work(void *unused)
{
	for (int i = 0; i < 64000; i++) {
		void *block = note(malloc(25), 25);
		if (i % 2)
			free(block);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	void *large = NULL;
	(void)setvbuf(stdout, NULL, _IONBF, 0); /* no block that is not counted here */
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 100; i++)
		large = note(realloc(large, 200001 + i), 200001 + i);
	free(note(malloc(100 << 20), 100 << 20));
	printf("%zu %zu\n", requested_bytes, usable_bytes);
	return 0;
}
