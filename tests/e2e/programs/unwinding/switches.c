/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks of the program's own: switched to by hand, between threads, freed and used again, small.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocate.h"

#define FIBER_BYTES (64u << 10)
#define ROUNDS 50

struct fiber {
	void *sp;
	void *stack;
	void (*body)(void);
};

/* Pushes what a call must keep, and exchanges the stack pointers. No unwind table for the middle.
 */
void switch_stacks(void **save, void *load);
__asm__(".text\n"
	".globl switch_stacks\n"
	".type switch_stacks, @function\n"
	"switch_stacks:\n"
	"	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	"
	"push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	"
	"pop %rbp\n"
	"	ret\n"
	".size switch_stacks, . - switch_stacks\n");

static __thread void *thread_sp;
static __thread struct fiber *current;

/* Another thread may have taken up the fiber meanwhile: its addresses must not be kept. */
FUNCTION void leave(void)
{
	switch_stacks(&current->sp, thread_sp);
	NO_TAIL_CALL();
}

FUNCTION void enter(struct fiber *fiber)
{
	current = fiber;
	switch_stacks(&thread_sp, fiber->sp);
	NO_TAIL_CALL();
}

FUNCTION void fiber_main(void)
{
	current->body();
	for (;;)
		leave();
}

static void start(struct fiber *fiber, void *stack, void (*body)(void))
{
	void **top = (void **)((char *)stack + FIBER_BYTES);
	*fiber = (struct fiber){.stack = stack, .body = body};
	*--top = NULL; /* nobody called fiber_main */
	*--top = (void *)fiber_main;
	for (int i = 0; i < 6; i++)
		*--top = NULL;
	fiber->sp = top;
}

static void *new_stack(void)
{
	return mmap(NULL, FIBER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

FUNCTION void in_turns(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		allocate(6101);
		leave();
	}
}

FUNCTION void hand_switched(void)
{
	static struct fiber fibers[4];
	for (int i = 0; i < 4; i++)
		start(&fibers[i], new_stack(), in_turns);
	for (int round = 0; round < ROUNDS + 1; round++)
		for (int i = 0; i < 4; i++) {
			enter(&fibers[i]);
			allocate(6103);
		}
}

FUNCTION void one_use(void)
{
	allocate(6105);
	leave();
}

FUNCTION void other_use(void)
{
	allocate(6107);
	leave();
}

/* A stack freed, and the next fiber's at the same address. */
FUNCTION void reused(void)
{
	void *stack = new_stack();
	for (int i = 0; i < ROUNDS; i++) {
		struct fiber fiber;
		start(&fiber, stack, i % 2 ? one_use : other_use);
		enter(&fiber);
		munmap(stack, FIBER_BYTES);
		allocate(6109);
		if (mmap(stack, FIBER_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != stack)
			abort();
	}
}

FUNCTION void wanders(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		allocate(6111);
		leave();
	}
}

static struct fiber wanderer;
static pthread_barrier_t barrier;

FUNCTION void take_turns(long first)
{
	for (long round = 0; round < ROUNDS; round++) {
		if (round % 2 == first)
			enter(&wanderer);
		allocate(6113);
		pthread_barrier_wait(&barrier);
	}
}

static void *second_thread(void *unused)
{
	take_turns(1);
	return NULL;
}

FUNCTION void migrating(void)
{
	pthread_t thread;
	pthread_barrier_init(&barrier, NULL, 2);
	start(&wanderer, new_stack(), wanders);
	pthread_create(&thread, NULL, second_thread, NULL);
	take_turns(0);
	pthread_join(thread, NULL);
}

FUNCTION int cloned(void *unused)
{
	allocate(6115);
	return 0;
}

FUNCTION void clones(void)
{
	char *stack = new_stack();
	for (int i = 0; i < 5; i++) {
		int pid = clone(cloned, stack + FIBER_BYTES, CLONE_VM | SIGCHLD, NULL);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			abort();
	}
}

FUNCTION void recurse(int depth)
{
	if (depth == 0)
		allocate(6117);
	else
		recurse(depth - 1);
	NO_TAIL_CALL();
}

static void *small_thread(void *unused)
{
	for (int i = 0; i < ROUNDS; i++)
		recurse(10);
	return NULL;
}

FUNCTION void small_stacks(void)
{
	pthread_attr_t attributes;
	pthread_t threads[4];
	pthread_attr_init(&attributes);
	if (pthread_attr_setstacksize(&attributes, 16384) != 0)
		abort();
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], &attributes, small_thread, NULL) != 0)
			abort();
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

FUNCTION void on_signal(int number)
{
	allocate(number == SIGUSR1 ? 6119 : 6121);
	if (number == SIGUSR1)
		raise(SIGUSR2);
	NO_TAIL_CALL();
}

FUNCTION void interrupted(void)
{
	raise(SIGUSR1);
	allocate(6123);
	NO_TAIL_CALL();
}

/* A handler on the thread's stack in a handler on another one, and the other way round. */
FUNCTION void signals(void)
{
	stack_t other = {.ss_sp = new_stack(), .ss_size = FIBER_BYTES};
	struct sigaction action = {.sa_handler = on_signal};
	sigaltstack(&other, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		action.sa_flags = i % 2 ? SA_ONSTACK : 0;
		sigaction(SIGUSR1, &action, NULL);
		action.sa_flags = i % 3 ? SA_ONSTACK : 0;
		sigaction(SIGUSR2, &action, NULL);
		interrupted();
	}
}

int main(void)
{
	hand_switched();
	reused();
	migrating();
	clones();
	small_stacks();
	signals();
	puts("done");
	return 0;
}
