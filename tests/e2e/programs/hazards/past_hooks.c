/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls libc's own functions, found in libc's handle as foreign-function interfaces find them: past
 * whoever stands in front of them.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE 1960
#define REST 1900

static void *libc;

/* A block that was cut past the hooks: what is behind it belongs to somebody else. */
static int free_what_was_cut(void)
{
	void *(*resize)(void *, size_t) = dlsym(libc, "realloc");
	char *block = malloc(LARGE);
	void *guard = malloc(LARGE);
	char *cut = resize(block, 24);
	char *behind = malloc(REST);
	memset(behind, 7, REST);
	printf("%s\n", cut == block && behind == block + 32 ? "behind it" : "elsewhere");
	free(cut);
	int changed = 0;
	for (int i = 0; i < REST; i++)
		changed += behind[i] != 7;
	printf("%d changed\n", changed);
	free(behind);
	free(guard);
	return 0;
}

/* glibc sees it, and ends the program. */
static int free_twice(void)
{
	void (*release)(void *) = dlsym(libc, "free");
	void *block = malloc(200);
	release(block);
	free(block);
	return 0;
}

int main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, malloc(4096), _IOFBF, 4096);
	libc = dlopen("libc.so.6", RTLD_NOW);
	return strcmp(argv[1], "cut") == 0 ? free_what_was_cut() : free_twice();
}
