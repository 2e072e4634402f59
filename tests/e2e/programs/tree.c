/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tree: a process tree with known counts. Blocks of 1001 bytes are the parent's (10, of which 3 are
 * freed by a fork's child), of 2002 the fork's child's (5), of 3003 of a program started by exec in
 * a fork's child (7), of 4004 of one started by posix_spawn (2), of 5005 of one started by system
 * (3) and of 6006 by popen (4). "tree leaf SIZE COUNT" is those programs. Nothing else is freed.
 *
 * tree heirs: 500 blocks, which a fork's child frees, and allocates none.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *blocks[10];

static void allocate(size_t size, int count)
{
	for (int i = 0; i < count; i++) {
		void *volatile block = malloc(size);
		(void)block;
	}
}

static void wait_for(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		_exit(9);
}

static int leave_to_child(void)
{
	static void *left[500];
	for (int i = 0; i < 500; i++)
		left[i] = malloc(7007);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 500; i++)
			free(left[i]);
		_exit(0);
	}
	wait_for(pid);
	return 0;
}

int main(int count, char **arguments)
{
	char command[4200];
	if (count == 2 && strcmp(arguments[1], "heirs") == 0)
		return leave_to_child();
	if (count == 4 && strcmp(arguments[1], "leaf") == 0) {
		allocate((size_t)atol(arguments[2]), atoi(arguments[3]));
		return 0;
	}
	for (int i = 0; i < 10; i++)
		blocks[i] = malloc(1001);
	pid_t pid = fork();
	if (pid == 0) {
		allocate(2002, 5);
		for (int i = 0; i < 3; i++)
			free(blocks[i]);
		_exit(0);
	}
	wait_for(pid);
	pid = fork();
	if (pid == 0) {
		execl(arguments[0], arguments[0], "leaf", "3003", "7", (char *)NULL);
		_exit(8);
	}
	wait_for(pid);
	char *leaf[] = {arguments[0], "leaf", "4004", "2", NULL};
	if (posix_spawn(&pid, arguments[0], NULL, NULL, leaf, environ) != 0)
		return 7;
	wait_for(pid);
	(void)snprintf(command, sizeof(command), "%s leaf 5005 3", arguments[0]);
	if (system(command) != 0)
		return 6;
	(void)snprintf(command, sizeof(command), "%s leaf 6006 4", arguments[0]);
	FILE *stream = popen(command, "r");
	if (!stream || pclose(stream) != 0)
		return 5;
	return 0;
}
