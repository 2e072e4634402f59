/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * deep COUNT: COUNT allocations at stacks of about 30 frames that vary.
 *
 * A walk goes down 26 to 32 frames through eight functions and comes back; on its way up it turns
 * down again at random, so that consecutive allocations share a part of their stacks, as in a
 * program that recurses over a tree: some thousand different stacks. 4096 blocks are live at a
 * time.
 */
#include <stdbool.h>
#include <stdlib.h>

#define LIVE 4096
#define DEPTH 30
#define VARIETY 256

static void *live[LIVE];
static unsigned random_state = 1;
static long left;

static unsigned next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static int go_down(unsigned path, int depth);

#define STEP(name, added)                                                                          \
	__attribute__((noinline)) static int name(unsigned path, int depth)                        \
	{                                                                                          \
		volatile char frame[16 + (added)*16];                                              \
		frame[0] = (char)depth;                                                            \
		return go_down(path, depth) + frame[0];                                            \
	}
STEP(visit_file, 0)
STEP(visit_class, 1)
STEP(visit_function, 2)
STEP(visit_block, 3)
STEP(visit_statement, 4)
STEP(visit_call, 5)
STEP(visit_argument, 6)
STEP(visit_name, 7)

__attribute__((noinline)) static void allocate(unsigned path)
{
	void **place = &live[left % LIVE];
	free(*place);
	*place = malloc(16 + path % 16 * 16);
	left--;
}

/* Every second frame is this one; `path` says which functions lie between, and mixes as it goes. */
__attribute__((noinline)) static int go_down(unsigned path, int depth)
{
	static int (*const steps[])(unsigned, int) = {
		visit_file,      visit_class, visit_function, visit_block,
		visit_statement, visit_call,  visit_argument, visit_name,
	};
	if (left <= 0)
		return 0;
	if (depth <= 0) {
		allocate(path);
		return 1;
	}
	int found = steps[path & 7](path >> 3 | (path & 7) << 9, depth - 2);
	if (depth <= 6 && next_random() % 4 != 0)
		found += steps[(path >> 1 ^ 5) & 7](path, depth - 2);
	return found;
}

int main(int argument_count, char **arguments)
{
	left = argument_count > 1 ? atol(arguments[1]) : 100000;
	while (left > 0)
		go_down(next_random() % VARIETY * 40503 % 4096,
			DEPTH - 4 + (int)(next_random() % 3) * 2);
	for (int i = 0; i < LIVE; i++)
		free(live[i]);
	return 0;
}
