/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libtrack/collector/detach.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define GUESSED_DESCRIPTORS 1024 /* where they can't be listed */

static void close_if_inherited(int fd)
{
	int flags = fd > 2 ? fcntl(fd, F_GETFD) : FD_CLOEXEC;
	if (flags >= 0 && !(flags & FD_CLOEXEC))
		(void)close(fd);
}

/*
 * Closes what whoever started memtrace has left open. Of what was opened since, by a library for
 * example, nothing outlives an exec, or so it should be.
 */
static void close_inherited(void)
{
	DIR *descriptors = opendir("/proc/self/fd");
	const struct dirent *entry;
	while (descriptors && (entry = readdir(descriptors)))
		close_if_inherited(atoi(entry->d_name)); /* "." and "..": 0 */
	if (descriptors)
		(void)closedir(descriptors);
	for (int fd = 3; !descriptors && fd < GUESSED_DESCRIPTORS; fd++)
		close_if_inherited(fd);
}

/* The kernel should take the profiled program before its profiler. Needs privileges: often fails.
 */
static void outlive_program(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "-500", 4);
	(void)close(fd);
}

void detach(void)
{
	static const int ignored[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGTSTP, SIGTTOU,
				      SIGTTIN, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2};
	sigset_t none;
	(void)setsid(); /* fails only for a group leader, which a fork's child is not */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN); /* valid signal numbers */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* valid arguments */
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3 && null_fd >= 0; fd++)
		(void)dup2(null_fd, fd);
	if (null_fd > 2)
		(void)close(null_fd);
	close_inherited();
	outlive_program();
}
