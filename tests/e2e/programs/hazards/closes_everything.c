/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closes every descriptor there is or could be, then needs many threads. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>

#include "keep.h"

static pthread_barrier_t barrier;

static void *allocate(void *unused)
{
	keep(5081, 10);
	pthread_barrier_wait(&barrier);
	return NULL;
}

int main(void)
{
	pthread_t threads[60];
	closefrom(3);
	close_range(3, ~0u, 0);
	for (int fd = 3; fd < 4096; fd++)
		close(fd);
	printf("%d\n", open("/dev/null", O_RDONLY));
	pthread_barrier_init(&barrier, NULL, 60);
	for (int i = 0; i < 60; i++)
		pthread_create(&threads[i], NULL, allocate, NULL);
	for (int i = 0; i < 60; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
