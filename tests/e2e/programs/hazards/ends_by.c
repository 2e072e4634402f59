/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends in the way that it is told. */
#include <signal.h>
#include <string.h>

#include "keep.h"

static __attribute__((noinline)) int overflow(volatile char *before)
{
	volatile char here[256];
	here[0] = before[0];
	return overflow(here) + here[0];
}

static void quickly(void)
{
	keep(5151, 2);
}

int main(int argc, char **argv)
{
	const char *how = argv[1];
	keep(5153, 30000);
	at_quick_exit(quickly);
	if (strcmp(how, "return") == 0)
		return 1;
	if (strcmp(how, "_exit") == 0)
		_exit(2);
	if (strcmp(how, "quick_exit") == 0)
		quick_exit(3);
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "segv") == 0)
		*(volatile int *)16 = 1;
	if (strcmp(how, "overflow") == 0)
		return overflow(how);
	if (strcmp(how, "double-free") == 0) {
		void *volatile block = malloc(40);
		free(block);
		free(block);
	}
	raise(atoi(how));
	return 0;
}
