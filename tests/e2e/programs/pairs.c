/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pairs COUNT: COUNT times malloc and free of 64 bytes. */
#include <stdlib.h>

int main(int argument_count, char **arguments)
{
	long count = argument_count > 1 ? atol(arguments[1]) : 1;
	for (long i = 0; i < count; i++) {
		void *block = malloc(64);
		__asm__ volatile("" : : "r"(block) : "memory");
		free(block);
	}
	return 0;
}
