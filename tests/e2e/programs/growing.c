/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * growing: 100 rounds of 5 ms. In each, grow() keeps 1000 bytes more, and come_and_go() as many,
 * up to ten times, when it frees all of its own. fill_once() keeps 300000 bytes from the
 * beginning. At the end everything is freed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 100

static void *grown[ROUNDS];
static void *queue[10];

__attribute__((noinline)) static void *fill_once(void)
{
	void *volatile block = malloc(300000);
	memset(block, 1, 300000);
	return block;
}

__attribute__((noinline)) static void grow(int round)
{
	grown[round] = malloc(1000);
	memset(grown[round], 1, 1000);
}

__attribute__((noinline)) static void come_and_go(int round)
{
	if (round % 10 == 0)
		for (int i = 0; i < 10; i++) {
			free(queue[i]);
			queue[i] = NULL;
		}
	queue[round % 10] = malloc(1000);
	memset(queue[round % 10], 1, 1000);
}

int main(void)
{
	void *table = fill_once();
	for (int round = 0; round < ROUNDS; round++) {
		grow(round);
		come_and_go(round);
		usleep(5000);
	}
	for (int round = 0; round < ROUNDS; round++)
		free(grown[round]);
	for (int i = 0; i < 10; i++)
		free(queue[i]);
	free(table);
	return 0;
}
