/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holds 50 MB, goes on with itself by exec, holds 10 MB, and is killed. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void *volatile held;

__attribute__((noinline)) static void hold_first(void)
{
	held = malloc(50 << 20);
}

__attribute__((noinline)) static void hold_second(void)
{
	held = malloc(10 << 20);
}

int main(int count, char **arguments)
{
	if (count < 2) {
		hold_first();
		execl("/proc/self/exe", arguments[0], "again", NULL);
		return 1;
	}
	hold_second();
	return raise(SIGKILL);
}
