/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verdicts ACTION...: does each in turn and ends with 0. A number N in an action follows a colon.
 *
 *   definite:N    loses N bytes, by lose_definite; again:N from another line of it; other:N by
 *                 lose_other
 *   indirect:N    loses 16 bytes that point to N bytes
 *   possible:N    keeps a pointer into the inside of N bytes
 *   reachable:N   keeps a pointer to N bytes
 *   list:N        keeps a list of N blocks of 48 bytes
 *   lone          is somebody who may have no more processes, and tries to fork
 *   allocate:N    allocates and frees N times 1000 bytes
 *   peak:N        has N bytes at once, and frees them
 *   child         does the rest of the actions in a fork's child, and waits for it
 *   detach:N      leaves a child behind that ends after N milliseconds
 *   linger:N      the same, and the child allocates nothing before that
 *   replace       leaves 500 bytes and starts itself anew with the rest of the actions
 *   wait          waits for a line of stdin
 *   say           prints "out" to stdout and "err" to stderr
 *   exit:N  kill:N
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void *volatile kept;
char *volatile inside;

static void *volatile sink;

__attribute__((noinline)) static void lose_definite(size_t size, int is_again)
{
	if (is_again)
		sink = malloc(size);
	else
		sink = malloc(size);
	memset(sink, 1, size);
	sink = NULL;
}

__attribute__((noinline)) static void lose_other(size_t size)
{
	sink = malloc(size);
	sink = NULL;
}

__attribute__((noinline)) static void lose_indirect(size_t size)
{
	void **outer = malloc(16);
	outer[0] = malloc(size);
	outer[1] = NULL;
	sink = outer;
	sink = NULL;
}

__attribute__((noinline)) static void allocate_times(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sink = malloc(1000);
		free(sink);
	}
}

__attribute__((noinline)) static void *make_list(size_t count)
{
	void **list = NULL;
	for (size_t i = 0; i < count; i++) {
		void **block = malloc(48);
		block[0] = list;
		list = block;
	}
	return list;
}

static void fail_to_fork(void)
{
	const struct rlimit none = {0, 0};
	if (setrlimit(RLIMIT_NPROC, &none) != 0 || setresuid(65534, 65534, 65534) != 0 ||
	    fork() >= 0)
		_exit(95);
}

/* Takes what the functions before have left on the stack and in registers out of the way. */
__attribute__((noinline)) static void wipe(void)
{
	volatile char below[8192];
	for (size_t i = 0; i < sizeof(below); i++)
		below[i] = 0;
}

static void run_child(char **rest)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		execv("/proc/self/exe", rest);
		_exit(99);
	}
	if (waitpid(pid, &status, 0) != pid)
		_exit(98);
}

int main(int count, char **actions)
{
	for (int i = 1; i < count; i++) {
		char *action = actions[i];
		char *colon = strchr(action, ':');
		size_t number = colon ? strtoul(colon + 1, NULL, 10) : 0;
		if (strncmp(action, "definite", 8) == 0)
			lose_definite(number, 0);
		else if (strncmp(action, "again", 5) == 0)
			lose_definite(number, 1);
		else if (strncmp(action, "other", 5) == 0)
			lose_other(number);
		else if (strncmp(action, "indirect", 8) == 0)
			lose_indirect(number);
		else if (strncmp(action, "possible", 8) == 0)
			inside = (char *)malloc(number) + number / 2;
		else if (strncmp(action, "reachable", 9) == 0)
			kept = malloc(number);
		else if (strncmp(action, "list", 4) == 0)
			kept = make_list(number);
		else if (strcmp(action, "lone") == 0)
			fail_to_fork();
		else if (strncmp(action, "allocate", 8) == 0)
			allocate_times(number);
		else if (strncmp(action, "peak", 4) == 0) {
			sink = malloc(number);
			free(sink);
		} else if (strcmp(action, "child") == 0) {
			run_child(actions + i);
			break;
		} else if (strncmp(action, "detach", 6) == 0) {
			if (fork() == 0) {
				lose_definite(40, 0);
				usleep((useconds_t)number * 1000);
				wipe();
				exit(0);
			}
		} else if (strncmp(action, "linger", 6) == 0) {
			if (fork() == 0) {
				usleep((useconds_t)number * 1000);
				exit(0);
			}
		} else if (strcmp(action, "replace") == 0) {
			lose_definite(500, 0);
			execv("/proc/self/exe", actions + i);
		} else if (strcmp(action, "say") == 0) {
			if (write(1, "out\n", 4) != 4 || write(2, "err\n", 4) != 4)
				return 97;
		} else if (strcmp(action, "wait") == 0) {
			char line[16];
			if (read(0, line, sizeof(line)) <= 0)
				return 96;
		} else if (strncmp(action, "exit", 4) == 0) {
			wipe();
			exit((int)number);
		} else if (strncmp(action, "kill", 4) == 0)
			kill(getpid(), (int)number);
		wipe();
	}
	return 0;
}
