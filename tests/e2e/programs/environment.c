/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints its environment, variable by variable; with an argument, that of "env" started by system.
 */
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

int main(int count, char **arguments)
{
	(void)arguments;
	for (char **variable = environ; *variable; variable++)
		puts(*variable);
	fflush(stdout);
	return count > 1 ? system("env | sort") : 0;
}
