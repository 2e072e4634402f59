/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * allocate_then_kill COUNT: makes COUNT blocks of 24 bytes, of which it keeps 1000, and kills
 * itself.
 */
#include <signal.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
	static void *kept[1000];
	long blocks = count > 1 ? atol(arguments[1]) : 100000;
	for (long i = 0; i < blocks; i++) {
		free(kept[i % 1000]);
		kept[i % 1000] = malloc(24);
	}
	raise(SIGKILL);
	return 0;
}
