/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* temporary_window N: N times three blocks, freed in the order first, third, second; one block
 * lives for a tenth of a second. */
#include <stdlib.h>
#include <time.h>

int main(int count, char **arguments)
{
	int rounds = count > 1 ? atoi(arguments[1]) : 1;
	const struct timespec tenth = {.tv_nsec = 100000000};
	for (int i = 0; i < rounds; i++) {
		void *first = malloc(10);
		void *second = malloc(20);
		void *third = malloc(30);
		free(first);
		free(third);
		free(second);
	}
	void *lasting = malloc(40);
	nanosleep(&tenth, NULL);
	free(lasting);
	return 0;
}
