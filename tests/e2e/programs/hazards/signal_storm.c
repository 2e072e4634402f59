/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A timer that strikes all the time, also inside malloc. Its handler only counts, or allocates
 * (with an allocator that allows it), or jumps out of whatever it interrupted. Prints how many
 * handlers ran on descriptor 2.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "keep.h"

static volatile sig_atomic_t strikes;
static int allocates;
static int jumps;
static volatile sig_atomic_t may_jump;
static sigjmp_buf target;

static void strike(int number)
{
	strikes++;
	if (allocates) {
		keep(5121, 1);
		free(malloc(5123));
	}
	if (jumps && may_jump)
		siglongjmp(target, 1);
}

int main(int argc, char **argv)
{
	static char alternate[1 << 20];
	struct sigaction action = {.sa_handler = strike, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 100}, {0, 100}};
	allocates = strstr(argv[1], "allocates") != NULL;
	jumps = strstr(argv[1], "jumps") != NULL;
	if (strstr(argv[1], "alternate")) {
		stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
		sigaltstack(&stack, NULL);
		action.sa_flags |= SA_ONSTACK;
	}
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (strikes < 1000) {
		if (jumps) {
			sigsetjmp(target, 1);
			may_jump = 1;
		}
		for (int i = 0; i < 100; i++)
			free(malloc(200 + i));
		may_jump = 0;
	}
	struct itimerval never = {0};
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_IGN);
	keep(5125, 9);
	puts("calm");
	fflush(stdout);
	if (argc > 2) {
		FILE *output = fopen(argv[2], "w");
		fprintf(output, "%d", (int)strikes);
		fclose(output);
	}
	return 0;
}
