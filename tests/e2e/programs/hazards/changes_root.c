/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes its root directory, its user, or its namespaces; then allocates, forks and executes. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "keep.h"

static void *allocate(void *unused)
{
	keep(5091, 10);
	return NULL;
}

static void await(pid_t pid)
{
	int status;
	waitpid(pid, &status, 0);
	printf("%d\n", WEXITSTATUS(status));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (strcmp(argv[1], "leaf") == 0) {
		keep(5095, 2);
		return 12;
	}
	keep(5093, 1);
	if (strcmp(argv[1], "chroot") == 0)
		printf("%d\n", chroot(argv[2]) || chdir("/"));
	if (strcmp(argv[1], "setuid") == 0)
		printf("%d\n", setgroups(0, NULL) || setgid(65534) || setuid(65534));
	if (strcmp(argv[1], "unshare") == 0) {
		printf("%d\n", unshare(CLONE_NEWUSER));
		printf("%d\n", unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
	}
	if (strcmp(argv[1], "session") == 0) {
		if (fork() > 0)
			return wait(NULL) < 0;
		printf("%d\n", setsid() != getpid());
	}
	fflush(stdout);
	pthread_t threads[20];
	for (int i = 0; i < 20; i++)
		pthread_create(&threads[i], NULL, allocate, NULL);
	for (int i = 0; i < 20; i++)
		pthread_join(threads[i], NULL);
	pid_t pid = fork();
	if (pid == 0) {
		keep(5097, 4);
		_exit(0);
	}
	await(pid);
	pid = fork();
	if (pid == 0) {
		execl(argv[argc - 1], argv[argc - 1], "leaf", NULL);
		_exit(errno);
	}
	await(pid);
	return 0;
}
