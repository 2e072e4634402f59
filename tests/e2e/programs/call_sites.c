/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocations at known places, below inlined functions; sizes tell them apart. Keep the lines. */
#include <stdlib.h>

static void *volatile kept;

static inline __attribute__((always_inline)) void inner_inlined(size_t size)
{
	kept = malloc(size); /* line 9 */
}

static inline __attribute__((always_inline)) void outer_inlined(size_t size)
{
	inner_inlined(size + 1); /* line 14 */
}

__attribute__((noinline)) static int leaf(int depth)
{
	outer_inlined(4241); /* line 19 */
	return depth * 3;
}

__attribute__((noinline)) static int middle(int depth)
{
	return leaf(depth + 1) + 1; /* line 25 */
}

__attribute__((noinline)) static int top(int depth)
{
	char room[64];
	room[depth & 63] = (char)depth;
	return middle(depth + 1) + room[depth & 63]; /* line 32 */
}

static int compare(const void *a, const void *b)
{
	kept = malloc(5151); /* line 37 */
	return *(const int *)a - *(const int *)b;
}

int main(int count, char **arguments)
{
	int numbers[2] = {count, 1};
	(void)arguments;
	int result = top(count);                 /* line 45 */
	qsort(numbers, 2, sizeof(int), compare); /* line 46 */
	return result > 1000;
}
