/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * many_nodes STACKS [DEPTH]: allocates from STACKS random walks of at most DEPTH (default 16) calls
 * among 64 functions, so that nearly every stack trace has nodes of its own: about half as many
 * nodes as STACKS times DEPTH. Sizes differ; of 4 blocks 1 is never freed, 1 freed at once, 1 freed
 * 100 walks later, and 1 at the end.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t seed = 1;

static uint32_t draw(uint32_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % limit);
}

static void *walk(uint32_t depth, size_t size);

/* The assembly keeps each call a call, and each function one of its own. */
#define STEP(n)                                                                                    \
	static __attribute__((noinline)) void *step_##n(uint32_t depth, size_t size)               \
	{                                                                                          \
		void *block = walk(depth, size);                                                   \
		__asm__ volatile("/* " #n " */" : "+r"(block));                                    \
		return block;                                                                      \
	}
/* clang-format 14 does not come to rest on this one. */
/* clang-format off */
#define STEPS(X)                                                                                   \
	X(00)                                                                                      \
	X(01) X(02) X(03) X(04) X(05) X(06) X(07) X(08) X(09) X(10) X(11) X(12) X(13) X(14) X(15)  \
		X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28)      \
			X(29) X(30) X(31) X(32) X(33) X(34) X(35) X(36) X(37) X(38) X(39) X(40)    \
				X(41) X(42) X(43) X(44) X(45) X(46) X(47) X(48) X(49) X(50) X(51)  \
					X(52) X(53) X(54) X(55) X(56) X(57) X(58) X(59) X(60)      \
						X(61) X(62) X(63)
/* clang-format on */
STEPS(STEP)

static void *(*const steps[])(uint32_t, size_t) = {
#define NAME(n) step_##n,
	STEPS(NAME)};

static __attribute__((noinline)) void *walk(uint32_t depth, size_t size)
{
	void *block = depth == 0 ? malloc(size) : steps[draw(64)](depth - 1, size);
	__asm__ volatile("" : "+r"(block));
	return block;
}

int main(int count, char **arguments)
{
	enum { KEPT = 100 };
	static void *kept[KEPT];
	long stacks = count > 1 ? atol(arguments[1]) : 1000;
	uint32_t depth = count > 2 ? (uint32_t)atol(arguments[2]) : 16;
	void **last = malloc((size_t)stacks * sizeof(*last));
	for (long i = 0; i < stacks; i++) {
		void *block = walk(1 + draw(depth), 16 + draw(2000));
		last[i] = NULL;
		switch (i % 4) {
		case 0:
			break;
		case 1:
			free(block);
			break;
		case 2:
			free(kept[i / 4 % KEPT]);
			kept[i / 4 % KEPT] = block;
			break;
		case 3:
			last[i] = block;
			break;
		}
	}
	for (long i = 0; i < stacks; i++)
		free(last[i]);
	free(last);
	printf("%ld stacks\n", stacks);
	return 0;
}
