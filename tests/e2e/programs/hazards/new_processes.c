/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vfork, posix_spawn and every exec function, with environments that have nothing in them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "keep.h"

static char *program;
static char *nothing[] = {NULL};
static char *some[] = {"A=1", NULL};

static void run(int how)
{
	char *argv[] = {program, "leaf", NULL};
	switch (how) {
	case 0:
		execve(program, argv, nothing);
	case 1:
		execle(program, program, "leaf", NULL, some);
	case 2:
		execvpe(program, argv, nothing);
	case 3:
		fexecve(open(program, O_RDONLY | O_CLOEXEC), argv, nothing);
	case 4:
		execveat(AT_FDCWD, program, argv, some, 0);
	case 5:
		clearenv();
		execv(program, argv);
	case 6:
		execl(program, program, "leaf", NULL);
	case 7:
		execlp(program, program, "leaf", NULL);
	case 8:
		environ = some;
		execvp(program, argv);
	}
	_exit(99);
}

static void await(pid_t pid)
{
	int status;
	waitpid(pid, &status, 0);
	printf("%d\n", WEXITSTATUS(status));
	fflush(stdout);
}

static void *spawn(void *unused)
{
	char *argv[] = {program, "leaf", NULL};
	pid_t pid;
	if (posix_spawn(&pid, program, NULL, NULL, argv, some) == 0)
		await(pid);
	if (posix_spawnp(&pid, program, NULL, NULL, argv, nothing) == 0)
		await(pid);
	return NULL;
}

int main(int argc, char **argv)
{
	program = argv[0];
	if (argc > 1) {
		keep(5041, 3);
		return 11;
	}
	for (int how = 0; how < 9; how++) {
		pid_t pid = fork();
		if (pid == 0)
			run(how);
		await(pid);
	}
	for (int how = 0; how < 5; how++) {
		pid_t pid = vfork();
		if (pid == 0) {
			keep(5043, 1);
			run(how);
		}
		await(pid);
	}
	spawn(NULL);
	/* From the smallest stack that a thread can have. */
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
	pthread_create(&thread, &attributes, spawn, NULL);
	pthread_join(thread, NULL);
	return 0;
}
