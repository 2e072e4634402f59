/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls exec and spawn with pointers that point nowhere, which the kernel refuses, then properly.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* An environment of many variables, the last of which is none. */
static char **make_long(void)
{
	static char variable[] = "A=b";
	char **list = calloc(2000, sizeof(*list));
	for (int i = 0; list && i < 1998; i++)
		list[i] = variable;
	return list;
}

static void spawn(const char *path, char *const arguments[], char *const variables[])
{
	pid_t pid = 0;
	int status = 0;
	printf("%d", posix_spawn(&pid, path, NULL, NULL, arguments, variables));
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		printf(" %d", status);
	printf("\n");
}

static void print(int result)
{
	printf("%d %d\n", result, errno);
}

int main(void)
{
	char *nowhere = (char *)(uintptr_t)1;
	char *bad[] = {nowhere, NULL};
	char *good[] = {"true", NULL};
	char **many = make_long();
	if (!many)
		return 1;
	many[1998] = nowhere;
	print(execve(NULL, good, good));
	print(execve("/bin/true", good, bad));
	print(execve("/bin/true", good, (char **)nowhere));
	print(execve("/bin/true", good, many));
	print(execvpe("/bin/true", good, bad));
	print(execveat(AT_FDCWD, NULL, good, good, 0));
	print(execveat(AT_FDCWD, "/bin/true", good, bad, 0));
	print(execle("/bin/true", "true", NULL, bad));
	spawn(NULL, good, good);
	spawn("/bin/true", good, bad);
	spawn("/bin/true", good, (char **)nowhere);
	spawn("/bin/true", good, many);
	many[1998] = NULL;
	spawn("/bin/true", good, many);
	spawn("/bin/true", good, NULL);
	fflush(stdout);
	execve("/bin/true", good, NULL);
	return 1;
}
