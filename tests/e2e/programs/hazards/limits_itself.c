/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes its own resources away, and goes on. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "keep.h"

static void limit(int resource, rlim_t value)
{
	struct rlimit both = {value, value};
	if (setrlimit(resource, &both) != 0)
		abort();
}

static pthread_barrier_t barrier;

static void *allocate(void *unused)
{
	keep(5111, 5);
	pthread_barrier_wait(&barrier);
	return NULL;
}

static void use_threads(int count)
{
	pthread_t threads[count];
	pthread_barrier_init(&barrier, NULL, count);
	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, allocate, NULL) != 0)
			abort();
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	keep(5113, 1);
	if (strcmp(argv[1], "files") == 0) {
		limit(RLIMIT_NOFILE, 0);
		use_threads(40);
	} else if (strcmp(argv[1], "file-size") == 0) {
		limit(RLIMIT_FSIZE, 0);
		use_threads(40);
	} else if (strcmp(argv[1], "processes") == 0) {
		pthread_t thread;
		limit(RLIMIT_NPROC, 0);
		/* A child would say so twice. */
		printf("%d\n", fork() < 0 && errno == EAGAIN);
		printf("%d\n", pthread_create(&thread, NULL, allocate, NULL) == EAGAIN);
		keep(5111, 200);
	} else if (strcmp(argv[1], "core") == 0) {
		limit(RLIMIT_CORE, 0);
		limit(RLIMIT_MEMLOCK, 0);
		limit(RLIMIT_SIGPENDING, 0);
		use_threads(40);
	} else if (strcmp(argv[1], "address-space") == 0) {
		/* Half a gigabyte, all of it used up: malloc returns NULL, and then goes on. */
		void *last = NULL;
		limit(RLIMIT_AS, 512 << 20);
		for (;;) {
			void **block = malloc(1 << 20);
			if (!block)
				break;
			*block = last;
			last = block;
		}
		printf("%s\n", strerror(errno));
		while (kept = malloc(2000))
			;
		printf("%d\n", realloc(last, 300 << 20) == NULL);
		while (last) {
			void *next = *(void **)last;
			free(last);
			last = next;
		}
		keep(5115, 3);
	}
	puts("done");
	return 0;
}
