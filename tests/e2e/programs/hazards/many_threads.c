/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads: many at a time, or many one after the other. */
#include <pthread.h>

#include "keep.h"

static pthread_barrier_t barrier;
static int waits;

static void *allocate(void *unused)
{
	keep(5171, 3);
	if (waits)
		pthread_barrier_wait(&barrier);
	free(malloc(5173));
	return NULL;
}

int main(int argc, char **argv)
{
	int at_once = atoi(argv[1]);
	int rounds = atoi(argv[2]);
	pthread_t *threads = calloc(at_once, sizeof(*threads));
	pthread_attr_t attributes;
	waits = at_once > 1;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	pthread_barrier_init(&barrier, NULL, at_once);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < at_once; i++)
			if (pthread_create(&threads[i], &attributes, allocate, NULL) != 0)
				return 1;
		for (int i = 0; i < at_once; i++)
			pthread_join(threads[i], NULL);
	}
	puts("joined");
	return 0;
}
