/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resident LIVE SHORT MEGABYTES: prints its own resident memory, in KiB, with LIVE threads that
 * have allocated and wait, after SHORT threads one after the other, and with a heap of MEGABYTES.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_barrier_t barrier;

__attribute__((noinline)) static void allocate(int depth, size_t size_bytes)
{
	if (depth > 0) {
		allocate(depth - 1, size_bytes);
	} else {
		void *volatile block = malloc(size_bytes);
		free(block);
	}
	__asm__ volatile("" ::: "memory");
}

static void *lives(void *unused)
{
	/* More events than a ring holds, at many depths. */
	for (int i = 0; i < 20000; i++)
		allocate(i % 50, 16 + i % 512);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void *is_short(void *unused)
{
	for (int i = 0; i < 20; i++)
		allocate(i, 100);
	return NULL;
}

static long resident_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "VmRSS: %ld", &kib);
	if (file)
		fclose(file);
	return kib;
}

int main(int count, char **arguments)
{
	int live = atoi(arguments[1]);
	int shorts = atoi(arguments[2]);
	size_t megabytes = (size_t)atoi(arguments[3]);
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, live + 1);
	for (int i = 0; i < live; i++)
		if (pthread_create(&thread, NULL, lives, NULL) != 0)
			return 1;
	for (int i = 0; i < shorts; i++)
		if (pthread_create(&thread, NULL, is_short, NULL) != 0 ||
		    pthread_join(thread, NULL) != 0)
			return 1;
	for (size_t i = 0; i < megabytes * 256; i++)
		memset(malloc(4000), 1, 4000);
	pthread_barrier_wait(&barrier);
	printf("%ld\n", resident_kib());
	fflush(stdout);
	pthread_barrier_wait(&barrier);
	return 0;
}
