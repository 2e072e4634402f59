/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Becomes a daemon that closes everything, and allocates there. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "keep.h"

int main(int argc, char **argv)
{
	int ready[2];
	char byte;
	pipe(ready);
	if (fork() > 0) {
		close(ready[1]);
		read(ready[0], &byte, 1);
		puts("daemon is up");
		return 0;
	}
	setsid();
	if (fork() > 0)
		_exit(0);
	chdir("/");
	umask(0);
	for (int fd = 0; fd < 1024; fd++)
		if (fd != ready[1])
			close(fd);
	open("/dev/null", O_RDWR);
	dup(0);
	dup(0);
	write(ready[1], "x", 1);
	close(ready[1]);
	keep(5071, 6);
	usleep(100000);
	keep(5071, 6);
	return 0;
}
