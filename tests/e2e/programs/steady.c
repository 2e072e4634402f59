/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * steady BLOCKS PAUSE_US: allocates BLOCKS blocks of 40 bytes, never freed, resting PAUSE_US after
 * every 100; then says so and ends with status 7.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments)
{
	long blocks = count > 1 ? atol(arguments[1]) : 1000;
	long pause_us = count > 2 ? atol(arguments[2]) : 1000;
	void *volatile block;
	for (long i = 0; i < blocks; i++) {
		block = malloc(40);
		if (i % 100 == 99)
			usleep((useconds_t)pause_us);
	}
	(void)block;
	printf("done\n");
	return 7;
}
