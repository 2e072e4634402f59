/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program that brings its own malloc, for itself and for the libraries. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char arena[16 << 20];
static size_t used;
static long calls;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The build hides symbols: libraries would use libc's malloc, and this free would abort. */
#pragma GCC visibility push(default)

void *malloc(size_t size_bytes)
{
	pthread_mutex_lock(&lock);
	calls++;
	char *block = arena + used + 16;
	used += (size_bytes + 31) / 16 * 16;
	pthread_mutex_unlock(&lock);
	*(size_t *)(block - 16) = size_bytes;
	return block;
}

void free(void *block)
{
	if (block && ((char *)block < arena || (char *)block >= arena + sizeof(arena)))
		abort(); /* not one of ours */
}

void *calloc(size_t count, size_t size_bytes)
{
	return memset(malloc(count * size_bytes), 0, count * size_bytes);
}

void *realloc(void *old, size_t size_bytes)
{
	void *block = malloc(size_bytes);
	if (old) {
		size_t old_bytes = *(size_t *)((char *)old - 16);
		memcpy(block, old, old_bytes < size_bytes ? old_bytes : size_bytes);
	}
	return block;
}

#pragma GCC visibility pop

int main(void)
{
	char *line = NULL;
	size_t size_bytes = 0;
	long earlier = calls;
	FILE *input = fopen("/proc/self/status", "r");
	while (getline(&line, &size_bytes, input) > 0)
		;
	fclose(input);
	free(line);
	free(strdup("text"));
	printf("%d\n", dlsym(RTLD_DEFAULT, "no such function") == NULL);
	printf("%ld calls, %ld of them before main\n", calls, earlier);
	return 0;
}
