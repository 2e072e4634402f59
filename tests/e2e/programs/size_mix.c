/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks of ten sizes, made by malloc, calloc and realloc, replaced at random: the same sequence
 * every time. Prints what it holds at the end and what it has asked for.
 *
 *   size_mix [THREADS]  each thread does the same on blocks of its own
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 4096
#define STEPS 400000

static const size_t sizes[] = {16, 24, 32, 48, 64, 100, 200, 1000, 5000, 70000};

struct figures {
	unsigned long allocations;
	unsigned long bytes;
	unsigned long live_blocks;
	unsigned long live_bytes;
};

static unsigned next(unsigned *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 16;
}

static void *work(void *context)
{
	struct figures *figures = context;
	void **blocks = calloc(SLOTS, sizeof(*blocks));
	size_t *held = calloc(SLOTS, sizeof(*held));
	unsigned state = 12345;
	for (int i = 0; i < STEPS; i++) {
		unsigned slot = next(&state) % SLOTS;
		size_t size = sizes[next(&state) % 10];
		if (next(&state) % 7 == 0) {
			blocks[slot] = realloc(blocks[slot], size);
		} else {
			free(blocks[slot]);
			blocks[slot] = next(&state) % 5 ? malloc(size) : calloc(1, size);
		}
		held[slot] = size;
		figures->allocations++;
		figures->bytes += size;
	}
	for (int i = 0; i < SLOTS; i++) {
		figures->live_blocks += blocks[i] != NULL;
		figures->live_bytes += held[i];
	}
	free(held); /* the blocks are left behind, and so is their table */
	return NULL;
}

int main(int argument_count, char **arguments)
{
	int count = argument_count > 1 ? atoi(arguments[1]) : 0;
	struct figures figures[64] = {0};
	struct figures sum = {0};
	pthread_t threads[64];
	if (count == 0)
		work(&figures[0]);
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, work, &figures[i]);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 64; i++) {
		sum.allocations += figures[i].allocations;
		sum.bytes += figures[i].bytes;
		sum.live_blocks += figures[i].live_blocks;
		sum.live_bytes += figures[i].live_bytes;
	}
	printf("%lu %lu %lu %lu\n", sum.allocations, sum.bytes, sum.live_blocks, sum.live_bytes);
	return 0;
}
