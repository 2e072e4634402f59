/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * many_stacks PAIRS [keep]: PAIRS allocations and releases from thousands of stack traces of depth
 * 8 to 24, with 50000 blocks live at a time; with keep from tens of thousands, and those that are
 * live stay so.
 */
#include <stdbool.h>
#include <stdlib.h>

#define LIVE 50000

static void *live[LIVE];
static unsigned random_state = 1;

static unsigned next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static int descend(unsigned path, int depth);

#define STEP(name)                                                                                 \
	__attribute__((noinline)) static int name(unsigned path, int depth)                        \
	{                                                                                          \
		volatile int below = descend(path / 3, depth - 1); /* else this is a loop */       \
		return below + 1;                                                                  \
	}
STEP(left)
STEP(middle)
STEP(right)

__attribute__((noinline)) static int descend(unsigned path, int depth)
{
	if (depth == 0) {
		unsigned place = next_random() % LIVE;
		free(live[place]);
		live[place] = malloc(16 + next_random() % 500);
		return 0;
	}
	switch (path % 3) {
	case 0:
		return left(path, depth) + 1;
	case 1:
		return middle(path, depth) + 2;
	default:
		return right(path, depth) + 3;
	}
}

int main(int count, char **arguments)
{
	long pairs = count > 1 ? atol(arguments[1]) : 100000;
	bool keeps = count > 2;
	for (long i = 0; i < pairs; i++) {
		unsigned random = next_random();
		descend(random % (keeps ? 50000 : 5000), 4 + (int)(random % (keeps ? 7 : 5)));
	}
	for (int i = 0; i < LIVE && !keeps; i++)
		free(live[i]);
	return 0;
}
