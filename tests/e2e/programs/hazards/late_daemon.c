/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forks twice; the process in between ends long before its child allocates anything. */
#include <sys/wait.h>

#include "keep.h"

static __attribute__((noinline)) void keep_late(void)
{
	keep(5075, 3);
}

int main(void)
{
	int over[2];
	char byte;
	pipe(over);
	pid_t between = fork();
	if (between == 0) {
		if (fork() > 0)
			_exit(0);
		close(over[0]);
		usleep(700000);
		keep_late();
		return 0;
	}
	close(over[1]);
	waitpid(between, NULL, 0);
	read(over[0], &byte, 1); /* until the last one has ended */
	return 0;
}
