/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handlers that allocate, on an alternate stack, and that are left by longjmp; stack overflow. */
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "keep.h"

static sigjmp_buf back;

static void on_signal(int number)
{
	keep(5131, 1);
	if (number == SIGUSR2 || number == SIGSEGV)
		siglongjmp(back, 1);
}

static __attribute__((noinline)) int overflow(volatile char *before)
{
	volatile char here[256];
	here[0] = before[0];
	free(malloc(64));
	return overflow(here) + here[0];
}

int main(void)
{
	static char alternate[1 << 16];
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	sigaltstack(&stack, NULL);
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGSEGV, &action, NULL);
	for (volatile int i = 0; i < 100; i++) {
		raise(SIGUSR1);
		if (sigsetjmp(back, 1) == 0)
			raise(SIGUSR2);
		keep(5133, 1);
	}
	for (volatile int i = 0; i < 2; i++) {
		char start = 0;
		if (sigsetjmp(back, 1) == 0)
			overflow(&start);
		keep(5135, 1);
	}
	/* All handlers, masks and the alternate stack as in the beginning. */
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int i = 0; i < 100000; i++)
		free(malloc(10 + i % 50));
	keep(5137, 1);
	puts("done");
	return 0;
}
