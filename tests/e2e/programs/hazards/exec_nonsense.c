/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls exec with pointers that point nowhere, which the kernel refuses, and then properly. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	char *nowhere = (char *)(uintptr_t)1;
	char *bad[] = {nowhere, NULL};
	char *good[] = {"true", NULL};
	printf("%d", execve(NULL, good, good));
	printf(" %d\n", errno);
	printf("%d", execve("/bin/true", good, bad));
	printf(" %d\n", errno);
	printf("%d", execve("/bin/true", good, (char **)nowhere));
	printf(" %d\n", errno);
	fflush(stdout);
	execve("/bin/true", good, NULL);
	return 1;
}
