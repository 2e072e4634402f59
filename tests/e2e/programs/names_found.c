/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which functions of other allocators a program finds: as programs ask before they use one. */
#include <dlfcn.h>
#include <stdio.h>

#define NAMES(X)                                                                                   \
	X(mallocx)                                                                                 \
	X(je_malloc)                                                                               \
	X(mi_malloc)                                                                               \
	X(tc_malloc)                                                                               \
	X(_Znwm)

#define X(name) extern void *name(size_t) __attribute__((weak));
NAMES(X)
#undef X

int main(void)
{
	dlerror();
#define X(name)                                                                                    \
	printf("%s %d %d\n", #name, name != NULL, dlsym(RTLD_DEFAULT, #name) != NULL);             \
	dlerror();
	NAMES(X)
	printf("free_sized %d\n", dlsym(RTLD_DEFAULT, "free_sized") != NULL);
	printf("cfree %d\n", dlsym(RTLD_DEFAULT, "cfree") != NULL);
	return 0;
}
