/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A library to be preloaded that leaks: one block of 4242 bytes when it is loaded, and one a call
 * of strlen, getenv and setlocale, as long as the process has called them less than 20 times.
 * How many it has leaked in all processes is counted in the file INJECT_COUNTER, of 4096 bytes.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CALLS 20
#define BYTES 4242

static _Atomic unsigned *counter;
static _Atomic unsigned calls;
static __thread int is_inside;

__attribute__((noinline)) static void leak(void)
{
	volatile char *block = malloc(BYTES);
	for (size_t i = 0; block && i < BYTES; i++)
		block[i] = 0;
	atomic_fetch_add(counter, 1);
}

/* What leak has left on the stack must not keep its block. */
__attribute__((noinline)) static void clear_stack(void)
{
	volatile char bytes[4096];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = 0;
}

/* The program's calls only. */
static int is_of_tracker(void *caller)
{
	struct dl_find_object object;
	return _dl_find_object(caller, &object) == 0 &&
	       strstr(object.dlfo_link_map->l_name, "libmemtrace");
}

static void inject(void *caller)
{
	if (!counter || is_inside || is_of_tracker(caller) || atomic_fetch_add(&calls, 1) >= CALLS)
		return;
	is_inside = 1;
	leak();
	clear_stack();
	is_inside = 0;
}

__attribute__((constructor)) static void start(void)
{
	char *(*real_getenv)(const char *) = (char *(*)(const char *))dlsym(RTLD_NEXT, "getenv");
	const char *path = real_getenv ? real_getenv("INJECT_COUNTER") : NULL;
	int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (file < 0)
		return;
	void *pages = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	(void)close(file);
	if (pages == MAP_FAILED)
		return;
	counter = pages;
	inject(__builtin_return_address(0));
}

size_t strlen(const char *text)
{
	size_t length = 0;
	inject(__builtin_return_address(0));
	while (text[length])
		length++;
	return length;
}

char *getenv(const char *name)
{
	static char *(*real_getenv)(const char *);
	if (!real_getenv)
		real_getenv = (char *(*)(const char *))dlsym(RTLD_NEXT, "getenv");
	inject(__builtin_return_address(0));
	return real_getenv(name);
}

char *setlocale(int category, const char *locale)
{
	static char *(*real_setlocale)(int, const char *);
	if (!real_setlocale)
		real_setlocale = (char *(*)(int, const char *))dlsym(RTLD_NEXT, "setlocale");
	inject(__builtin_return_address(0));
	return real_setlocale(category, locale);
}
