/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Coroutines that allocate on stacks of their own, in two threads. */
#include <pthread.h>
#include <ucontext.h>

#include "keep.h"

#define COUNT 50

struct pool {
	ucontext_t scheduler;
	ucontext_t contexts[COUNT];
};

static void body(struct pool *pool, int index)
{
	for (int i = 0; i < 20; i++) {
		keep(5141, 1);
		free(malloc(5143));
		swapcontext(&pool->contexts[index], &pool->scheduler);
	}
}

static void entry(int high, int low, int index)
{
	body((struct pool *)((unsigned long)(unsigned)high << 32 | (unsigned)low), index);
}

static void *work(void *unused)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	unsigned long address = (unsigned long)pool;
	for (int i = 0; i < COUNT; i++) {
		getcontext(&pool->contexts[i]);
		pool->contexts[i].uc_stack.ss_sp = malloc(32768);
		pool->contexts[i].uc_stack.ss_size = 32768;
		pool->contexts[i].uc_link = &pool->scheduler;
		makecontext(&pool->contexts[i], (void (*)(void))entry, 3, (int)(address >> 32),
			    (int)address, i);
	}
	for (int round = 0; round < 21; round++)
		for (int i = 0; i < COUNT; i++)
			swapcontext(&pool->scheduler, &pool->contexts[i]);
	return NULL;
}

int main(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, work, NULL);
	work(NULL);
	pthread_join(thread, NULL);
	puts("done");
	return 0;
}
