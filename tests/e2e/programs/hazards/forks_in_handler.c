/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * forks_in_handler: keeps 200 blocks of 1 MiB. A handler of SIGUSR1 forks, once, wherever that may
 * be; the child, whose parent is in the middle of something, loses 30 blocks and is killed.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT 200

static volatile sig_atomic_t has_forked;
static volatile sig_atomic_t is_child;
static void *volatile kept_here[KEPT];

static void fork_once(int number)
{
	(void)number;
	if (has_forked)
		return;
	has_forked = 1;
	if (fork() == 0)
		is_child = 1;
}

__attribute__((noinline)) static void be_child(void)
{
	for (size_t i = 0; i < 30; i++) {
		void *volatile lost = malloc((1 << 20) - 5000 * i);
		(void)lost;
	}
	(void)raise(SIGKILL);
}

int main(void)
{
	(void)signal(SIGUSR1, fork_once);
	for (int i = 0; i < KEPT; i++) {
		kept_here[i] = malloc(1 << 20);
		if (is_child)
			be_child();
	}
	while (wait(NULL) > 0)
		;
	return has_forked ? 0 : 1;
}
