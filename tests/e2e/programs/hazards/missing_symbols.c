/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Look-ups that fail, in many threads: libc allocates their messages. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>

#include "keep.h"

static void *look_up(void *unused)
{
	for (int i = 0; i < 200; i++) {
		if (dlsym(RTLD_DEFAULT, "no such function") || !dlerror())
			abort();
		keep(5011, 1);
	}
	return dlopen("/no/such/library.so", RTLD_NOW);
}

int main(void)
{
	pthread_t threads[8];
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, look_up, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	puts("done");
	return 0;
}
