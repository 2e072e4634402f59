/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded: the second fork of a process fails, as where there are too many processes. */
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

pid_t fork(void)
{
	static int count;
	pid_t (*real)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
	if (++count == 2) {
		errno = EAGAIN;
		return -1;
	}
	return real();
}
