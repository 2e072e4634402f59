/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A library that loads another one, which only it may find: what the loader finds is its caller's
 * affair. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int open_and_keep(const char *path, int mode)
{
	void *library = dlopen(path, mode);
	if (!library) {
		puts(dlerror());
		return -1;
	}
	int (*keep_blocks)(void) = dlsym(library, "keep_blocks");
	return keep_blocks();
}
