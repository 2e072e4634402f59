/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmd/main_stack.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)8 << 20)

/* makecontext passes numbers only. */
static struct {
	main_function *function;
	int argument_count;
	char **arguments;
	int status;
} call;

static void make_call(void)
{
	call.status = call.function(call.argument_count, call.arguments);
}

static bool is_stack_small(void)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < STACK_BYTES;
}

/* With a page below it that nobody may touch. returns NULL if there is no memory */
static char *map_stack(void)
{
	size_t guard_bytes = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, guard_bytes + STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (pages == MAP_FAILED)
		return NULL;
	(void)mprotect(pages, guard_bytes, PROT_NONE); /* without it, it is a stack too */
	return pages + guard_bytes;
}

/* Else it is the limit that they get. */
static void enlarge_stacks_of_threads(void)
{
	pthread_attr_t attributes;
	if (pthread_attr_init(&attributes) != 0)
		return;
	if (pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0)
		(void)pthread_setattr_default_np(&attributes); /* else: as the limit says */
	(void)pthread_attr_destroy(&attributes);
}

int main_stack_call(main_function *function, int argument_count, char **arguments)
{
	ucontext_t here;
	ucontext_t there;
	char *stack = is_stack_small() ? map_stack() : NULL;
	if (!stack || getcontext(&there) != 0)
		return function(argument_count, arguments);
	enlarge_stacks_of_threads();
	call.function = function;
	call.argument_count = argument_count;
	call.arguments = arguments;
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = STACK_BYTES;
	there.uc_link = &here;
	makecontext(&there, make_call, 0);
	if (swapcontext(&here, &there) != 0)
		return function(argument_count, arguments);
	return call.status;
}
