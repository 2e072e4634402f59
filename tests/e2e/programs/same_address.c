/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * same_address FIRST.so SECOND.so: loads one library, calls into it, unloads it, and goes on with
 * the next, which the loader puts at the same address; over and over. With a third argument the
 * libraries are loaded into a namespace of their own, or bind to themselves first.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *load(const char *path, const char *how)
{
	if (how && strcmp(how, "namespace") == 0)
		return dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
	return dlopen(path, RTLD_NOW | (how && strcmp(how, "deep") == 0 ? RTLD_DEEPBIND : 0));
}

int main(int count, char **arguments)
{
	void *last = NULL;
	int same = 0;
	for (int i = 0; i < 6; i++) {
		void *library = load(arguments[1 + i % 2], arguments[3]);
		if (!library) {
			puts(dlerror());
			return 1;
		}
		void (*leave)(void) = (void (*)(void))dlsym(library, "leave_block");
		leave();
		same += (void *)leave == last;
		last = (void *)leave;
		dlclose(library);
	}
	printf("%s\n", same == 5 || count > 3 ? "as expected" : "other addresses");
	return 0;
}
