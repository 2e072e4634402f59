/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stack traces with more frames than a log keeps, and traces on a stack of the program's own:
 * allocates at every level of a recursion, twice, and leaks 555 bytes at its bottom; leaks 777
 * bytes on a coroutine's stack, 30 levels deep, a hundred times.
 */
#include <stdlib.h>
#include <ucontext.h>

static ucontext_t main_context;
static ucontext_t coroutine_context;
static char coroutine_stack[256 * 1024] __attribute__((aligned(16)));
static void *volatile kept;

__attribute__((noinline)) static int descend(int depth)
{
	if (depth == 0) {
		kept = malloc(555);
		return 0;
	}
	void *volatile block = malloc((size_t)depth % 40 + 1);
	int result = descend(depth - 1) + 1;
	free(block);
	return result;
}

__attribute__((noinline)) static int leak_on_coroutine(int depth)
{
	volatile int result = depth; /* or the compiler makes a loop of it */
	if (depth > 0)
		result += leak_on_coroutine(depth - 1);
	else
		kept = malloc(777);
	return result;
}

static void run_coroutine(void)
{
	for (;;) {
		(void)leak_on_coroutine(30);
		(void)swapcontext(&coroutine_context, &main_context);
	}
}

int main(void)
{
	(void)descend(3000);
	(void)descend(3000);
	(void)getcontext(&coroutine_context);
	coroutine_context.uc_stack.ss_sp = coroutine_stack;
	coroutine_context.uc_stack.ss_size = sizeof(coroutine_stack);
	makecontext(&coroutine_context, run_coroutine, 0);
	for (int i = 0; i < 100; i++)
		(void)swapcontext(&main_context, &coroutine_context);
	return descend(900) == 900 ? 0 : 1;
}
