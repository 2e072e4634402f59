/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holds memory in three places, and ends as it is told. */
#include <signal.h>
#include <string.h>

#include "keep.h"

static __attribute__((noinline)) void hold_most(int count)
{
	while (count-- > 0) {
		kept = malloc(1 << 20);
		memset(kept, 1, 1 << 20);
	}
}

static __attribute__((noinline)) void hold_some(void)
{
	kept = malloc(2 << 20);
}

static __attribute__((noinline)) void hold_little(void)
{
	kept = malloc(100 << 10);
}

int main(int argc, char **argv)
{
	hold_little();
	hold_some();
	hold_most(20);
	if (strcmp(argv[1], "kill") == 0)
		raise(SIGKILL);
	if (strcmp(argv[1], "term") == 0)
		raise(SIGTERM);
	if (strcmp(argv[1], "abort") == 0 && !malloc(1ul << 30))
		abort();
	if (strcmp(argv[1], "grow") == 0)
		hold_most(100000);
	return 0;
}
