/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Linked statically: can't be traced. Prints its first argument. */
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
	void *volatile block = malloc(100);
	free(block);
	return puts(count > 1 ? arguments[1] : "static") < 0;
}
