/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Empties, replaces and extends its environment, and starts programs after each. */
#include <string.h>
#include <sys/wait.h>

#include "keep.h"

static char command[512];

static void start(void)
{
	char line[256];
	printf("%d\n", WEXITSTATUS(system(command)));
	FILE *output = popen(command, "r");
	while (fgets(line, sizeof(line), output))
		fputs(line, stdout);
	printf("%d\n", WEXITSTATUS(pclose(output)));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		for (char **variable = environ; *variable; variable++)
			if (strncmp(*variable, "_=", 2) != 0)
				puts(*variable);
		keep(5201, 2);
		return 13;
	}
	snprintf(command, sizeof(command), "%s leaf", argv[0]);
	start();
	clearenv();
	start();
	setenv("A", "1", 1);
	start();
	char *own[] = {"B=2", "LD_PRELOAD=", NULL};
	environ = own;
	start();
	putenv("C=3");
	unsetenv("LD_PRELOAD");
	start();
	environ = NULL;
	start();
	return 0;
}
