/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A preloaded library with a malloc of its own around the next one, which it finds with dlsym in
 * its first call; in the second it looks for something that is not there, and libc allocates the
 * message.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

static void *(*next_malloc)(size_t);
static _Atomic int calls;

void *malloc(size_t size_bytes)
{
	if (!next_malloc)
		next_malloc = dlsym(RTLD_NEXT, "malloc");
	if (atomic_fetch_add(&calls, 1) == 1) {
		(void)dlsym(RTLD_NEXT, "no such function");
		(void)dlerror();
	}
	return next_malloc(size_bytes);
}
