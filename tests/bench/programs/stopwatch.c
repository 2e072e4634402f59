/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stopwatch FILE PROGRAM [ARGUMENT...]: run PROGRAM, say in FILE what it cost by itself.
 *
 * Stands between a profiler's command and the program: the command's own end, which may come later
 * (interpreters, compressors, names), is measured outside. Writes one line: wall-clock nanoseconds
 * from start to end, user and system microseconds, largest resident set in KiB. Built twice: static
 * (an LD_PRELOAD passes through it without effect) and dynamic, for memtrace, which refuses static
 * programs. It has no heap. The exit status is the program's, 128 + N if signal N ended it.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000LL + time.tv_usec;
}

int main(int count, char **arguments)
{
	if (count < 3)
		return 125;
	int file = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (file < 0)
		return 125;
	long long start_ns = now_ns();
	pid_t pid;
	if (posix_spawnp(&pid, arguments[2], NULL, NULL, arguments + 2, environ) != 0)
		return 127;
	int status;
	struct rusage usage;
	if (wait4(pid, &status, 0, &usage) != pid)
		return 125;
	char line[160];
	int length = snprintf(line, sizeof line, "%lld %lld %lld %ld\n", now_ns() - start_ns,
			      microseconds(usage.ru_utime), microseconds(usage.ru_stime),
			      usage.ru_maxrss);
	if (write(file, line, (size_t)length) != length)
		return 125;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
