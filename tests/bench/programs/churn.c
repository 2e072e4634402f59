/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * churn COUNT [THREADS]: each thread allocates and frees COUNT times, at shallow stacks.
 *
 * Four functions allocate, sizes are 16 to 527 bytes, each block is freed 64 allocations later by
 * the thread that made it: threads share nothing but the allocator.
 */
#include <pthread.h>
#include <stdlib.h>

#define LIVE 64
#define MAX_THREADS 64

static long count;

#define SITE(name)                                                                                 \
	__attribute__((noinline)) static void *name(size_t size_bytes)                             \
	{                                                                                          \
		void *block = malloc(size_bytes);                                                  \
		__asm__ volatile("" : : "r"(block) : "memory");                                    \
		return block;                                                                      \
	}
SITE(make_node)
SITE(make_text)
SITE(make_row)
SITE(make_list)

static void *churn(void *unused)
{
	static void *(*const sites[])(size_t) = {make_node, make_text, make_row, make_list};
	void *live[LIVE] = {NULL};
	unsigned random = 1;
	for (long i = 0; i < count; i++) {
		random = random * 1664525 + 1013904223;
		void **place = &live[i % LIVE];
		free(*place);
		*place = sites[random >> 30](16 + (random >> 16) % 512);
	}
	for (size_t i = 0; i < LIVE; i++)
		free(live[i]);
	return unused;
}

int main(int argument_count, char **arguments)
{
	count = argument_count > 1 ? atol(arguments[1]) : 100000;
	int thread_count = argument_count > 2 ? atoi(arguments[2]) : 1;
	if (thread_count == 1) {
		churn(NULL);
		return 0;
	}
	pthread_t threads[MAX_THREADS];
	if (thread_count > MAX_THREADS)
		return 1;
	for (int i = 0; i < thread_count; i++)
		if (pthread_create(&threads[i], NULL, churn, NULL) != 0)
			return 1;
	for (int i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
