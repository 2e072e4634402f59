/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Libraries whose malloc is not the program's: RTLD_DEEPBIND, and a namespace of dlmopen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "keep.h"

int main(int argc, char **argv)
{
	void *library = strcmp(argv[1], "deepbind") == 0
				? dlopen(argv[2], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)
				: dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW);
	if (!library) {
		puts(dlerror());
		return 1;
	}
	void *(*make)(void) = dlsym(library, "make_block");
	void (*end)(void *) = dlsym(library, "end_block");
	for (int i = 0; i < 1000; i++) {
		void *block = make();
		end(block);
		if (strcmp(argv[1], "deepbind") == 0)
			free(make()); /* both are libc's */
		keep(5161, 1);
	}
	dlclose(library);
	keep(5163, 1);
	puts("done");
	return 0;
}
