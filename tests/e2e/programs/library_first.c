/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

static void *volatile left;

static __attribute__((noinline)) void first_library(void)
{
	left = malloc(2001);
}

void leave_block(void)
{
	first_library();
	left = NULL;
}
