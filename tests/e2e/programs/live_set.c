/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * live_set THREADS ROUNDS: threads allocate, resize and free each other's blocks, and what is in
 * the shared table at the end stays. Prints what the program knows: the allocations and the
 * deallocations that its threads have made (a realloc is one of each), and the blocks and bytes
 * that it holds.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACES 4096

/* Every block begins with its size. */
static _Atomic(size_t *) places[PLACES];
static long rounds;
static atomic_ulong allocations;
static atomic_ulong deallocations;

static void *exchange(void *argument)
{
	uint32_t random = (uint32_t)(size_t)argument * 2654435761u + 1;
	unsigned long made = 0;
	unsigned long freed = 0;
	for (long i = 0; i < rounds; i++) {
		random = random * 1664525 + 1013904223;
		size_t size = 16 + (random >> 8) % 300;
		_Atomic(size_t *) *place = &places[random >> 16 & (PLACES - 1)];
		/* One in four resizes what it finds, into another place. */
		size_t *old = i % 4 == 0 ? atomic_exchange(place, NULL) : NULL;
		size_t *block = realloc(old, size);
		freed += old != NULL;
		made++;
		block[0] = size;
		place = &places[random >> 20 & (PLACES - 1)];
		old = atomic_exchange(place, block);
		freed += old != NULL;
		free(old);
	}
	atomic_fetch_add(&allocations, made);
	atomic_fetch_add(&deallocations, freed);
	return NULL;
}

int main(int count, char **arguments)
{
	pthread_t threads[64];
	int thread_count = atoi(arguments[1]);
	unsigned long blocks = 0;
	size_t bytes = 0;
	rounds = atol(arguments[2]);
	for (int i = 0; i < thread_count; i++)
		if (pthread_create(&threads[i], NULL, exchange, (void *)(size_t)i) != 0)
			return 1;
	for (int i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < PLACES; i++) {
		const size_t *block = atomic_load(&places[i]);
		blocks += block != NULL;
		bytes += block ? block[0] : 0;
	}
	printf("%lu %lu %lu %zu\n", atomic_load(&allocations), atomic_load(&deallocations), blocks,
	       bytes);
	return 0;
}
