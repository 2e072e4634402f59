/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program without C++ that loads a library which throws. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **arguments)
{
	void *plugin = dlopen(arguments[1], RTLD_NOW);
	int (*run)(void) = plugin ? (int (*)(void))dlsym(plugin, "plugin_run") : NULL;
	if (!run)
		return 1;
	printf("%d\n", run());
	return 0;
}
