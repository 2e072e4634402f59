/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints what a program can see of the process that it is, and that memtrace must not change. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "keep.h"

static int entries(const char *path)
{
	int count = 0;
	DIR *directory = opendir(path);
	for (struct dirent *entry; (entry = readdir(directory));)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

static void status_lines(void)
{
	static const char *const names[] = {"Threads",   "SigPnd", "ShdPnd",      "SigBlk",
					    "SigIgn",    "SigCgt", "Seccomp",     "NoNewPrivs",
					    "TracerPid", "Umask",  "Uid",         "Gid",
					    "Groups",    "CapEff", "CoreDumping", "Cpus_allowed"};
	char line[512];
	FILE *input = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof(line), input))
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strncmp(line, names[i], strlen(names[i])) == 0 &&
			    line[strlen(names[i])] == ':')
				fputs(line, stdout);
	fclose(input);
}

int main(int argc, char **argv)
{
	char text[4096];
	struct itimerval timer;
	stack_t stack;
	prctl(PR_SET_DUMPABLE, 0);
	keep(5191, 1);
	printf("tasks %d, descriptors %d\n", entries("/proc/self/task"), entries("/proc/self/fd"));
	status_lines();
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;
		getrlimit(i, &limit);
		printf("limit %d: %lu %lu\n", i, (long)limit.rlim_cur, (long)limit.rlim_max);
	}
	for (int i = 1; i < NSIG; i++) {
		struct sigaction action;
		if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			printf("handler of %d\n", i);
	}
	sigaltstack(NULL, &stack);
	getitimer(ITIMER_REAL, &timer);
	printf("alternate stack %d, timer %ld\n", stack.ss_flags, timer.it_value.tv_usec);
	printf("children: %d %d\n", (int)waitpid(-1, NULL, WNOHANG), errno);
	printf("group leader %d, session leader %d, terminal %d\n", getpgrp() == getpid(),
	       getsid(0) == getpid(), open("/dev/tty", O_RDWR));
	printf("directory %s, name %s, nice %d, policy %d\n", getcwd(text, sizeof(text)), argv[0],
	       nice(0), sched_getscheduler(0));
	for (char **variable = environ; *variable; variable++)
		puts(*variable);
	printf("secure %s, parent death %d, subreaper %d\n", secure_getenv("PATH") ? "no" : "yes",
	       prctl(PR_GET_PDEATHSIG, text), prctl(PR_GET_CHILD_SUBREAPER, text));
	printf("error %d\n", errno = 0);
	free(malloc(1000));
	printf("error %d\n", errno);
	printf("message %s\n", dlerror());
	printf("unshare %d\n", argc > 1 ? unshare(CLONE_NEWUSER) : 0);
	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			_exit(entries("/proc/self/fd"));
	for (int i = 0; i < 4; i++) {
		int status = -1;
		printf("%d %d\n", wait(&status) > 0, status);
	}
	return 0;
}
