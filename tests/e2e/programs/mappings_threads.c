/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mappings_threads THREADS ROUNDS: threads that map and unmap all the time, so that the kernel
 * gives one's range to the next. Each keeps three pages.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

static long rounds;

static char *map_pages(size_t pages)
{
	return mmap(NULL, pages * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void *work(void *unused)
{
	for (long i = 0; i < rounds; i++)
		munmap(map_pages(2), 2 * 4096);
	map_pages(3);
	return unused;
}

int main(int count, char **arguments)
{
	static pthread_t threads[64];
	int thread_count = atoi(arguments[1]);
	rounds = atol(arguments[2]);
	for (int i = 0; i < thread_count; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	return count != 3;
}
