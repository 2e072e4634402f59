/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 2000 blocks of 100 bytes are made at the start, so much is allocated at ever new places that a
 * log of limited size goes over to sampling, and then half of the 2000 are freed, some by realloc.
 */
#include <pthread.h>
#include <stdlib.h>

#define BLOCKS 2000

static char *blocks[BLOCKS];

__attribute__((noinline)) static void make_blocks(void)
{
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(100);
}

/* 2^depth different stack traces. */
__attribute__((noinline)) static void churn(unsigned path, int depth, int size)
{
	if (depth == 0) {
		void *volatile block = malloc((size_t)size);
		free(block);
		return;
	}
	if (path & 1)
		churn(path >> 1, depth - 1, size);
	else
		churn(path >> 1, depth - 1, size + 8);
	__asm__ volatile("");
}

static void *churn_in_thread(void *unused)
{
	for (unsigned i = 0; i < 600000; i++)
		churn(i * 2654435761u >> 12, 16, 16);
	return unused;
}

int main(void)
{
	pthread_t thread;
	make_blocks();
	pthread_create(&thread, NULL, churn_in_thread, NULL);
	churn_in_thread(NULL);
	pthread_join(thread, NULL);
	for (int i = 0; i < BLOCKS; i += 2) {
		if (i % 4 == 0)
			free(blocks[i]);
		else
			free(realloc(blocks[i], 10));
	}
	return 0;
}
