/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Libraries whose malloc is not the program's: RTLD_DEEPBIND, at once and as the functions are
 * used, and a namespace of dlmopen. With "by" another library opens it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "keep.h"

static int by_another(char **argv)
{
	int mode = (strcmp(argv[2], "lazy") == 0 ? RTLD_LAZY : RTLD_NOW) | RTLD_LOCAL;
	void *opener = dlopen(argv[3], RTLD_NOW);
	if (!opener) {
		puts(dlerror());
		return 1;
	}
	int (*open_and_keep)(const char *, int) = dlsym(opener, "open_and_keep");
	if (strcmp(argv[2], "deepbind") == 0)
		mode |= RTLD_DEEPBIND;
	printf("%d\n", open_and_keep(argv[4], mode));
	keep(5163, 1);
	return 0;
}

int main(int argc, char **argv)
{
	int is_dlmopen = strcmp(argv[1], "dlmopen") == 0;
	int when = strcmp(argv[1], "lazily") == 0 ? RTLD_LAZY : RTLD_NOW;
	if (strcmp(argv[1], "by") == 0)
		return by_another(argv);
	void *library = is_dlmopen ? dlmopen(LM_ID_NEWLM, argv[2], when)
				   : dlopen(argv[2], when | RTLD_LOCAL | RTLD_DEEPBIND);
	printf("%d\n", dlerror() == NULL);
	if (!library)
		return 1;
	void *(*make)(void) = dlsym(library, "make_block");
	void (*end)(void *) = dlsym(library, "end_block");
	int (*keep_blocks)(void) = dlsym(library, "keep_blocks");
	for (int i = 0; i < 1000; i++) {
		void *block = make();
		end(block);
		if (!is_dlmopen) {
			free(make()); /* both are libc's */
			end(malloc(5169));
		}
		keep(5161, 1);
	}
	printf("%d\n", keep_blocks());
	dlclose(library);
	keep(5163, 1);
	puts("done");
	return 0;
}
