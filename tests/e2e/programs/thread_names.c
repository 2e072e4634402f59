/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads named in every way; each leaves a block whose size tells which it is. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

static void *volatile left;
static pthread_barrier_t barrier;

static void *by_itself(void *unused)
{
	left = malloc(1001);
	pthread_setname_np(pthread_self(), "by itself");
	return unused;
}

static void *by_prctl(void *unused)
{
	left = malloc(1002);
	prctl(PR_SET_NAME, "by prctl");
	return unused;
}

static void *by_another(void *unused)
{
	left = malloc(1003);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return unused;
}

int main(void)
{
	pthread_t threads[3];
	char name[16] = {0};
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&threads[0], NULL, by_itself, NULL);
	pthread_create(&threads[1], NULL, by_prctl, NULL);
	pthread_create(&threads[2], NULL, by_another, NULL);
	pthread_barrier_wait(&barrier);
	pthread_setname_np(threads[2], "by another");
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	left = malloc(1004);
	return prctl(PR_GET_NAME, name) != 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0;
}
