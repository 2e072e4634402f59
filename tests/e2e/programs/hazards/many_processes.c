/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Has as many children at a time as it is told; each keeps a block. */
#include <sys/wait.h>

#include "keep.h"

int main(int argc, char **argv)
{
	int count = atoi(argv[1]);
	int ready[2];
	int end[2];
	char byte = 0;
	if (pipe(ready) != 0 || pipe(end) != 0)
		return 1;
	for (int i = 0; i < count; i++) {
		if (fork() != 0)
			continue;
		keep(5221, 1);
		close(end[1]);
		/* All are there until the last one is. */
		_exit(write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 0);
	}
	for (int i = 0; i < count; i++)
		if (read(ready[0], &byte, 1) != 1)
			return 2;
	close(end[1]);
	int failed = 0;
	int status;
	while (wait(&status) > 0)
		failed += status != 0;
	keep(5223, 1);
	printf("%d\n", failed);
	return 0;
}
