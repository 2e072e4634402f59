/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forks while other threads allocate; the children allocate too. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "keep.h"

static _Atomic int is_over;

static void *churn(void *unused)
{
	while (!is_over)
		free(malloc(100));
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	int good = 0;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, churn, NULL);
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			keep(5031, 5);
			if (i % 2)
				exit(7);
			_exit(7);
		}
		waitpid(pid, &status, 0);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	}
	is_over = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	keep(5033, 2);
	printf("%d\n", good);
	return 0;
}
