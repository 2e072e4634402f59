/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * threads_exchange THREADS ROUNDS: threads free each other's blocks.
 *
 * Each thread allocates and leaves blocks in a shared table; each takes what it finds there and
 * frees it. At the end the main thread frees what is left but for one block of 777 bytes a thread.
 * Prints the number of allocations made by threads.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACES 1024

static _Atomic(void *) places[PLACES];
static long rounds;
static atomic_long allocations;

static void *exchange(void *argument)
{
	unsigned random = (unsigned)(size_t)argument * 2654435761u + 1;
	for (long i = 0; i < rounds; i++) {
		random = random * 1664525 + 1013904223;
		void *block = malloc(16 + random % 200);
		free(atomic_exchange(&places[random >> 16 & (PLACES - 1)], block));
	}
	void *volatile kept = malloc(777);
	(void)kept;
	atomic_fetch_add(&allocations, rounds + 1);
	return NULL;
}

int main(int count, char **arguments)
{
	pthread_t threads[64];
	int thread_count = count > 1 ? atoi(arguments[1]) : 8;
	rounds = count > 2 ? atol(arguments[2]) : 20000;
	for (int i = 0; i < thread_count; i++)
		if (pthread_create(&threads[i], NULL, exchange, (void *)(size_t)i) != 0)
			return 1;
	for (int i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < PLACES; i++)
		free(atomic_exchange(&places[i], NULL));
	printf("%ld\n", atomic_load(&allocations));
	return 0;
}
