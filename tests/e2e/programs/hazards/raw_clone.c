/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clone without libc: a child with memory of its own, one on its parent's memory and thread-local
 * storage while that waits, and one that takes turns with it.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "keep.h"

static _Alignas(16) char stack[3][1 << 16];
static _Atomic int turn;

static int own_memory(void *unused)
{
	keep(5051, 3);
	return 1;
}

static int borrowed(void *unused)
{
	keep(5053, 2);
	return 2;
}

static int other_producer(void *unused)
{
	for (int i = 0; i < 500; i++) {
		while (turn != 1)
			sched_yield();
		keep(5055, 1);
		free(malloc(5057));
		turn = 0;
	}
	return 3;
}

static void await(pid_t pid)
{
	int status;
	waitpid(pid, &status, __WALL);
	printf("%d\n", WEXITSTATUS(status));
	fflush(stdout);
}

int main(void)
{
	keep(5059, 1);
	pid_t pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(own_memory(NULL));
	await(pid);
	await(clone(own_memory, stack[0] + sizeof(stack[0]), SIGCHLD, NULL));
	await(clone(borrowed, stack[1] + sizeof(stack[1]), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
	pid = clone(other_producer, stack[2] + sizeof(stack[2]), CLONE_VM | SIGCHLD, NULL);
	for (int i = 0; i < 500; i++) {
		while (turn != 0)
			sched_yield();
		keep(5059, 1);
		free(malloc(5061));
		turn = 1;
	}
	await(pid);
	return 0;
}
