/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ways_left: from one call, functions that are left in different ways: some keep a frame pointer,
 * since their frames are as large as it happens, some don't. Blocks are allocated in both, at
 * depths and on frames of sizes that vary, so that frames of one trace lie where other frames of
 * another have been.
 */
#include <stdlib.h>

#define CALLS 20000

typedef unsigned function(unsigned depth, unsigned choices);

static unsigned allocate(void)
{
	void *volatile block = malloc(16);
	free(block);
	return 1;
}

__attribute__((noinline)) static unsigned fixed(unsigned depth, unsigned choices)
{
	(void)depth;
	return allocate() + choices;
}

__attribute__((noinline)) static unsigned varying(unsigned depth, unsigned choices)
{
	volatile char *bytes = __builtin_alloca(16 + (choices & 112));
	bytes[0] = (char)depth;
	if (depth == 0)
		return allocate() + (unsigned)bytes[0];
	return varying(depth - 1, choices >> 6 | choices << 26) + (unsigned)bytes[0];
}

int main(void)
{
	static function *const functions[] = {fixed, varying, varying};
	unsigned state = 1;
	volatile unsigned sum = 0;
	for (unsigned i = 0; i < CALLS; i++) {
		state = state * 1103515245u + 12345u;
		/* The functions take turns, at the one call. */
		sum += functions[i % 3](1 + (state >> 28) % 8, state ^ state >> 16);
	}
	return sum == 0;
}
