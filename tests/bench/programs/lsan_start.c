/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded after liblsan.so, which initialises itself at the first allocation: before that its
 * interceptors of signal() and others call a null pointer. sqlite3 and git call them first.
 */
#include <stdlib.h>

__attribute__((constructor)) static void start(void)
{
	void *volatile block = malloc(1);
	free(block);
}
